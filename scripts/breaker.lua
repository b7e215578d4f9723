--- Two circuit breakers at work: the script's own, which guards its calls, and that of the service,
--- seen from outside.
---
--- Shows: the Lua module `breaker`, `fault.calls`, and a breaker's times as metrics. First a tenth of
--- the client's calls fail, which its breaker tolerates; then all of them, and after five it opens,
--- fails fast, and closes by itself when calls succeed again. Its users go without all the same, so
--- the calls it did not let through count as refused where the report tells what that fault did. Then
--- the service's Redis is unreachable: its breaker opens, its answers come at once again, and it closes
--- after the link is back.
---
--- needs: redis-server on this machine, or your own as `redis` (its keys sandbox:item:*)
--- run:   loadrun scripts/breaker.lua -p redis=redis://127.0.0.1:6379
local breaker = require "breaker"
local fault = require "loadrun.fault"
local http = require "loadrun.http"
local metric = require "loadrun.metric"
local param = require "loadrun.param"
local sandbox = require "loadrun.sandbox"
local service = require "loadrun.service"
local time = require "loadrun.time"

local redis = param("redis", "", "address of the Redis; empty starts one for the run")
local rate = param("rate", 50, "calls a second of each kind")
local calm = param("calm", 6, "seconds before the first fault")
local lasts = param("lasts", 3, "seconds each fault lasts")
local rest = param("rest", 5, "seconds after each fault")

local link =
  fault.proxy { name = "redis-link", upstream = redis ~= "" and redis or service.redis {} }
local target = sandbox.start { redis = link, fallback = false, breaker = "5 1s", timeout = "200ms" }
local api = http.client { base = target, timeout = "2s" }

local some = fault.calls { name = "http.guarded", error = "reset", share = "10%" }
local all = fault.calls { name = "http.guarded", error = "reset" }

-- The client's own breaker. Each worker has one, as each instance of a client would.
local opened_after = metric.trend "client.opened_after"
local fail_fast = metric.trend("client.fail_fast", { unit = "time" })
local closed = metric.counter "client.closed"
local failures = 0
local guard = breaker.new {
  failures = 5,
  open = "1s",
  on_change = function(state, before)
    if state == "open" and before == "closed" then opened_after:record(failures) end
    if state == "closed" then closed:add() end
  end,
}

--- A call through the client's breaker.
local function guarded()
  local begun = time.now()
  local called = guard:call(function()
    local reply = api:get("/", { name = "guarded" })
    failures = reply.error and failures + 1 or 0
    return reply
  end)
  if not called then fail_fast:record(time.since(begun)) end
end

-- The service's breaker, of which only the answers are seen.
local seen = {
  opened_after = metric.trend("service.opened_after", { unit = "time" }),
  fail_fast = metric.trend("service.fail_fast", { unit = "time" }),
  closed_after = metric.trend("service.closed_after", { unit = "time" }),
}
local all_at = calm + lasts + rest
local link_at = all_at + lasts + rest
---@type number?, number?, number?
local begun_at, failing, refused

--- Any answer of the service: when the first call failed, when the first was refused unasked, and when
--- the first succeeded again.
---@param vu loadrun.Vu
local function watch(vu)
  local begun = time.now()
  begun_at = begun_at or begun -- the first is due when the load begins
  local reply = api:get("/items/" .. vu.rand:integer(1, 1000), { name = "watched" })
  if reply.headers["x-breaker"] == "open" then
    seen.fail_fast:record(reply.duration)
    if failing and not refused then seen.opened_after:record(time.since(failing)) end
    refused = time.now()
  elseif reply.error then
    failing = failing or begun
  elseif refused then
    -- After the link is back. A breaker that closed before is not what is looked for.
    local after = time.since(begun_at + link_at + lasts)
    if after > 0 then seen.closed_after:record(after) end
    failing, refused = nil, nil
  end
end

local duration = link_at + lasts + rest

---@type loadrun.Script
return {
  scenarios = {
    guarded = { rate = rate, duration = duration, run = guarded },
    watched = { rate = rate, duration = duration, run = watch },
  },
  faults = {
    { name = "some fail", at = calm, for_ = lasts, on = some },
    { name = "all fail", at = all_at, for_ = lasts, on = all },
    {
      name = "no redis",
      at = link_at,
      for_ = lasts,
      on = link,
      kind = "timeout",
      stream = "both",
    },
  },
  -- A tenth of the guarded calls is a twentieth of all: that is to be tolerated.
  recovery = { success = "85%", p99 = "1s" },
  thresholds = {
    "client.opened_after max == 5",
    "client.fail_fast p99 < 1ms",
    "client.closed count >= 1",
    "service.opened_after max < 2s",
    "service.fail_fast p95 < 20ms",
    "service.closed_after max < 2s",
  },
}
