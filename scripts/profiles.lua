--- One script for every size of load: a usual day, the goal, more than that, and reads that hit a cache,
--- miss it, or are part of a longer visit.
---
--- Shows: `profiles`. `--profile target` sets the parameters that stand under this name at the end of
--- the script; `--profile target,quick` the same for a few seconds; `-p rate=500` goes before both.
---
--- needs: nothing; without `url` it starts the practice target. A service of your own has GET
---        /items/{id}, POST /items and POST /authorize.
--- run:   loadrun scripts/profiles.lua --profile target -p url=http://127.0.0.1:8080
local check = require "loadrun.check"
local http = require "loadrun.http"
local param = require "loadrun.param"
local sandbox = require "loadrun.sandbox"

local url = param("url", "", "address of the service; empty starts the practice target")
local rate = param("rate", 100, "visits a second")
local duration = param("duration", "1m", "how long")
local items = param("items", 1000, "how many items there are")
local hot = param("hot", 0.8, "share of the reads that want one of the ten most wanted items")
local reads = param("reads", 60, "of 100 visits, how many read")
local writes = param("writes", 30, "how many write")
local admins = param("admins", 10, "how many ask whether an admin may do something")
local tours = param("tours", 0, "how many do all of it, one after the other")

local api = http.client { base = url ~= "" and url or sandbox.start(), timeout = "5s" }

---@param vu loadrun.Vu
---@return integer id
local function wanted(vu)
  local most = vu.rand:number() < hot and math.min(10, items) or items
  return vu.rand:integer(1, most)
end

---@param vu loadrun.Vu
local function read(vu)
  local item = api:get("/items/" .. wanted(vu), { name = "read" })
  check(item, { ["item found"] = item.status == 200 })
end

---@param vu loadrun.Vu
local function write(vu)
  local item = { name = "item " .. vu.rand:string(8), price = vu.rand:integer(1, 10000) }
  local made = api:post("/items", { json = item, name = "write" })
  check(made, { ["item created"] = made.status == 201 })
end

---@param vu loadrun.Vu
local function administer(vu)
  local question = { role = "admin", action = "delete", resource = "items/" .. wanted(vu) }
  local answer = api:post("/authorize", { json = question, name = "admin" })
  check(answer, { ["admin is allowed"] = not answer.error and answer.json.allowed == true })
end

--- A visit as people make them: look at some items, put one in, have it checked.
---@param vu loadrun.Vu
local function tour(vu)
  for _ = 1, 3 do
    read(vu)
  end
  write(vu)
  administer(vu)
end

---@type loadrun.Script
return {
  scenarios = {
    visits = {
      rate = rate,
      duration = duration,
      weights = { { reads, read }, { writes, write }, { admins, administer }, { tours, tour } },
    },
  },
  thresholds = {
    "http.failed rate < 1%",
    "http.duration p95 < 500ms, goal < 100ms",
    "iteration.response p99 < 2s",
    "check.failed rate < 1%",
  },
  profiles = {
    baseline = { rate = 100 },
    target = { rate = 2000 },
    stress = { rate = 5000, reads = 80, writes = 15, admins = 5 },
    cache_hit = { rate = 1000, reads = 100, writes = 0, admins = 0, hot = 1.0 },
    cache_miss = { rate = 1000, reads = 100, writes = 0, admins = 0, hot = 0.0 },
    complex = { rate = 200, reads = 0, writes = 0, admins = 0, tours = 100 },
    quick = { duration = "3s" },
  },
}
