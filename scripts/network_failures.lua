--- The network between users, a service, its cache and its database, broken in the ways networks break,
--- one after the other under steady load; and how long each time until users are well again.
---
--- Shows: faults on links, on the script's own clients and on its own calls. A partition of cache and
--- database at once; connections that cannot be opened; a link that flaps; a slow one; resets; a
--- cascade, the cache, then the database, then both; and a tenth of the calls that fail.
---
--- needs: redis-server and PostgreSQL on this machine; or your own, in which keys sandbox:item:* and
---        tables sandbox_items and sandbox_orders are made
--- run:   loadrun scripts/network_failures.lua -p redis=redis://127.0.0.1:6379 -p database=postgres://me@127.0.0.1/shop
local check = require "loadrun.check"
local fault = require "loadrun.fault"
local http = require "loadrun.http"
local param = require "loadrun.param"
local redis = require "loadrun.redis"
local sandbox = require "loadrun.sandbox"
local service = require "loadrun.service"

local redis_url = param("redis", "", "address of the Redis; empty starts one for the run")
local database = param("database", "", "address of a PostgreSQL; empty starts one for the run")
local rate = param("rate", 50, "visits a second")
local calm = param("calm", 8, "seconds before the first fault")
local lasts = param("lasts", 2, "seconds the shortest faults last; some last twice as long")
local rest = param("rest", 7, "seconds after each fault")

local keys = redis_url ~= "" and redis_url or service.redis {}
local cache = fault.proxy { name = "cache", upstream = keys }
local store =
  fault.proxy { name = "store", upstream = database ~= "" and database or service.postgres {} }
local target =
  sandbox.start { redis = cache, database = store, timeout = "250ms", breaker = "5 1s" }
local front = fault.proxy { name = "front", upstream = target }

local shop = http.client { base = front, timeout = "1s" }
-- A client that keeps nothing: what it meets is the network at the moment of connecting.
local stranger =
  http.client { base = target, connections = "new", timeout = "1s", connect_timeout = "500ms" }
local counter = redis.client { url = keys, timeout = "500ms" }
local some = fault.calls { name = "redis.count", error = "timeout", share = "10%" }

---@param vu loadrun.Vu
local function visit(vu)
  local page = shop:get("/items/" .. vu.rand:integer(1, 200), { name = "item" })
  if page.error or vu.rand:number() > 0.3 then return end
  local id = ("%s-%d"):format(vu.rand:uuid(), vu.iteration)
  local order = { id = id, item = page.json.id, quantity = 1 }
  local taken = shop:post("/orders", { json = order, name = "order" })
  check(taken, { ["an answer that makes sense"] = taken.error ~= "protocol" })
end

--- What does not go through the shop's front door.
local function pass()
  stranger:get("/", { name = "stranger" })
  counter:incr("network_failures:passed", { name = "count" })
end

---@type number
local at = calm

--- The next fault, so many times as long as the shortest.
---@param times number
---@param what table
---@return loadrun.Fault
local function next_fault(times, what)
  what.at, what.for_ = at, times * lasts
  at = at + times * lasts + rest
  return what
end

---@type loadrun.Fault[]
local faults = {
  next_fault(1, { name = "partition", on = { cache, store }, kind = "timeout", stream = "both" }),
  next_fault(1, { name = "no connection", on = stranger, kind = "timeout" }),
  next_fault(2, {
    name = "flapping",
    on = front,
    kind = "down",
    every = { on = lasts / 4, off = lasts / 4 },
  }),
  next_fault(
    2,
    { name = "slow", on = front, kind = "latency", latency = "300ms", jitter = "50ms" }
  ),
  next_fault(1, { name = "resets", on = front, kind = "reset_peer", toxicity = "50%" }),
  next_fault(1, { name = "cascade cache", on = cache, kind = "down" }),
  next_fault(1, { name = "cascade store", on = store, kind = "hold" }),
  next_fault(1, { name = "cascade both", on = { cache, store }, kind = "down" }),
  next_fault(2, { name = "partial", on = some }),
}

---@type loadrun.Script
return {
  scenarios = {
    visitors = { rate = rate, duration = at, max_users = 500, run = visit },
    passers = { rate = rate / 2, duration = at, max_users = 500, run = pass },
  },
  faults = faults,
  -- What is normal; so no outlier of a busy machine is taken for trouble.
  recovery = { warm_up = "2s", success = "97%", p99 = "250ms" },
  teardown = function() counter:del "network_failures:passed" end,
  thresholds = {
    "recovery.time max < 5s",
    "iteration.dropped count == 0",
    "check.failed rate == 0",
  },
}
