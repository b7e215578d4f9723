---@meta loadrun.service

--- A real server of the run. Clients take it as their address: `redis.client { url = cache }`.
---@class loadrun.Service
---@field name string its own, or `redis`, `redis-2`, ... in the order of declaration
---@field url string where it is, password included; known once the run has begun
---@field address string host and port of the URL
---@field pid integer its process
local Service = {}

--- What every service can be given.
---@class loadrun.service.Options
---@field name? string what it is called in messages and results
---@field ready_within? loadrun.Duration longest it may take to become ready
---@field config? table<string, string | number | boolean> more of the server's own configuration, as it has it

--- A Redis; without options it keeps nothing on disk and has no password.
---@class loadrun.service.Redis: loadrun.service.Options
---@field appendfsync? "always" | "everysec" | "no"
---@field appendonly? boolean keep a log of what is written
---@field databases? integer
---@field io_threads? integer
---@field maxclients? integer
---@field maxmemory? string | integer a size: `"64MiB"`
---@field maxmemory_policy? "noeviction" | "allkeys-lru" | "allkeys-lfu" | "allkeys-random" | "volatile-lru" | "volatile-lfu" | "volatile-random" | "volatile-ttl"
---@field requirepass? string its password, at least 4 characters; in no output and no result

--- Real servers, found on this machine and started for the run: private, on a free port of the
--- loopback interface, gone with the run.
---@class loadrun.service
local service = {}

--- Declares a Redis, at file scope. It is started before `setup` and stopped after `teardown`.
---@param options? loadrun.service.Redis
---@return loadrun.Service
function service.redis(options) end

return service
