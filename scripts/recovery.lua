--- Breaks the link to a service three times under steady load, and measures how it comes back.
---
--- Shows: `fault.proxy`, the `faults` of a run, and thresholds on what they did. First answers are
--- late, then nothing gets through for a while, then open connections are reset; between them the
--- users are given time to be well again.
---
--- needs: nothing; without `url` it starts the practice target. A service of your own on this
---        machine has GET /items/{id}.
--- run:   loadrun scripts/recovery.lua -p url=http://127.0.0.1:8080
local fault = require "loadrun.fault"
local http = require "loadrun.http"
local param = require "loadrun.param"
local sandbox = require "loadrun.sandbox"

local url =
  param("url", "", "address of the service, on this machine; empty starts the practice target")
local rate = param("rate", 100, "calls a second")

local service = url ~= "" and url or sandbox.start()
local link = fault.proxy { name = "link", upstream = service }
local api = http.client { base = link, timeout = "1s" }

---@param vu loadrun.Vu
local function read(vu) api:get("/items/" .. vu.rand:integer(1, 1000), { name = "item" }) end

---@type loadrun.Script
return {
  scenarios = {
    readers = { rate = rate, duration = "36s", max_users = 500, run = read },
  },
  faults = {
    {
      name = "slow",
      at = "8s",
      for_ = "4s",
      on = link,
      kind = "latency",
      latency = "200ms",
      jitter = "50ms",
    },
    { name = "dead", at = "18s", for_ = "3s", on = link, kind = "timeout", stream = "both" },
    { name = "resets", at = "28s", for_ = "2s", on = link, kind = "reset_peer", toxicity = "50%" },
  },
  thresholds = {
    "recovery.time max < 3s",
    "recovery.detect{fault=dead} max < 4s",
    "iteration.dropped count == 0",
  },
}
