--- A shop that reads its products through a cache: Redis first, the database when Redis has none, and
--- then Redis again for the next one. What a hit saves, and what happens when everybody misses at once.
---
--- Shows: HTTP, Redis and SQL in one iteration of one user, own metrics by path, a number worked out in
--- `teardown`, a barrier, and scenarios one after the other.
---
--- needs: redis-server and PostgreSQL on this machine; or your own, in which keys `aside:*` and the table
---        aside_products are made and dropped. `protect=true` lets one user fill a cold key for all.
--- run:   loadrun scripts/cache_aside.lua -p protect=true
---        loadrun scripts/cache_aside.lua -p redis=redis://127.0.0.1:6379 -p database=postgres://me@127.0.0.1/shop
local check = require "loadrun.check"
local http = require "loadrun.http"
local json = require "loadrun.json"
local metric = require "loadrun.metric"
local param = require "loadrun.param"
local redis = require "loadrun.redis"
local sandbox = require "loadrun.sandbox"
local service = require "loadrun.service"
local shared = require "loadrun.shared"
local sql = require "loadrun.sql"
local time = require "loadrun.time"

local redis_url = param("redis", "", "address of the Redis; empty starts one for the run")
local database = param("database", "", "address of a PostgreSQL; empty starts one for the run")
if database ~= "" and not database:find "^postgres" then
  error "database: this script speaks to PostgreSQL only, with postgres://..."
end
local products = param("products", 2000, "how many products there are", { min = 1 })
local users = param("users", 10, "how many users there are, and how many rush at once", { min = 2 })
local seconds = param("seconds", 15, "for how long they read through the cache", { min = 1 })
local work = param("work", 0.002, "seconds the database needs for a product, besides reading it")
local protect =
  param("protect", false, "whether only one user at a time loads a product from the database")

local cache = redis.client {
  url = redis_url ~= "" and redis_url or service.redis { maxmemory = "256MiB" },
  connections = "shared",
}
local db = sql.client { url = database ~= "" and database or service.postgres {}, size = 10 }
local web = http.client { base = sandbox.start {}, timeout = "5s" }

local hits = metric.rate "cache.hits"
local through = metric.trend("read.through", { unit = "time" })
local uncached = metric.trend("read.uncached", { unit = "time" })
local improvement = metric.gauge "cache.improvement"
local rush_loads = metric.counter "rush.loads"

-- Seen by all workers, for the mean of each way: microseconds and how often.
local spent = { through = shared.counter "through.us", uncached = shared.counter "uncached.us" }
local times = { through = shared.counter "through.n", uncached = shared.counter "uncached.n" }
local RUSHES <const> = 10
local together = shared.barrier("rush", users)

--- A product costs the database some work, as a real one would with its joins and permissions.
local LOAD <const> =
  "SELECT id, name, price, pg_sleep($2)::text AS slept FROM aside_products WHERE id = $1"

---@param id integer
---@return loadrun.sql.Row?
local function load(id)
  local found, err = db:one(LOAD, { id, work }, { name = "load" })
  if err then return nil end
  return found
end

---@param id integer
---@return string
local function key(id) return "aside:" .. id end

---@param id integer
---@return loadrun.sql.Row?
local function fill(id)
  local found = load(id)
  if found then
    cache:set(
      key(id),
      json.encode { id = found.id, price = found.price },
      "EX",
      60,
      { name = "fill" }
    )
  end
  return found
end

--- Only whoever gets the lock asks the database; the others look again until it is there.
---@param id integer
---@return table?
local function fill_once(id)
  for _ = 1, 200 do
    local locked = cache:set(key(id) .. ":lock", "1", "NX", "PX", 2000, { name = "lock" })
    if locked then
      rush_loads:add(1)
      return fill(id)
    end
    time.sleep(0.002)
    local found = cache:get(key(id), { name = "look again" })
    if found then return json.decode(found) end
  end
  return nil
end

---@param id integer
---@return table? product
---@return boolean hit
local function read(id)
  local found, err = cache:get(key(id), { name = "look" })
  if found and not err then return json.decode(found), true end
  return fill(id), false
end

---@param way "through" | "uncached"
---@param since number
---@return number seconds
local function count(way, since)
  local took = time.since(since)
  spent[way]:add(math.floor(took * 1000000))
  times[way]:add(1)
  return took
end

--- The page that this user will look at.
---@param vu loadrun.Vu
local function arrive(vu)
  local made = web:post("/items", { json = { name = "page of " .. vu.id, price = 100 } })
  if made.error then error("cannot create a page: " .. made.error) end
  vu.page = "/items/" .. made.json.id
end

--- A visit: the page over HTTP, the product through the cache.
---@param vu loadrun.Vu
local function visit(vu)
  local page = web:get(vu.page, { name = "page" })
  local id = vu.rand:zipf(products, 1.0)
  local begun = time.now()
  local product, hit = read(id)
  local took = count("through", begun)
  hits:hit(hit)
  through:record(took, { way = hit and "hit" or "miss" })
  check(page, { ["page served"] = page.status == 200 })
  check(product, { ["the product asked for"] = product ~= nil and product.id == id })
end

--- The same without the cache, for comparison.
---@param vu loadrun.Vu
local function direct(vu)
  local begun = time.now()
  load(vu.rand:zipf(products, 1.0))
  uncached:record(count("uncached", begun))
end

--- All ask for one product that nobody has asked for before, at the same moment.
---@param vu loadrun.Vu
local function rush(vu)
  if vu.iteration > RUSHES then
    time.sleep(0.1)
    return
  end
  local id = products + vu.iteration
  if not together:wait { timeout = "5s" } then return end
  local found = cache:get(key(id), { name = "cold" })
  local product
  if found then
    product = json.decode(found)
  elseif protect then
    product = fill_once(id)
  else
    rush_loads:add(1)
    product = fill(id)
  end
  check(product, { ["the cold product"] = product ~= nil and product.id == id })
end

---@generic T
---@param value T?
---@param err loadrun.Failure?
---@return T
local function must(value, err)
  if err then error("cannot prepare the database: " .. err) end
  return value
end

--- Takes all products out of the cache.
local function forget()
  for first = 1, products + RUSHES, 1000 do
    local keys = {}
    for id = first, math.min(first + 999, products + RUSHES) do
      keys[#keys + 1] = key(id)
    end
    cache:unlink(keys)
  end
end

local function setup()
  must(db:batch [[
    DROP TABLE IF EXISTS aside_products;
    CREATE TABLE aside_products (id integer PRIMARY KEY, name text NOT NULL, price integer NOT NULL);
  ]])
  local all = {}
  for id = 1, products + RUSHES do
    all[id] = { id, "product " .. id, id * 100 }
  end
  for first = 1, #all, 1000 do
    local some = table.move(all, first, math.min(first + 999, #all), 1, {})
    must(db:insert("aside_products", { "id", "name", "price" }, some))
  end
  forget()
end

--- How many times faster a read is on the average with the cache than without.
local function teardown()
  ---@param way "through" | "uncached"
  ---@return number
  local function mean(way) return spent[way]:value() / math.max(times[way]:value(), 1) end
  if mean "through" > 0 then improvement:set(mean "uncached" / mean "through") end
  must(db:batch "DROP TABLE aside_products")
  forget()
end

---@type loadrun.Script
return {
  setup = setup,
  scenarios = {
    uncached = { users = users, duration = seconds / 3, run = direct },
    cached = {
      users = users,
      duration = seconds,
      start = { after = "uncached" },
      init = arrive,
      run = visit,
    },
    rush = { users = users, duration = "3s", start = { after = "cached" }, run = rush },
  },
  teardown = teardown,
  thresholds = {
    "cache.hits rate > 80%",
    "read.through{way=hit} p95 < 20ms, goal < 5ms",
    "read.through{way=miss} p95 < 100ms, goal < 20ms",
    "cache.improvement value > 2",
    -- All that rush miss, unless one loads it for all.
    ("rush.loads count %s %d"):format(protect and "==" or ">", RUSHES),
    "check.failed rate == 0",
  },
}
