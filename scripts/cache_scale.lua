--- How a cache scales: what a call costs by the size of its value and by the number of entries, how
--- much memory an entry takes in the server, and how much is still found while the server evicts.
---
--- For each number of entries and each size of value that fits, the server is filled in `setup`, then
--- loaded for a while. On servers of the run's own there follow a small one that is filled beyond its
--- memory (LRU), and one whose entries live for a second (TTL).
---
--- Shows: scenarios made in a loop, one after the other, their tags as the dimensions of a result,
--- pipelines, what the server says about itself (`INFO`), and metrics recorded in `teardown`.
---
--- needs: redis-server on this machine; or a Redis of your own, in which keys `scale:*` are written
--- run:   loadrun scripts/cache_scale.lua -p redis=redis://127.0.0.1:6379 -p memory=2000 -p seconds=5
local log = require "loadrun.log"
local metric = require "loadrun.metric"
local param = require "loadrun.param"
local redis = require "loadrun.redis"
local service = require "loadrun.service"

local url = param("redis", "", "address of the Redis; empty starts servers for the run")
local seconds = param("seconds", 3, "for how long each combination is loaded", { min = 1 })
local memory = param(
  "memory",
  250,
  "MiB of values a combination may have; larger ones are left out",
  { min = 1 }
)
local users = param("users", 10, "users at a time", { min = 1 })

local SIZES <const> = { 100, 1000, 10000, 100000 }
local ENTRIES <const> = { 100, 10000, 1000000 }
local BATCH <const> = 10

local cache = redis.client { url = url ~= "" and url or service.redis {} }
local entry_memory = metric.gauge("scale.entry_memory", { unit = "bytes" })
local overhead = metric.gauge("scale.overhead", { unit = "bytes" })
local hits = metric.rate "scale.hits"
local gone = metric.counter "scale.gone"

-- What is evicted is only looked at where it does not take anybody's entries.
---@type table<string, loadrun.redis.Client>
local evicting = {}
if url == "" then
  local small = service.redis { maxmemory = "16MiB", maxmemory_policy = "allkeys-lru" }
  evicting.lru = redis.client { url = small }
  evicting.ttl = redis.client { url = service.redis {} }
end

-- About three times as many as the small server has room for.
local LRU_KEYS <const> = 40000

--- One number of entries of one size.
---@class Combination
---@field size integer bytes of a value
---@field entries integer
---@field value string
---@field tags table<string, string>

---@type Combination[]
local combinations = {}
---@type string[]
local left_out = {}
for _, entries in ipairs(ENTRIES) do
  for _, size in ipairs(SIZES) do
    if size * entries <= memory * 1024 * 1024 then
      local tags = { size = tostring(size), entries = tostring(entries) }
      combinations[#combinations + 1] =
        { size = size, entries = entries, value = ("v"):rep(size), tags = tags }
    else
      left_out[#left_out + 1] = ("%d x %d B"):format(entries, size)
    end
  end
end

---@param of Combination
---@param n integer
---@return string
local function key(of, n) return ("scale:%d:%d:%d"):format(of.size, of.entries, n) end

local GET <const>, SET <const>, DEL <const> = { name = "get" }, { name = "set" }, { name = "del" }
local MGET <const> = { name = "mget of " .. BATCH }

--- The iteration of one combination: get, set, get a batch, or delete and set again.
---@param of Combination
---@return fun(vu: loadrun.Vu)
local function load_of(of)
  return function(vu)
    local one = key(of, vu.rand:integer(1, of.entries))
    local what = vu.rand:integer(1, 10)
    if what <= 5 then
      cache:get(one, GET)
    elseif what <= 7 then
      cache:set(one, of.value, SET)
    elseif what <= 9 then
      local many = {}
      for n = 1, BATCH do
        many[n] = key(of, vu.rand:integer(1, of.entries))
      end
      cache:mget(many, MGET)
    else
      cache:del(one, DEL)
      cache:set(one, of.value, SET)
    end
  end
end

--- A number the server says about itself.
---@param client loadrun.redis.Client
---@param name string
---@return integer
local function said(client, name)
  local text, err = client:info()
  if not text then error(("the server does not say its %s: %s"):format(name, err)) end
  return math.tointeger(tonumber(text:match(name .. ":(%d+)")) or 0) or 0
end

--- Sets the keys from one number to another, as many at once as make about a megabyte.
---@param client loadrun.redis.Client
---@param first integer
---@param last integer
---@param value string
---@param name fun(n: integer): string
local function fill(client, first, last, value, name)
  local most = math.max(1, math.min(1000, 1000000 // #value))
  while first <= last do
    local batch = {}
    for n = first, math.min(first + most - 1, last) do
      batch[#batch + 1] = { "SET", name(n), value }
    end
    local _, err = client:pipeline(batch)
    if err then error("cannot fill the server: " .. err) end
    first = first + most
  end
end

--- Takes the entries of a combination away.
---@param of Combination
local function clear(of)
  for first = 1, of.entries, 1000 do
    local names = {}
    for n = first, math.min(first + 999, of.entries) do
      names[#names + 1] = key(of, n)
    end
    cache:del(names)
  end
end

--- Fills the servers, and returns for each combination how much memory one entry took.
---@return number[]
local function prepare()
  if #left_out > 0 then
    log.info(("larger than %d MiB and left out: %s"):format(memory, table.concat(left_out, ", ")))
  end
  -- From a command's first call on the server keeps statistics of it, which are no part of an entry.
  cache:set("scale:first", "v")
  said(cache, "used_memory")
  local took = {}
  for at, of in ipairs(combinations) do
    local before = said(cache, "used_memory")
    fill(cache, 1, of.entries, of.value, function(n) return key(of, n) end)
    took[at] = (said(cache, "used_memory") - before) / of.entries
  end
  if url == "" then
    -- What is asked for most comes last, so the server has it when the load begins.
    fill(
      evicting.lru,
      1,
      LRU_KEYS,
      ("v"):rep(1000),
      function(n) return "scale:" .. LRU_KEYS + 1 - n end
    )
  end
  return took
end

---@type table<string, loadrun.Scenario>
local scenarios = {}
for at, of in ipairs(combinations) do
  local start = (at - 1) * seconds
  local name = ("%d x %d B"):format(of.entries, of.size)
  scenarios[name] =
    { users = users, duration = seconds, start = start, tags = of.tags, run = load_of(of) }
end

local thresholds = {
  "redis.failed rate == 0",
  "redis.duration{size=100} p99 <= 20ms, goal <= 5ms",
  "redis.duration{size=1000} p99 <= 20ms, goal <= 5ms",
  "redis.duration{size=10000} p99 <= 50ms, goal <= 10ms",
  "redis.duration{size=100000} p99 <= 100ms, goal <= 50ms",
  "scale.overhead{size=100, entries=10000} max <= 200B, goal <= 110B",
}

--- Reads what few ask for often and many seldom, and puts it there when it is gone.
---@param by string
---@param keys integer
---@param life integer milliseconds an entry lives
---@return fun(vu: loadrun.Vu)
local function aside(by, keys, life)
  local client, value, tags = evicting[by], ("v"):rep(1000), { by = by }
  return function(vu)
    local name = "scale:" .. vu.rand:zipf(keys, 1.0)
    local found, err = client:get(name, GET)
    if err then return end
    hits:hit(found ~= nil, tags)
    if not found then client:set(name, value, "PX", life, SET) end
  end
end

if url == "" then
  thresholds[#thresholds + 1] = "scale.hits{by=lru} rate >= 40%, goal >= 60%"
  thresholds[#thresholds + 1] = "scale.hits{by=ttl} rate >= 40%, goal >= 60%"
  thresholds[#thresholds + 1] = "scale.gone{by=lru} count > 0"
  thresholds[#thresholds + 1] = "scale.gone{by=ttl} count > 0"
  local start = #combinations * seconds
  scenarios["evicted by LRU"] =
    { users = users, duration = 2 * seconds, start = start, run = aside("lru", LRU_KEYS, 600000) }
  scenarios["expired by TTL"] = {
    users = users,
    duration = 2 * seconds,
    start = start + 2 * seconds,
    run = aside("ttl", 5000, 1000),
  }
end

--- Records what the server was asked for in `setup`, and takes away what was written.
---@param took number[]
local function finish(took)
  cache:del "scale:first"
  for at, of in ipairs(combinations) do
    local each = took[at] or 0
    entry_memory:set(each, of.tags)
    overhead:set(math.max(0, each - of.size), of.tags)
    if url ~= "" then clear(of) end
  end
  if url == "" then
    gone:add(said(evicting.lru, "evicted_keys"), { by = "lru" })
    gone:add(said(evicting.ttl, "expired_keys"), { by = "ttl" })
  end
end

---@type loadrun.Script
return { setup = prepare, scenarios = scenarios, thresholds = thresholds, teardown = finish }
