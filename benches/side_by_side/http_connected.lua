-- Users on kept-alive connections, each doing one request a second.
local http = require "loadrun.http"
local param = require "loadrun.param"
local time = require "loadrun.time"

local target = http.client { base = param("url", "http://127.0.0.1:8080", "address of the target") }
local users = param("users", 10000, "users")

return {
  scenarios = {
    connected = {
      users = { { to = users, over = "5s" }, { hold = "10s" } },
      run = function(vu)
        target:get("/")
        time.sleep(1)
      end,
    },
  },
}
