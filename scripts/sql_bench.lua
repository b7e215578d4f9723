--- What usual statements cost on a database: by key, by index, join, aggregate, pages, full-text
--- search, bulk insert, few columns against all, and the plan of a statement.
---
--- Shows: SQL calls that return `value, err`, a mix of statements, a table of thresholds, the wait for
--- a connection apart from the statement's own time, and one script for three databases.
---
--- needs: PostgreSQL or MariaDB on this machine, or nothing for `kind=sqlite`; or a database of your
---        own, in which the tables bench_* are made and dropped
--- run:   loadrun scripts/sql_bench.lua -p kind=mariadb
---        loadrun scripts/sql_bench.lua -p database=postgres://me:secret@127.0.0.1/shop
local check = require "loadrun.check"
local param = require "loadrun.param"
local rand = require "loadrun.rand"
local service = require "loadrun.service"
local sql = require "loadrun.sql"

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
local rows = param("rows", 10000, "how many items there are", { min = 100 })
local users = param("users", 8, "how many users there are", { min = 1 })
local duration = param("duration", "20s", "how long they keep asking")

--- What the three do not have in common.
local DIALECTS <const> = {
  postgres = {
    start = service.postgres,
    full_text = "CREATE INDEX bench_words ON bench_items USING gin (to_tsvector('english', about))",
    search = "to_tsvector('english', about) @@ plainto_tsquery('english', $1)",
    uses_index = "Index",
  },
  mariadb = {
    start = service.mariadb,
    full_text = "CREATE FULLTEXT INDEX bench_words ON bench_items (about)",
    search = "MATCH (about) AGAINST (?)",
    uses_index = "key=bench_by_category",
  },
  sqlite = {
    full_text = "CREATE VIRTUAL TABLE bench_words USING fts5(about, content = 'bench_items', content_rowid = 'id');"
      .. "INSERT INTO bench_words (bench_words) VALUES ('rebuild')",
    search = "id IN (SELECT rowid FROM bench_words WHERE bench_words MATCH ?)",
    uses_index = "USING INDEX",
  },
}
local dialect = DIALECTS[kind]

---@return string | loadrun.Service
local function address()
  if database ~= "" then return database end
  return dialect.start and dialect.start {} or "sqlite::memory:"
end

local db = sql.client { url = address(), size = 4, timeout = "10s" }

--- PostgreSQL numbers its parameters, the others do not.
---@param statement string with `?` for each parameter
---@return string
local function parameters(statement)
  if kind ~= "postgres" then return statement end
  local n = 0
  local numbered = statement:gsub("%?", function()
    n = n + 1
    return "$" .. n
  end)
  return numbered
end

local CATEGORIES <const> = 50
local WORDS <const> = {
  "amber",
  "basket",
  "candle",
  "desk",
  "engine",
  "feather",
  "garden",
  "hammer",
  "island",
  "jacket",
  "kettle",
  "lantern",
  "mirror",
  "needle",
  "orange",
  "pillow",
  "quartz",
  "ribbon",
  "saddle",
  "teapot",
  "umbrella",
  "violin",
  "window",
  "yarn",
}

local BY_KEY <const> = parameters "SELECT id, name, price FROM bench_items WHERE id = ?"
local BY_INDEX <const> =
  parameters "SELECT id, name, price FROM bench_items WHERE category = ? ORDER BY price LIMIT 20"
local JOIN <const> = parameters(
  "SELECT i.id, i.name, c.name AS category FROM bench_items i "
    .. "JOIN bench_categories c ON c.id = i.category WHERE c.id = ? ORDER BY i.id LIMIT 50"
)
local AGGREGATE <const> =
  "SELECT category, count(*) AS items, avg(price) AS mean FROM bench_items GROUP BY category"
local PAGE <const> = parameters "SELECT id, name FROM bench_items WHERE id > ? ORDER BY id LIMIT 50"
local SEARCH <const> = "SELECT id, name FROM bench_items WHERE " .. dialect.search .. " LIMIT 20"
local COLUMNS <const> = parameters "SELECT id, name FROM bench_items WHERE category = ? LIMIT 100"
local STAR <const> = parameters "SELECT * FROM bench_items WHERE category = ? LIMIT 100"

--- A failure of the preparation is the end of it.
---@generic T
---@param value T?
---@param err loadrun.Failure?
---@return T
local function must(value, err)
  if err then error("cannot prepare the database: " .. err) end
  return value
end

---@param random loadrun.Rand
---@param id integer
---@return loadrun.sql.Parameter[]
local function item(random, id)
  local words = {}
  for n = 1, 12 do
    words[n] = random:choice(WORDS)
  end
  local about = table.concat(words, " ")
  return {
    id,
    words[1] .. " " .. id,
    about,
    random:integer(1, CATEGORIES),
    random:integer(100, 99999),
  }
end

local ITEM <const> = { "id", "name", "about", "category", "price" }

local function drop()
  -- Elsewhere the words are an index, and go with their table.
  if kind == "sqlite" then must(db:batch "DROP TABLE IF EXISTS bench_words") end
  must(db:batch [[
    DROP TABLE IF EXISTS bench_orders; DROP TABLE IF EXISTS bench_items; DROP TABLE IF EXISTS bench_categories;
  ]])
end

local function setup()
  drop()
  must(db:batch [[
    CREATE TABLE bench_categories (id INTEGER PRIMARY KEY, name VARCHAR(50) NOT NULL);
    CREATE TABLE bench_items (id INTEGER PRIMARY KEY, name VARCHAR(100) NOT NULL,
      about VARCHAR(500) NOT NULL, category INTEGER NOT NULL, price INTEGER NOT NULL);
    CREATE TABLE bench_orders (customer INTEGER NOT NULL, item INTEGER NOT NULL, pieces INTEGER NOT NULL);
  ]])
  local categories = {}
  for id = 1, CATEGORIES do
    categories[id] = { id, "category " .. id }
  end
  must(db:insert("bench_categories", { "id", "name" }, categories))
  local random = rand.new(1)
  for first = 1, rows, 1000 do
    local some = {}
    for id = first, math.min(first + 999, rows) do
      some[#some + 1] = item(random, id)
    end
    must(db:insert("bench_items", ITEM, some))
  end
  must(
    db:batch(
      "CREATE INDEX bench_by_category ON bench_items (category, price); " .. dialect.full_text
    )
  )
  must(db:batch(kind == "mariadb" and "ANALYZE TABLE bench_items" or "ANALYZE"))
end

---@param vu loadrun.Vu
local function by_key(vu)
  local id = vu.rand:zipf(rows, 0.8)
  local found, err = db:one(BY_KEY, { id }, { name = "by key" })
  check(found, { ["the item asked for"] = not err and found ~= nil and found.id == id })
end

---@param vu loadrun.Vu
local function by_index(vu)
  db:query(BY_INDEX, { vu.rand:integer(1, CATEGORIES) }, { name = "by index" })
end

---@param vu loadrun.Vu
local function join(vu) db:query(JOIN, { vu.rand:integer(1, CATEGORIES) }, { name = "join" }) end

local function aggregate()
  local groups, err = db:query(AGGREGATE, nil, { name = "aggregate" })
  check(groups, { ["every category"] = not err and groups ~= nil and #groups == CATEGORIES })
end

--- Three pages, each begun where the one before ended: a cursor, which unlike OFFSET does not get
--- slower with every page.
---@param vu loadrun.Vu
local function pages(vu)
  local last = vu.rand:integer(0, rows // 2)
  for _ = 1, 3 do
    local page = db:query(PAGE, { last }, { name = "page" })
    if not page or #page == 0 then return end
    last = page[#page].id
  end
end

---@param vu loadrun.Vu
local function search(vu) db:query(SEARCH, { vu.rand:choice(WORDS) }, { name = "search" }) end

---@param vu loadrun.Vu
local function insert(vu)
  local orders = {}
  for n = 1, 100 do
    orders[n] = { vu.id, vu.rand:integer(1, rows), n }
  end
  db:insert("bench_orders", { "customer", "item", "pieces" }, orders, { name = "insert 100" })
end

---@param vu loadrun.Vu
local function columns(vu)
  local category = vu.rand:integer(1, CATEGORIES)
  db:query(COLUMNS, { category }, { name = "two columns" })
  db:query(STAR, { category }, { name = "all columns" })
end

---@param vu loadrun.Vu
local function plan(vu)
  local found, err = db:explain(BY_INDEX, { vu.rand:integer(1, CATEGORIES) }, { name = "plan" })
  check(found, {
    ["the index is used"] = not err
      and found ~= nil
      and found:find(dialect.uses_index, 1, true) ~= nil,
  })
end

---@type loadrun.Script
return {
  setup = setup,
  scenarios = {
    readers = {
      users = users,
      duration = duration,
      weights = {
        { 40, by_key },
        { 15, by_index },
        { 10, join },
        { 3, aggregate },
        { 10, pages },
        { 5, search },
        { 5, insert },
        { 10, columns },
        { 2, plan },
      },
    },
  },
  teardown = drop,
  thresholds = {
    "sql.duration{name=by key} p95 < 50ms, goal < 5ms",
    "sql.duration{name=by index} p95 < 50ms, goal < 10ms",
    "sql.duration{name=join} p95 < 100ms, goal < 20ms",
    "sql.duration{name=aggregate} p95 < 150ms, goal < 50ms",
    "sql.duration{name=page} p95 < 100ms, goal < 10ms",
    "sql.duration{name=search} p95 < 200ms, goal < 50ms",
    "sql.duration{name=insert 100} p95 < 200ms, goal < 50ms",
    "sql.duration{name=two columns} p95 < 100ms, goal < 10ms",
    "sql.duration{name=all columns} p95 < 150ms, goal < 20ms",
    "sql.wait p95 < 100ms, goal < 20ms",
    "sql.failed rate == 0",
    "check.failed rate == 0",
  },
}
