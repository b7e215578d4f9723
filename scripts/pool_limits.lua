--- More users than connections, and more connections than the server takes: who waits, for how long,
--- who is refused, and how busy the server is meanwhile.
---
--- Shows: a pool that users queue for (`sql.wait`), a client that asks for more than the server allows
--- (`sql.refused`), one scenario that watches the others, and scenarios one after the other.
---
--- needs: PostgreSQL or MariaDB on this machine; or a server of your own, of which `limit` says how many
---        connections it takes
--- run:   loadrun scripts/pool_limits.lua -p kind=mariadb -p users=500
local metric = require "loadrun.metric"
local param = require "loadrun.param"
local service = require "loadrun.service"
local sql = require "loadrun.sql"
local time = require "loadrun.time"

local database = param("database", "", "address of the database; empty starts one for the run")
local SCHEMES <const> =
  { postgres = "postgres", postgresql = "postgres", mysql = "mariadb", mariadb = "mariadb" }
local given = SCHEMES[database:match "^%a+" or ""]
if database ~= "" and not given then
  error "database: this script speaks to postgres://... and mysql://... only"
end
local kind = param(
  "kind",
  given or "postgres",
  "which database is started, or given",
  { one_of = { "postgres", "mariadb" } }
)
if given and given ~= kind then error(("kind: %s, but the database is %s"):format(kind, given)) end
local limit = param("limit", 30, "connections the server takes", { min = 10 })
local size = param("size", 20, "connections of the pool that is within the limit", { min = 1 })
local users = param("users", 200, "users that share it", { min = 1 })
local work = param("work", 0.005, "seconds the server works on a statement", { min = 0 })
local seconds =
  param("seconds", 10, "for how long they do; then half as long everybody at once", { min = 1 })

local STARTS <const> = { postgres = service.postgres, mariadb = service.mariadb }

---@return string | loadrun.Service
local function address()
  if database ~= "" then return database end
  return STARTS[kind] { max_connections = limit }
end

local place = address()
local pooled = sql.client { url = place, size = size, timeout = "10s" }
local greedy = sql.client { url = place, size = 2 * limit, timeout = "2s" }
local watcher = sql.client { url = place, size = 1, timeout = "2s" }

local busy = metric.trend "server.busy"
local served = metric.counter "greedy.served"

local SLEEP <const> = kind == "postgres" and "SELECT pg_sleep($1)" or "SELECT sleep(?)"
local BUSY <const> = kind == "postgres"
    and "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()"
  or "SELECT count(*) FROM information_schema.processlist WHERE command = 'Execute' AND id <> connection_id()"

--- Everybody asks again as soon as there is an answer; nobody is served out of turn.
local function ask() pooled:value(SLEEP, { work }, { name = "within the pool" }) end

--- Twice as many connections as the server takes, each held for a while. Whoever is refused one waits
--- until another is given back.
local function crowd()
  local _, err = greedy:value(SLEEP, { 0.2 }, { name = "beyond the server" })
  if not err then served:add(1) end
end

--- How many connections of the server have work, ten times a second.
local function watch()
  local count = watcher:value(BUSY, nil, { name = "watch" })
  if count then busy:record(count) end
  time.sleep(0.1)
end

---@type loadrun.Script
return {
  scenarios = {
    waiting = { users = users, duration = seconds, run = ask },
    watching = { users = 1, duration = seconds, run = watch },
    crowding = {
      users = 2 * limit,
      duration = seconds / 2,
      start = { after = "waiting" },
      run = crowd,
    },
  },
  thresholds = {
    -- With so many users to a connection the wait is so many times the work.
    ("sql.wait{scenario=waiting} p99 < %.2f"):format(5 * work * users / size) .. "s",
    "sql.failed{scenario=waiting} rate == 0",
    "sql.duration{scenario=waiting} p95 < 100ms",
    ("server.busy max <= %d"):format(size),
    "server.busy med > 1",
    -- The server refuses whom it cannot take, and goes on serving the others.
    "sql.refused{scenario=crowding} count > 0",
    "sql.failed{scenario=crowding} rate < 1%",
    "greedy.served count > 0",
  },
}
