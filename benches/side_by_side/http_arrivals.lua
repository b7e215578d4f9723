-- Arrivals at a steady rate: how late do they begin?
local http = require "loadrun.http"
local param = require "loadrun.param"

local target = http.client { base = param("url", "http://127.0.0.1:8080", "address of the target") }

return {
  scenarios = {
    arrivals = {
      rate = param("rate", 5000, "arrivals a second"),
      duration = "10s",
      run = function()
        target:get("/")
      end,
    },
  },
}
