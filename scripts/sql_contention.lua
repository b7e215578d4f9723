--- Money moved between few accounts by many users at once, at an isolation level of your choice. What
--- is there in the end must be what was there in the beginning.
---
--- Shows: transactions, failures that may be tried again told from those that may not, a check of an
--- invariant in `teardown`, and how often the database had to refuse.
---
--- needs: PostgreSQL or MariaDB on this machine, or nothing for `kind=sqlite`; or a database of your
---        own, in which the table contention_accounts is made and dropped
--- run:   loadrun scripts/sql_contention.lua -p kind=mariadb -p isolation="read committed"
local metric = require "loadrun.metric"
local param = require "loadrun.param"
local service = require "loadrun.service"
local sql = require "loadrun.sql"
local time = require "loadrun.time"

local database = param("database", "", "address of the database; empty starts one for the run")
local SCHEMES <const> = {
  postgres = "postgres",
  postgresql = "postgres",
  mysql = "mariadb",
  mariadb = "mariadb",
  sqlite = "sqlite",
}
local given = SCHEMES[database:match "^%a+" or ""]
local kind = param(
  "kind",
  given or "postgres",
  "which database is started, or given",
  { one_of = { "postgres", "mariadb", "sqlite" } }
)
if given and given ~= kind then error(("kind: %s, but the database is %s"):format(kind, given)) end
local isolation = param(
  "isolation",
  "serializable",
  "of each transfer",
  { one_of = { "read committed", "repeatable read", "serializable" } }
)
local accounts =
  param("accounts", 20, "how many accounts there are: the fewer, the more contention", { min = 2 })
local users = param("users", 8, "how many users there are", { min = 1 })
local duration = param("duration", "15s", "how long they move money")

local STARTS <const> = { postgres = service.postgres, mariadb = service.mariadb }

---@return string | loadrun.Service
local function address()
  if database ~= "" then return database end
  if kind == "sqlite" then return "sqlite::memory:" end
  return STARTS[kind] {}
end

local db = sql.client { url = address(), size = users, timeout = "10s" }
local retries = metric.counter "transfer.retries"
local given_up = metric.rate "transfer.given_up"
local difference = metric.gauge "money.difference"

local BALANCE <const> = 1000
local ATTEMPTS <const> = 20

local numbered = kind == "postgres"
local READ <const> = "SELECT balance FROM contention_accounts WHERE id = "
  .. (numbered and "$1" or "?")
local ADD <const> = "UPDATE contention_accounts SET balance = balance + "
  .. (numbered and "$1 WHERE id = $2" or "? WHERE id = ?")

---@generic T
---@param value T?
---@param err loadrun.Failure?
---@return T
local function must(value, err)
  if err then error("cannot prepare the database: " .. err) end
  return value
end

local function setup()
  must(db:batch [[
    DROP TABLE IF EXISTS contention_accounts;
    CREATE TABLE contention_accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
  ]])
  local all = {}
  for id = 1, accounts do
    all[id] = { id, BALANCE }
  end
  must(db:insert("contention_accounts", { "id", "balance" }, all))
end

--- One try. The accounts are taken in the order they come, so two of these can block each other.
---@param from integer
---@param to integer
---@param amount integer
---@return integer | boolean | nil done false when there was not enough money
---@return loadrun.Failure? err
local function transfer(from, to, amount)
  return db:transaction(function(tx)
    local balance, err = tx:value(READ, { from }, { name = "read" })
    if err then return nil, err end
    if balance < amount then return false end
    local taken
    taken, err = tx:execute(ADD, { -amount, from }, { name = "take" })
    if not taken then return nil, err end
    return tx:execute(ADD, { amount, to }, { name = "give" })
  end, {
    isolation = isolation --[[@as "serializable"]],
    name = "transfer",
  })
end

---@param vu loadrun.Vu
local function move(vu)
  local from = vu.rand:integer(1, accounts)
  local to = from % accounts + 1
  local amount = vu.rand:integer(1, 50)
  for attempt = 1, ATTEMPTS do
    local _, err = transfer(from, to, amount)
    if not err then
      given_up:hit(false)
      return
    end
    -- These two mean that somebody else was first: the same again may succeed.
    if err.kind ~= "deadlock" and err.kind ~= "serialization" then break end
    retries:add(1, { kind = err.kind })
    time.sleep(0.002 * attempt * vu.rand:number())
  end
  given_up:hit(true)
end

--- Nothing was lost and nothing was made.
local function teardown()
  local total = tonumber(must(db:value "SELECT sum(balance) FROM contention_accounts"))
  if total then difference:set(math.abs(total - accounts * BALANCE)) end
  must(db:batch "DROP TABLE contention_accounts")
end

---@type loadrun.Script
return {
  setup = setup,
  scenarios = { transfers = { users = users, duration = duration, run = move } },
  teardown = teardown,
  thresholds = {
    "money.difference value == 0, critical",
    "transfer.given_up rate < 1%",
    "sql.duration{name=transfer} p95 < 500ms, goal < 100ms",
    "sql.wait p95 < 50ms",
  },
}
