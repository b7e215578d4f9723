--- Breaks a Redis in eight ways under a cache that falls back to its source, and measures how the
--- cache's users come through: what they felt, and how soon they were well again.
---
--- Shows: faults of links and of Redis itself, a fallback that is counted, a checksum that finds
--- values which were stored damaged. The link is cut, then swallows what is sent, then damages what
--- is written; Redis changes its password, has no memory left, evicts by use and by time to live, and
--- is restarted. All values it loses can be made again; nothing else is stored in it.
---
--- needs: redis-server; or your own on this machine with -p redis=redis://127.0.0.1:6379, whose
---        values may then be evicted (it is not restarted).
--- run:   loadrun scripts/redis_failures.lua
local check = require "loadrun.check"
local crypto = require "loadrun.crypto"
local fault = require "loadrun.fault"
local metric = require "loadrun.metric"
local param = require "loadrun.param"
local redis = require "loadrun.redis"
local service = require "loadrun.service"

local url = param("redis", "", "URL of a Redis on this machine; empty starts one")
local rate = param("rate", 200, "reads a second")
local keys = param("keys", 2000, "how many different values are read")
local calm = param("calm", 8, "seconds before the first fault")
local lasts = param("lasts", 4, "seconds each fault lasts")
local rest = param("rest", 8, "seconds between a fault's end and the next")
local share = param("damage", "20%", "share of what is written that is damaged on its way")

local own = url == ""
local cache = own and service.redis { appendonly = true, appendfsync = "everysec" } or url
local link = fault.proxy { name = "link", upstream = cache }
local client = redis.client { url = link, timeout = "500ms", connect_timeout = "500ms" }

local served = metric.rate "cache.served"
local fallback = metric.counter "cache.fallback"
local damaged = metric.counter "cache.damaged"

--- What the source would answer: slow to make in a real system, the same every time.
---@param key integer
---@return string
local function source(key) return ("%d:%s"):format(key, ("value "):rep(200)) end

--- The value behind its checksum. The key is summed up with it: a damaged key finds another's value.
---@param key integer
---@return string
local function sealed(key)
  local value = source(key)
  return crypto.sha1(key .. value) .. value
end

--- The value, if its checksum holds.
---@param key integer
---@param stored string
---@return string?
local function opened(key, stored)
  local sum, value = stored:sub(1, 40), stored:sub(41)
  return crypto.sha1(key .. value) == sum and value or nil
end

---@param vu loadrun.Vu
local function read(vu)
  local key = vu.rand:integer(1, keys)
  local name = "failures:" .. key
  local stored, err = client:get(name)
  local value = stored and opened(key, stored)
  served:hit(err == nil)
  if err then
    -- The cache is not there: the source answers, and nobody waits for more.
    fallback:add(1)
  elseif not value or vu.rand:integer(1, 10) == 1 then
    -- Not there, damaged, or one of the values that are refreshed now and then.
    if stored and not value then damaged:add(1) end
    client:setex(name, 30 + vu.rand:integer(0, 30), sealed(key))
  end
  value = value or source(key)
  check(value, { ["users get the right value"] = value == source(key) })
end

local at = calm
---@param what table
---@return loadrun.Fault
local function next_fault(what)
  what.at, what.for_ = at, lasts
  at = at + lasts + rest
  return what
end

local faults = {
  next_fault { name = "refused", on = link, kind = "down" },
  next_fault { name = "timeout", on = link, kind = "timeout", stream = "both" },
  next_fault { name = "wrong-password", on = cache, kind = "wrong_password" },
  next_fault { name = "memory-full", on = cache, kind = "maxmemory", share = "80%" },
  next_fault {
    name = "evicts-lru",
    on = cache,
    kind = "maxmemory",
    share = "90%",
    policy = "allkeys-lru",
    irreversible = true,
  },
  next_fault {
    name = "evicts-ttl",
    on = cache,
    kind = "maxmemory",
    share = "90%",
    policy = "volatile-ttl",
    irreversible = true,
  },
  next_fault {
    name = "corruption",
    on = link,
    kind = "corrupt_stream",
    stream = "upstream",
    probability = share,
  },
}
if own then faults[#faults + 1] = next_fault { name = "restart", on = cache, kind = "restart" } end

---@type loadrun.Script
return {
  scenarios = {
    readers = { rate = rate, duration = at, max_users = 500, run = read },
  },
  faults = faults,
  -- What is normal; so no outlier of a busy machine is taken for trouble.
  recovery = { success = "98%", p99 = "250ms" },
  thresholds = {
    "check.failed{check=users get the right value} rate == 0, critical",
    "recovery.time max < 5s",
    "recovery.detect{fault=refused} max < 4s",
    "recovery.detect{fault=timeout} max < 4s",
    "iteration.dropped count == 0",
  },
}
