--- Messages through Redis: how long from publishing to receiving, whether any are lost, and whether
--- they come in the order in which they were sent.
---
--- Shows: subscriptions, an open load (`rate`) beside a closed one, metrics of the script's own, and a
--- count over all workers that is balanced in `teardown`.
---
--- needs: redis-server on this machine; or a Redis of your own, whose channels `pubsub:*` are used
--- run:   loadrun scripts/pubsub.lua -p redis=redis://127.0.0.1:6379 -p rate=5000 -p listeners=10
local metric = require "loadrun.metric"
local param = require "loadrun.param"
local redis = require "loadrun.redis"
local service = require "loadrun.service"
local shared = require "loadrun.shared"
local time = require "loadrun.time"

local url = param("redis", "", "address of the Redis; empty starts one for the run")
local rate = param("rate", 1500, "messages published each second", { min = 1 })
local listeners = param("listeners", 3, "how many listen to every channel", { min = 1 })
local seconds = param("seconds", 20, "for how long messages are published", { min = 1 })

local bus = redis.client { url = url ~= "" and url or service.redis {} }

local delay = metric.trend("pubsub.delay", { unit = "time" })
local received = metric.counter "pubsub.received"
local disordered = metric.rate "pubsub.disordered"
-- Set once, at the end: what was published, times the listeners, less what they received.
local lost = metric.gauge "pubsub.lost"

-- Over all workers.
local sent, heard = shared.counter "sent", shared.counter "heard"

--- Each publisher numbers its messages on a channel of its own, and says when it sent them: all
--- users of a run have the same clock.
---@param vu loadrun.Vu
local function publish(vu)
  vu.number = (vu.number or 0) + 1
  local text = ("%d %.9f"):format(vu.number, time.now())
  local _, err = bus:publish("pubsub:" .. vu.id, text, { name = "publish" })
  if not err then sent:add(1) end
end

--- The subscription has begun when this ends, and so before the first message is published.
---@param vu loadrun.Vu
local function listen(vu)
  local messages, err = bus:psubscribe "pubsub:*"
  if not messages then error("cannot subscribe: " .. err) end
  vu.messages, vu.last = messages, vu.last or {}
end

--- Takes in what comes for a while.
---@param vu loadrun.Vu
local function receive(vu)
  for _ = 1, 100 do
    local message, err = vu.messages:receive "200ms"
    if err then
      -- What is published until then is lost, and counted as that.
      time.sleep(0.1)
      listen(vu)
      return
    end
    if not message then return end
    local number, at = message.text:match "^(%d+) (%S+)$"
    number, at = tonumber(number), tonumber(at)
    if not number or not at then error("not one of our messages: " .. message.text) end
    local last = vu.last[message.channel] or 0
    disordered:hit(number <= last)
    vu.last[message.channel] = math.max(last, number)
    delay:record(message.received - at)
    received:add(1)
    heard:add(1)
  end
end

---@type loadrun.Script
return {
  scenarios = {
    listeners = { users = listeners, duration = seconds + 3, init = listen, run = receive },
    publishers = { rate = rate, duration = seconds, start = "1s", max_users = 200, run = publish },
  },
  teardown = function() lost:set(sent:value() * listeners - heard:value()) end,
  thresholds = {
    "pubsub.delay p99 < 10ms, goal < 2ms",
    -- While messages are published: the rate of a counter is that of the whole run.
    ("pubsub.received count >= %d"):format(1000 * listeners * seconds),
    "pubsub.lost value == 0, critical",
    "pubsub.disordered rate == 0",
    "redis.failed rate == 0",
  },
}
