-- One scripted GET on a kept-alive connection, its status checked, in a closed loop.
local http = require "loadrun.http"
local param = require "loadrun.param"
local time = require "loadrun.time"

local target = http.client { base = param("url", "http://127.0.0.1:8080", "address of the target") }
local pause = param("pause", "0s", "between two requests of a user")
local failed = 0
-- Concerns every call, and is never on: what having it costs. A script that asks for faults at all
-- has its calls counted by half seconds too, so that is asked for here only.
local off = param("fault", false, "declare a fault that is off")
  and require("loadrun.fault").calls { name = "http.*", error = "reset" }

local function run()
  local reply = target:get("/")
  if reply.status ~= 200 then
    failed = failed + 1
  end
  if pause ~= "0s" then
    time.sleep(pause)
  end
end

return {
  scenarios = {
    get = {
      run = run,
      users = param("users", 64, "users, each with a connection of its own"),
      duration = param("duration", "5s", "how long"),
    },
  },
}
