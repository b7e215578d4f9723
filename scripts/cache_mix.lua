--- A cache under a usual mix: 70 % of the calls read, 25 % write, 5 % delete, over keys of which few
--- are asked for most of the time, with values from 100 bytes to 100 KB.
---
--- Each number of users is a scenario, after the one before, with thresholds of its own.
---
--- Shows: Redis calls that return `value, err`, own metrics with thresholds (the hit ratio), scenarios
--- made in a loop, and a service that the run starts for itself.
---
--- needs: redis-server on this machine; or a Redis of your own, in which keys `mix:*` are written
--- run:   loadrun scripts/cache_mix.lua -p redis=redis://127.0.0.1:6379 -p step=30s
local metric = require "loadrun.metric"
local param = require "loadrun.param"
local redis = require "loadrun.redis"
local service = require "loadrun.service"

local url = param("redis", "", "address of the Redis; empty starts one for the run")
local keys = param("keys", 5000, "how many keys there are", { min = 10 })
local step = param("step", "8s", "how long each number of users stays")

local cache = redis.client { url = url ~= "" and url or service.redis { maxmemory = "1GiB" } }
local hits = metric.rate "cache.hits"

-- Of ten values five are small, three are pages, one is a picture and one is an export.
local SIZES <const> = { 100, 100, 100, 100, 100, 1000, 1000, 1000, 10000, 100000 }
local VALUES <const> = {}
for _, size in ipairs(SIZES) do
  VALUES[size] = ("v"):rep(size)
end

--- A key has one size for ever, so that a reader knows what should come back.
---@param n integer
---@return string
local function key(n) return "mix:" .. n end

---@param n integer
local function value(n) return VALUES[SIZES[n % #SIZES + 1]] end

--- Key 1 is asked for most, the last one hardly ever.
---@param vu loadrun.Vu
---@return integer
local function choose(vu) return vu.rand:zipf(keys, 1.0) end

---@param vu loadrun.Vu
local function read(vu)
  local n = choose(vu)
  local found, err = cache:get(key(n), { name = "read" })
  if err then return end
  hits:hit(found ~= nil)
  -- Whoever misses fetches it from somewhere else, and puts it there for the next one.
  if not found then cache:set(key(n), value(n), { name = "fill" }) end
end

---@param vu loadrun.Vu
local function write(vu)
  local n = choose(vu)
  cache:set(key(n), value(n), "EX", 600, { name = "write" })
end

---@param vu loadrun.Vu
local function delete(vu) cache:del(key(choose(vu)), { name = "delete" }) end

--- Fills the cache, 100 keys at a time, so that the run does not begin with nothing but misses.
local function fill()
  for first = 1, keys, 100 do
    local batch = {}
    for n = first, math.min(first + 99, keys) do
      batch[#batch + 1] = { "SET", key(n), value(n), "EX", 600 }
    end
    local _, err = cache:pipeline(batch)
    if err then error("cannot fill the cache: " .. err) end
  end
end

---@type table<string, loadrun.Scenario>
local scenarios = {}
local thresholds = {
  "cache.hits rate >= 80%, goal >= 90%",
  "redis.failed rate < 0.1%",
  "redis.duration rate >= 1000/s",
}
local before
for _, users in ipairs { 1, 5, 10, 20, 50 } do
  local name = users == 1 and "1 user" or ("%d users"):format(users)
  scenarios[name] = {
    users = users,
    duration = step,
    start = before and { after = before },
    weights = { { 70, read }, { 25, write }, { 5, delete } },
  }
  for _, limit in ipairs { "avg <= 5ms, goal <= 1ms", "p99 <= 50ms, goal <= 10ms" } do
    thresholds[#thresholds + 1] = ("redis.duration{scenario=%s} %s"):format(name, limit)
  end
  before = name
end

---@type loadrun.Script
return {
  setup = fill,
  scenarios = scenarios,
  thresholds = thresholds,
  teardown = function()
    for first = 1, keys, 1000 do
      local names = {}
      for n = first, math.min(first + 999, keys) do
        names[#names + 1] = key(n)
      end
      cache:unlink(names)
    end
  end,
}
