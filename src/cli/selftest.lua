-- Arrivals every 5 ms for 10 s at a target that stands still once, for 2 s, from second 4 on.
local http = require "loadrun.http"
local sandbox = require "loadrun.sandbox"

local target = http.client { base = sandbox.start {}, timeout = "10s" }

return {
  scenarios = {
    load = {
      rate = 200,
      duration = "10s",
      run = function()
        target:get("/health")
      end,
    },
    stall = {
      iterations = 1,
      start = "4s",
      run = function()
        target:post("/control", { json = { stall = "2s" } })
      end,
    },
  },
}
