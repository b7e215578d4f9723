--- The smallest useful script: ten users read one page for ten seconds.
--- needs: nothing; without `url` it starts the practice target
--- run:   loadrun scripts/first.lua -p url=http://127.0.0.1:8080/some/page
local http = require "loadrun.http"
local param = require "loadrun.param"
local sandbox = require "loadrun.sandbox"

local url = param("url", "", "page to read; empty starts the practice target")
local site = http.client { base = url == "" and sandbox.start { latency = "20ms" } or nil }

local function read() site:get(url == "" and "/" or url, { name = "page" }) end

---@type loadrun.Script
return {
  scenarios = { readers = { run = read, users = 10, duration = "10s" } },
  thresholds = { "http.failed rate < 1%", "http.duration{name=page} p95 < 500ms" },
}
