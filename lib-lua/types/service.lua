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
---@field ready_within? loadrun.Duration longest it may take to become ready (`60s`)
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

--- A PostgreSQL. Who connects is a superuser, so there is always a password.
---@class loadrun.service.Postgres: loadrun.service.Options
---@field database? string made when it is not there (`postgres`)
---@field deadlock_timeout? loadrun.Duration
---@field fsync? boolean `false`: faster, and nothing like production (`true`)
---@field lock_timeout? loadrun.Duration
---@field max_connections? integer (100)
---@field password? string at least 4 characters; one made for the run when not given
---@field shared_buffers? string | integer a size (`128MiB`)
---@field statement_timeout? loadrun.Duration
---@field user? string (`postgres`)
---@field work_mem? string | integer a size

--- A MariaDB. Who connects may do everything, so there is always a password.
---@class loadrun.service.MariaDb: loadrun.service.Options
---@field database? string (`loadrun`)
---@field innodb_buffer_pool_size? string | integer a size
---@field innodb_flush_log_at_trx_commit? 0 | 1 | 2 | 3 `0` or `2`: faster, and nothing like production (`1`)
---@field innodb_lock_wait_timeout? loadrun.Duration in whole seconds
---@field max_connections? integer
---@field password? string at least 4 characters; one made for the run when not given
---@field user? string (`root`)

--- A program. `{port}` in `cmd`, `env`, `ready` and `url` stands for a free port.
---@class loadrun.service.Command
---@field cmd string[] the program and its arguments, without a shell; a path begins at the script's folder
---@field env? table<string, string | number | boolean | loadrun.Service | loadrun.Sandbox> added to the environment; a service stands for its URL
---@field ready string | { line: string } how it is known to be ready: a URL answered below 400, host and port that can be connected to, or what is in a line it writes
---@field url? string where it is; else it follows from `ready`, or stands at the end of its line
---@field stop? { signal: ("TERM" | "INT" | "QUIT" | "HUP" | "KILL")?, within: loadrun.Duration? } how it is asked to end (`TERM`), and how long it may take before it is killed (`5s`)
---@field name? string what it is called in messages and results
---@field ready_within? loadrun.Duration longest it may take to become ready (`60s`)

--- Real servers, found on this machine and started for the run: private, on a free port of the
--- loopback interface, gone with the run.
---@class loadrun.service
local service = {}

--- Declares a Redis, at file scope. It is started before `setup` and stopped after `teardown`.
---@param options? loadrun.service.Redis
---@return loadrun.Service
function service.redis(options) end

--- Declares a PostgreSQL, at file scope.
---@param options? loadrun.service.Postgres
---@return loadrun.Service
function service.postgres(options) end

--- Declares a MariaDB, at file scope.
---@param options? loadrun.service.MariaDb
---@return loadrun.Service
function service.mariadb(options) end

--- Declares a program of your own, at file scope. It is run only where whoever runs the script
--- says `--allow-command`, after all other services and after the commands declared before it.
---@param options loadrun.service.Command
---@return loadrun.Service
function service.command(options) end

return service
