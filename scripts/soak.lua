--- Does it hold out? The same mix for a long time, while the memory of the target is watched: does it
--- grow without end, and does it give back what it took when everybody has gone?
---
--- Shows: growth as a threshold, over the run and by the hour; a process that is watched by its pid;
--- profiles, and a practice target that leaks when told to.
---
--- As it is: 100,000 operations in 20 s, or as long as the target needs, which finds a leak of more than 50 MB.
--- A leak of 1 MB an hour takes hours to find: `--profile hours`.
---
--- needs: nothing; without `url` it starts the practice target. A service of your own has GET
---        /items/{id}, POST /items and POST /authorize; `pid` is its process on this machine.
--- run:   loadrun scripts/soak.lua -p url=http://127.0.0.1:8080 -p pid=4711 --profile hours
---        loadrun scripts/soak.lua -p leak=2KiB        shows that a leak is found
local http = require "loadrun.http"
local log = require "loadrun.log"
local metric = require "loadrun.metric"
local param = require "loadrun.param"
local process = require "loadrun.process"
local sandbox = require "loadrun.sandbox"
local time = require "loadrun.time"

local url = param("url", "", "address of the service; empty starts the practice target")
local pid = param("pid", 0, "its process on this machine; 0: nothing is known of its memory")
local operations = param("operations", 100000, "how many operations there are")
local users = param("users", 20, "users that share them")
local rate = param("rate", 0, "operations a second; 0: as many as there are")
local duration = param("duration", "2h", "how long, at a rate")
local least = param("least", "20s", "how long at least, without a rate: growth takes 15 s to tell")
local settle = param("settle", "3s", "time the target has to give memory back")
local leak = param("leak", "none", "memory the practice target leaks with each operation")

local target = url == "" and sandbox.start { leak = leak } or nil
local api = http.client { base = target or url, timeout = "10s" }

--- The process whose memory is watched, and its name in the results.
local watched = target or (pid > 0 and pid or nil)
local name = target and "sandbox" or "target"

-- What is left when everybody has gone, beyond what was there before.
local kept = metric.gauge("memory.kept", { unit = "bytes" })

---@param vu loadrun.Vu
local function read(vu) api:get("/items/" .. vu.rand:integer(1, 1000), { name = "read" }) end

---@param vu loadrun.Vu
local function write(vu)
  local item = { name = "item " .. vu.rand:string(8), price = vu.rand:integer(1, 10000) }
  api:post("/items", { json = item, name = "write" })
end

---@param vu loadrun.Vu
local function decide(vu)
  local question = { role = "admin", action = "delete", resource = "items/" .. vu.iteration }
  api:post("/authorize", { json = question, name = "decide" })
end

--- The load: by the clock at a rate, else an amount of work.
---@type loadrun.Scenario
local soak = { weights = { { 80, read }, { 5, write }, { 15, decide } } }
if rate > 0 then
  soak.rate, soak.duration = rate, duration
else
  soak.iterations, soak.max_users = { { to = operations, over = least } }, users
end

local thresholds = { "http.failed rate < 0.1%", "http.duration p99 < 500ms" }
if watched then
  thresholds[#thresholds + 1] = ("process.memory{process=%s} growth < 50MB"):format(name)
  thresholds[#thresholds + 1] = "memory.kept value < 10MB"
end
-- Below that a run is too short to know, and would miss it.
if watched and rate > 0 and time.seconds(duration) >= 1200 then
  thresholds[#thresholds + 1] = ("process.memory{process=%s} growth < 1MB/h"):format(name)
end

---@type loadrun.Script
return {
  scenarios = { soak = soak },
  watch = not target and watched and { { pid = pid, name = name } } or nil,
  setup = function() return watched and process.memory(watched) end,
  thresholds = thresholds,

  -- The users and their connections are gone by now.
  teardown = function(before)
    if not watched then return end
    time.sleep(settle)
    local after = process.memory(watched)
    if not after then error "the target has ended" end
    kept:set(math.max(after - before, 0))
    local line = "memory: %.1f MB before, %.1f MB after everybody had gone"
    log.info(line:format(before / 1e6, after / 1e6))
  end,

  profiles = {
    quick = { operations = 20000, duration = "30s", settle = "1s" },
    hours = { rate = 100, duration = "2h", settle = "10s" },
  },
}
