--- Was the work worth it? Targets as improvement over what was measured before: the slowest 1 % faster by
--- 85 %, the mean by 75 %, and 14 % more calls that succeed.
---
--- Shows: thresholds that speak of a baseline.
---
--- run:   loadrun scripts/baseline_check.lua --profile record        as it was, some times
---        loadrun baseline save before results/baseline_check/*
---        loadrun scripts/baseline_check.lua --baseline before       as it is now
---
--- needs: nothing. Without `url` it starts the practice target: slow and faulty with `--profile
---        record`, which also leaves out the thresholds, and mended without; add `--anyway`, since the
---        two are not the same runs. A service of your own is measured at the same `url` both times.
local http = require "loadrun.http"
local metric = require "loadrun.metric"
local param = require "loadrun.param"
local sandbox = require "loadrun.sandbox"

local url = param("url", "", "page to read; empty starts the practice target")
local rate = param("rate", 100, "calls a second")
local duration = param("duration", "30s", "how long")
local latency = param("latency", "exponential 5ms", "how slow the practice target is")
local errors = param("errors", "0%", "share of the calls that the practice target fails")
local judge = param("judge", true, "whether there is a baseline to be better than")

local practice = { latency = latency, errors = errors }
local site = http.client { base = url == "" and sandbox.start(practice) or nil, timeout = "5s" }
local page = url == "" and "/items/1" or url

local success = metric.rate "page.success"

local function visit()
  local reply = site:get(page, { name = "page" })
  success:hit(not reply.error)
end

---@type loadrun.Script
return {
  scenarios = { visitors = { run = visit, rate = rate, duration = duration } },
  thresholds = judge and {
    "http.duration{name=page} p99 <= baseline - 85%",
    "http.duration{name=page} avg <= baseline - 75%",
    "page.success rate >= baseline + 14%",
  } or {},
  profiles = {
    record = { latency = "exponential 80ms", errors = "15%", judge = false },
    quick = { duration = "10s" },
  },
}
