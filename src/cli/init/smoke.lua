--- A steady load on one page, and what is asked of it: a scenario to begin with.
--- needs: a service at `base`; without it the practice target is loaded
--- run:   loadrun smoke.lua -p base=http://127.0.0.1:8080 -p rate=50
local check = require "loadrun.check"
local http = require "loadrun.http"
local param = require "loadrun.param"
local sandbox = require "loadrun.sandbox"

local base = param("base", "", "address of the service; empty starts the practice target")
local rate = param("rate", 20, "visits a second")

local service = http.client {
  base = base == "" and sandbox.start { latency = "20ms" } or base,
  timeout = "5s",
}

--- One visit. Calls read as if they blocked, and never do.
---@param vu loadrun.Vu
local function visit(vu)
  local page = service:get("/?visitor=" .. vu.rand:integer(1, 1000), { name = "page" })
  check(page, { ["the page is there"] = page.status == 200 })
end

---@type loadrun.Script
return {
  scenarios = {
    visitors = { run = visit, rate = rate, duration = "30s" },
  },
  thresholds = {
    "http.failed rate < 1%",
    "http.duration{name=page} p95 < 500ms, goal < 100ms",
    "check.failed rate == 0",
  },
}
