--- Where does it break? The rate is doubled step by step until a limit breaks, and then halved in
--- between what held and what broke, until the two are close: the highest rate that holds, and what
--- broke first beyond it.
---
--- Shows: a load that follows what came of it; profiles for other ways to break; a metric recorded in
--- `teardown` for a threshold to judge.
---
--- A step holds when at least 99 % of the calls that began in it succeeded within the time limit. The
--- engine offers `ceiling` arrivals a second all the time; those beyond the rate of the step do
--- nothing, so the rest comes evenly, however slow the answers are. A pause after each step lets it
--- drain.
---
--- needs: nothing; without `url` it starts the practice target, which takes 50 requests in flight and
---        needs 100 ms for each, so 500 a second. A service of your own has GET /items/{id} and POST
---        /items.
--- run:   loadrun scripts/breaking_point.lua -p url=http://127.0.0.1:8080 -p wanted=300
---        --profile payload: large bodies; keys: many different items; connections: a new one a call
local http = require "loadrun.http"
local log = require "loadrun.log"
local metric = require "loadrun.metric"
local param = require "loadrun.param"
local sandbox = require "loadrun.sandbox"
local shared = require "loadrun.shared"
local time = require "loadrun.time"

local url = param("url", "", "address of the service; empty starts the practice target")
local begin = param("begin", 50, "calls a second in the first step")
local ceiling = param("ceiling", 2000, "most calls a second that are tried")
local steps = param("steps", 12, "how many steps there are")
local step = param("step", 5, "seconds of a step, of which the last fifth is a pause")
local limit = param("limit", 500, "milliseconds within which a call has to succeed")
local wanted = param("wanted", 100, "calls a second that have to hold")
local payload = param("payload", 0, "bytes of a body that is sent; 0: an item is read")
local keys = param("keys", 100, "how many different items are read")
local fresh = param("fresh", false, "whether each call opens a connection of its own")

local practice = { capacity = 50, latency = "normal 100ms 10ms" }
local api = http.client {
  base = url ~= "" and url or sandbox.start(practice),
  timeout = "5s",
  connections = fresh and "new" or "user",
}
local body = { name = ("x"):rep(payload), price = 1 }

-- What a threshold can judge; set once, at the end.
local highest = metric.gauge "breaking_point.rate"

-- Arrivals in a step, and how many of them come before the pause.
local arrivals <const> = math.floor(ceiling * step)
local busy <const> = math.floor(arrivals * 4 / 5)

--- Calls a second of each step, once it has been decided.
local rates = shared.map "rates"
--- Every way in which a call was not good.
local ways = shared.map "ways"

---@param index integer
---@param what string
---@return loadrun.shared.Counter
local function counter(index, what) return shared.counter(("step %d: %s"):format(index, what)) end

---@param index integer
---@return boolean
local function held(index)
  return counter(index, "good"):value() >= 0.99 * counter(index, "began"):value()
end

--- The highest rate that held before a step, and the lowest that broke.
---@param index integer
---@return number low, number? high
local function known(index)
  local low, high = 0, nil
  for earlier = 1, index - 1 do
    local rate = rates:get(earlier) or 0
    if rate > 0 and held(earlier) then
      low = math.max(low, rate)
    elseif rate > 0 then
      high = math.min(high or rate, rate)
    end
  end
  return low, high
end

--- The rate to try next; 0 when there is nothing left to find out.
---@param index integer
---@return number
local function next_rate(index)
  if index == 1 then return math.min(begin, ceiling) end
  local low, high = known(index)
  if not high then return low < ceiling and math.min(low * 2, ceiling) or 0 end
  if high - low <= math.max(1, 0.02 * low) then return 0 end
  return math.floor((low + high) / 2 + 0.5)
end

--- The rate of a step: whoever comes first decides, from what came of the steps before.
---@param index integer
---@return number
local function rate_of(index)
  local rate = rates:get(index)
  if rate then return rate end
  local found = next_rate(index)
  return rates:update(index, function(decided) return decided or found end)
end

---@param vu loadrun.Vu
---@return loadrun.http.Reply
local function call(vu)
  if payload > 0 then return api:post("/items", { json = body, name = "call" }) end
  return api:get("/items/" .. vu.rand:integer(1, keys), { name = "call" })
end

--- One arrival: a call if the rate of its step has room for it.
---@param vu loadrun.Vu
local function arrive(vu)
  local index = (vu.iteration - 1) // arrivals + 1
  local nth = (vu.iteration - 1) % arrivals
  if nth >= busy then return end
  local share = rate_of(index) / ceiling
  if math.floor((nth + 1) * share) == math.floor(nth * share) then return end

  counter(index, "began"):add()
  local begun = time.now()
  local reply = call(vu)
  ---@type string?
  local way = reply.error
  if way == "status" then
    way = "status " .. reply.status
  elseif not way and time.since(begun) * 1000 > limit then
    way = ("slower than %d ms"):format(limit)
  end
  counter(index, way or "good"):add()
  if way and not ways:get(way) then ways:set(way, true) end
end

--- What most calls of a step fell over.
---@param index integer
---@return string
local function reason(index)
  local most, name = 0, "none"
  for _, way in ipairs(ways:keys()) do
    local count = counter(index, tostring(way)):value()
    if count > most then
      most, name = count, tostring(way)
    end
  end
  return ("%s: %d of %d calls"):format(name, most, counter(index, "began"):value())
end

--- Goes through the steps and says what came of each, and of all.
local function report()
  local low, high = known(steps + 1)
  local first ---@type integer?
  for index = 1, steps do
    local rate = rates:get(index) or 0
    if rate > 0 then
      local line = "step %2d: %5g/s %s"
      local verdict = held(index) and "held" or ("broke by " .. reason(index))
      log.info(line:format(index, rate, verdict))
      if rate == high then first = index end
    end
  end
  highest:set(low)
  local line = "highest rate that held: %g/s"
  if first then
    log.info((line .. "; at %g/s it broke by %s"):format(low, high, reason(first)))
  else
    log.info((line .. "; nothing broke: raise the ceiling of %g/s"):format(low, ceiling))
  end
end

---@type loadrun.Script
return {
  scenarios = {
    calls = { run = arrive, rate = ceiling, duration = steps * step },
  },
  teardown = report,
  thresholds = { ("breaking_point.rate value >= %g"):format(wanted) },
  profiles = {
    quick = { step = 2, steps = 8 },
    payload = { payload = 200000 },
    keys = { keys = 1000 },
    connections = { fresh = true },
  },
}
