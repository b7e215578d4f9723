--- A day at an API: 60 % of the calls read, 30 % write, 10 % ask whether an admin may do something.
---
--- Shows: a closed load (`users`), `weights`, users that prepare themselves in `init` and remember
--- what they have, and checks of what came back.
---
--- needs: nothing; without `url` it starts the practice target. A service of your own has
---        POST /items, GET /items/{id} and POST /authorize.
--- run:   loadrun scripts/api_mix.lua -p url=http://127.0.0.1:8080 -p users=50
local check = require "loadrun.check"
local http = require "loadrun.http"
local param = require "loadrun.param"
local sandbox = require "loadrun.sandbox"
local time = require "loadrun.time"

local url = param("url", "", "address of the service; empty starts the practice target")
local users = param("users", 20, "how many users there are")

local practice = { latency = "normal 20ms 5ms" }
local api = http.client { base = url ~= "" and url or sandbox.start(practice), timeout = "5s" }

--- People look at an answer before they go on; without this, 20 users would be a flood.
---@param vu loadrun.Vu
local function think(vu) time.sleep(0.1 + 0.2 * vu.rand:number()) end

--- Once for each user, before its first iteration and not measured: it creates an item of its own.
---@param vu loadrun.Vu
local function arrive(vu)
  local made = api:post("/items", { json = { name = "first of " .. vu.id, price = 100 } })
  if made.error then error("cannot create an item: " .. made.error) end
  vu.item = made.json.id
  vu.name = made.json.name
end

---@param vu loadrun.Vu
local function read(vu)
  local item = api:get("/items/" .. vu.item, { name = "read" })
  check(item, {
    ["item found"] = item.status == 200,
    ["it is the one asked for"] = not item.error and item.json.name == vu.name,
  })
  think(vu)
end

---@param vu loadrun.Vu
local function write(vu)
  local name = "item " .. vu.rand:string(8)
  local item = { name = name, price = vu.rand:integer(1, 10000) }
  local made = api:post("/items", { json = item, name = "write" })
  if check(made, { ["item created"] = made.status == 201 }) then
    -- From now on this user reads what it wrote last.
    vu.item, vu.name = made.json.id, name
  end
  think(vu)
end

---@param vu loadrun.Vu
local function administer(vu)
  local question = { role = "admin", action = "delete", resource = "items/" .. vu.item }
  local answer = api:post("/authorize", { json = question, name = "admin" })
  check(answer, { ["admin is allowed"] = not answer.error and answer.json.allowed == true })
  think(vu)
end

---@type loadrun.Script
return {
  scenarios = {
    people = {
      users = users,
      duration = "15s",
      init = arrive,
      weights = { { 60, read }, { 30, write }, { 10, administer } },
    },
  },
  thresholds = {
    "http.failed rate < 1%",
    "http.duration{name=read} p95 <= 500ms, goal <= 100ms",
    "http.duration{name=write} p95 <= 1s, goal <= 200ms",
    "check.failed rate < 1%",
  },
}
