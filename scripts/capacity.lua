--- How many users does it carry? 10, 25, 50, 100, 200 and 500 of them, one step after another; at
--- the end it says which step was the last that held, and at which one 429s began.
---
--- Shows: scenarios made in a loop, counters that all workers share, and a metric recorded in
--- `teardown` for a threshold to judge.
---
--- A step held when at least 99 % of its calls succeeded within the time limit. The load is a
--- closed loop: each user waits for its answer and thinks before it calls again.
---
--- needs: nothing; without `url` it starts the practice target, which takes 150 requests in flight
---        and answers 429 beyond
--- run:   loadrun scripts/capacity.lua -p url=http://127.0.0.1:8080/items/1 -p wanted=200
local http = require "loadrun.http"
local log = require "loadrun.log"
local metric = require "loadrun.metric"
local param = require "loadrun.param"
local sandbox = require "loadrun.sandbox"
local shared = require "loadrun.shared"
local time = require "loadrun.time"

local url = param("url", "", "page to read; empty starts the practice target")
local seconds = param("step", 5, "seconds for which each number of users is held")
local limit = param("limit", 500, "milliseconds within which a call has to succeed")
local think = param("think", 250, "milliseconds from an answer to the user's next call")
local wanted = param("wanted", 100, "users that have to be carried")

local practice = { capacity = 150, latency = "normal 200ms 20ms" }
local site = http.client { base = url == "" and sandbox.start(practice) or nil, timeout = "5s" }
local page = url == "" and "/items/1" or url

-- What a threshold can judge; set once, at the end.
local carried = metric.gauge "capacity.users"

--- What one step has counted, over all workers.
---@class Step
---@field users integer
---@field calls loadrun.shared.Counter
---@field good loadrun.shared.Counter those that succeeded within the limit
---@field refused loadrun.shared.Counter those answered 429

---@type Step[]
local steps = {}
---@type table<string, Step>
local step_of_scenario = {}
---@type table<string, loadrun.Scenario>
local scenarios = {}

--- One call, counted for the step it belongs to.
---@param vu loadrun.Vu
local function call(vu)
  local step = step_of_scenario[vu.scenario]
  local begun = time.now()
  local reply = site:get(page, { name = "page" })
  local took = time.since(begun)
  step.calls:add(1)
  if not reply.error and took * 1000 <= limit then step.good:add(1) end
  if reply.status == 429 then step.refused:add(1) end
  time.sleep(think / 1000)
end

for index, users in ipairs { 10, 25, 50, 100, 200, 500 } do
  local name = ("%03d_users"):format(users)
  local step = {
    users = users,
    calls = shared.counter(name .. " calls"),
    good = shared.counter(name .. " good"),
    refused = shared.counter(name .. " refused"),
  }
  steps[index], step_of_scenario[name] = step, step
  scenarios[name] = {
    run = call,
    users = users,
    -- A second between two steps lets the one before drain.
    start = (index - 1) * (seconds + 1),
    duration = seconds,
    graceful_stop = "5s",
  }
end

--- Whether at least 99 % of the calls were good.
---@param step Step
---@return boolean
local function held(step)
  local calls = step.calls:value()
  return calls > 0 and step.good:value() >= 0.99 * calls
end

--- Goes through the steps and says what happened at each.
local function report()
  local last, first_refusal, broken = 0, nil, false
  for _, step in ipairs(steps) do
    local calls, good, refused = step.calls:value(), step.good:value(), step.refused:value()
    broken = broken or not held(step)
    if not broken then last = step.users end
    if refused > 0 then first_refusal = first_refusal or step.users end
    local verdict = held(step) and "held" or "did not hold"
    local line = "%3d users: %5d calls, %5d good, %5d refused: %s"
    log.info(line:format(step.users, calls, good, refused, verdict))
  end
  carried:set(last)
  log.info(last > 0 and ("the last step that held: %d users"):format(last) or "no step held")
  local began = first_refusal and "429s began at %d users" or "there were no 429s"
  log.info(began:format(first_refusal))
end

---@type loadrun.Script
return {
  scenarios = scenarios,
  teardown = report,
  thresholds = { ("capacity.users value >= %d"):format(wanted) },
}
