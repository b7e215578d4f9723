--- Orders at a steady rate, while what the service depends on is broken: Redis stopped, PostgreSQL's
--- connections killed, the link to PostgreSQL swallowing everything. How long until users feel it, how
--- long until they are well again, and is every order still there that was taken?
---
--- Shows: the `faults` of a run on a process, a database and a link; `vu:degraded()` for answers that
--- did without Redis; thresholds on each recovery; a ledger held against what is stored.
---
--- needs: redis-server and PostgreSQL on this machine; or your own, in which keys sandbox:item:* and
---        tables sandbox_items and sandbox_orders are made (your Redis is cut off, not stopped).
---        A service of your own is started by `command` on port {port}, with its addresses in REDIS_URL
---        and DATABASE_URL. It takes POST /orders { id, item, quantity } with 201, and lists what it
---        has stored at GET /orders?since=CURSOR as { orders = { { id }, ... }, next = CURSOR }.
--- run:   loadrun scripts/recovery.lua --profile quick
---        loadrun scripts/recovery.lua -p redis=redis://127.0.0.1:6379 -p database=postgres://me@127.0.0.1/shop
---        loadrun scripts/recovery.lua -p command="./shop --port {port}" --allow-command
local fault = require "loadrun.fault"
local http = require "loadrun.http"
local ledger = require "loadrun.ledger"
local log = require "loadrun.log"
local param = require "loadrun.param"
local sandbox = require "loadrun.sandbox"
local service = require "loadrun.service"

local redis_url = param("redis", "", "address of the Redis; empty starts one for the run")
local database_url =
  param("database", "", "address of the PostgreSQL; empty starts one for the run")
local command = param("command", "", "what starts your service; empty: the practice target")
local rate = param("rate", 50, "orders a second")
local calm = param("calm", 10, "seconds before the first fault")
local stopped = param("stopped", 20, "seconds Redis is stopped")
local killed = param("killed", 3, "seconds in which PostgreSQL's connections are killed")
local cut = param("cut", 10, "seconds nothing comes through to PostgreSQL")
local rest = param("rest", 15, "seconds after each fault")

local own = redis_url == ""
local cache = own and service.redis {} or fault.proxy { name = "cache", upstream = redis_url }
local database = database_url ~= "" and database_url or service.postgres {}
local store = fault.proxy { name = "store", upstream = database }

--- The service under load: the practice target, or what `command` starts.
---@return loadrun.Sandbox | loadrun.Service
local function target()
  if command == "" then
    return sandbox.start { redis = cache, database = store, timeout = "500ms", breaker = "5 1s" }
  end
  local words = {}
  for word in command:gmatch "%S+" do
    words[#words + 1] = word
  end
  return service.command {
    name = "service",
    cmd = words,
    env = { REDIS_URL = cache, DATABASE_URL = store },
    ready = "127.0.0.1:{port}",
    url = "http://127.0.0.1:{port}",
  }
end

local shop = http.client { base = target(), timeout = "2s" }
local orders = ledger.new "orders"

--- One order. Its id goes into the ledger before it is sent: whatever happens then, it counts.
---@param vu loadrun.Vu
local function order(vu)
  local id = vu.rand:uuid()
  orders:expect(id)
  local wanted = { id = id, item = vu.rand:integer(1, 1000), quantity = 1 }
  local taken = shop:post("/orders", { json = wanted, name = "order" })
  if not taken.error then
    orders:acked(id)
    -- Without Redis the service reads from its database, and says so.
    if taken.headers["x-fallback"] then vu:degraded() end
  elseif taken.error == "status" and taken.status < 500 then
    orders:refused(id)
  else
    -- No answer, or one that tells of trouble: it may have been stored all the same.
    orders:indeterminate(id)
  end
end

--- Reads everything stored after a cursor, page by page, and returns the cursor at the end.
---@param since integer
---@param visit fun(id: string)
---@return integer
local function read_stored(since, visit)
  while true do
    local reply = shop:get("/orders", { query = { since = since } })
    if reply.error then error("GET /orders failed: " .. reply.error) end
    local page = reply.json
    if #page.orders == 0 then return since end
    for _, stored in ipairs(page.orders) do
      visit(stored.id)
    end
    since = page.next
  end
end

local second = calm + stopped + rest
local third = second + killed + rest

---@type loadrun.Script
return {
  -- What an earlier run left there is not ours.
  setup = function()
    return read_stored(0, function() end)
  end,

  scenarios = {
    customers = { rate = rate, duration = third + cut + rest, max_users = 500, run = order },
  },

  faults = {
    {
      name = "redis stopped",
      at = calm,
      for_ = stopped,
      on = cache,
      kind = own and "stop" or "down",
    },
    {
      name = "connections killed",
      at = second,
      for_ = killed,
      on = database,
      kind = "kill_connections",
    },
    { name = "blackhole", at = third, for_ = cut, on = store, kind = "timeout", stream = "both" },
  },

  -- What users are promised; so no outlier of a busy machine is taken for trouble.
  recovery = { warm_up = "2s", success = "95%", p99 = "1s" },

  teardown = function(since)
    read_stored(since, function(id) orders:seen(id) end)
    local found = orders:balance()
    local line = "%d ordered, %d acknowledged, %d stored"
    log.info(line:format(found.expected, found.acked, found.landed))
  end,

  thresholds = {
    "recovery.time{fault=redis stopped} max < 10s",
    "recovery.time{fault=connections killed} max < 10s",
    "recovery.time{fault=blackhole} max < 10s",
    "recovery.detect max < 6s",
    "ledger.lost{ledger=orders} count == 0",
    "ledger.duplicated{ledger=orders} count == 0",
  },

  profiles = {
    quick = { calm = 8, stopped = 4, cut = 4, rest = 6 },
  },
}
