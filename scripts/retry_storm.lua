--- A service with capacity to spare, a link that is slow for three seconds, and users who try again:
--- the service is never well again, although nothing is broken any more.
---
--- Shows: a metastable failure. Four workers of 20 ms each carry 200 requests a second, and 120 come.
--- While the link is slow every call takes longer than its users wait, so each makes four attempts:
--- 480 a second, more than can be served. A queue builds up, and after it nothing is in time, so the
--- attempts go on. The workers are busy with answers that nobody waits for. With `protect=true` users
--- wait longer before each attempt, and a circuit breaker tells them when it is of no use: it is over
--- soon.
---
--- needs: nothing; it starts the practice target
--- run:   loadrun scripts/retry_storm.lua                    misses its thresholds, and says metastable
---        loadrun scripts/retry_storm.lua -p protect=true    recovers
local backoff = require "backoff"
local breaker = require "breaker"
local fault = require "loadrun.fault"
local http = require "loadrun.http"
local metric = require "loadrun.metric"
local param = require "loadrun.param"
local sandbox = require "loadrun.sandbox"
local time = require "loadrun.time"

local rate = param("rate", 120, "users a second; the service carries 200 requests a second")
local attempts = param("attempts", 4, "attempts a user makes at most")
local patience = time.seconds(param("patience", "250ms", "how long a user waits for an answer"))
local calm = time.seconds(param("calm", "10s", "how long all is well before"))
local slow = time.seconds(param("slow", "3s", "how long the link is slow: by more than users wait"))
local rest = time.seconds(param("rest", "27s", "how long it goes on after that"))
local protect =
  param("protect", false, "whether users wait between attempts, and stop while it is of no use")

local target = sandbox.start { workers = 4, latency = "20ms" }
local link = fault.proxy { name = "link", upstream = target }
local api = http.client { base = link, timeout = patience }

local retry = protect and backoff.new { base = "200ms", cap = "2s", attempts = attempts }
  or backoff.new { base = 0, cap = 0, attempts = attempts }
local guard = protect and breaker.new { failures = 5, open = "1s" } or nil

local made = metric.counter "attempts"
local served = metric.rate "users.served"

---@return loadrun.http.Reply
local function attempt()
  made:add()
  return api:get("/items/1", { name = "item" })
end

---@return loadrun.http.Reply | backoff.Reply
local function guarded()
  if not guard then return attempt() end
  local called, reply = guard:call(attempt)
  return called and reply or { error = "open" }
end

--- Who was told that it is of no use does not try again.
---@param reply any
---@return boolean
local function again(reply) return reply.error ~= "open" and backoff.may_help(reply) end

---@param vu loadrun.Vu
local function visit(vu)
  local reply = retry:call(vu.rand, guarded, again)
  served:hit(reply.error == nil)
end

---@type loadrun.Script
return {
  scenarios = {
    visitors = { rate = rate, duration = calm + slow + rest, max_users = 1000, run = visit },
  },
  faults = {
    {
      name = "slow",
      at = calm,
      for_ = slow,
      on = link,
      kind = "latency",
      latency = ("%.0fms"):format(1600 * patience),
    },
  },
  thresholds = {
    "recovery.time{fault=slow} max < 10s",
    "users.served rate > 50%",
    "iteration.dropped count == 0",
  },
}
