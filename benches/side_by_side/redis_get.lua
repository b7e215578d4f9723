-- GETs on users' own connections, one at a time or in pipelines.
local param = require "loadrun.param"
local redis = require "loadrun.redis"

local client = redis.client { url = param("url", "redis://127.0.0.1:6379", "the server") }
local pipeline = param("pipeline", 1, "commands sent together")

local batch = {}
for at = 1, pipeline do
  batch[at] = { "GET", "key:" .. at }
end

local function single()
  local _, err = client:get("key:1")
  if err then error(tostring(err)) end
end

local function together()
  local _, err = client:pipeline(batch)
  if err then error(tostring(err)) end
end

return {
  scenarios = {
    get = {
      run = pipeline > 1 and together or single,
      users = 50,
      duration = param("duration", "5s", "how long"),
    },
  },
}
