-- One scripted GET on a kept-alive connection, its status checked, in a closed loop.
local http = require "loadrun.http"
local param = require "loadrun.param"

local target = http.client { base = param("url", "http://127.0.0.1:8080", "address of the target") }
local users = param("users", 64, "users, each with a connection of its own")
local duration = param("duration", "5s", "how long")
local requests = param("requests", 0, "this many requests in place of a duration")
local failed = 0

local function run()
  local reply = target:get("/")
  if reply.status ~= 200 then
    failed = failed + 1
  end
end

local load = { run = run, users = users, duration = duration }
if requests > 0 then
  load = { run = run, iterations = requests, max_users = users }
end
return { scenarios = { get = load } }
