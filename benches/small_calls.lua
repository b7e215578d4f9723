-- What a load is mostly made of: small calls, one after the other. `.ci/trained` watches them.
local http = require "loadrun.http"
local param = require "loadrun.param"
local redis = require "loadrun.redis"
local sandbox = require "loadrun.sandbox"
local service = require "loadrun.service"
local sql = require "loadrun.sql"

local kinds = { "http", "redis", "sql" }
local kind = param("kind", "http", "what is called", { one_of = kinds })

---@type function, function?
local call, setup
if kind == "http" then
  local site = http.client { base = sandbox.start {} }
  call = function(vu) return site:get("/items/" .. vu.rand:integer(1, 9), { name = "item" }) end
elseif kind == "redis" then
  local cache = redis.client { url = service.redis {} }
  call = function(vu) return cache:get("item:" .. vu.rand:integer(1, 9)) end
else
  local database = sql.client { url = service.postgres {}, size = 50 }
  setup = function()
    database:batch [[CREATE TABLE items AS SELECT id, id % 7 AS stock FROM generate_series(1, 9999) id;
      ALTER TABLE items ADD PRIMARY KEY (id)]]
  end
  call = function(vu)
    local id = vu.rand:integer(1, 9999)
    return database:value("SELECT stock FROM items WHERE id = $1", { id })
  end
end

return {
  setup = setup,
  scenarios = { small = { users = 50, duration = "6s", run = function(vu) call(vu) end } },
}
