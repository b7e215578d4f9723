---@meta loadrun.fault

--- Where a proxy stands.
---@class loadrun.fault.ProxyOptions
---@field upstream string | loadrun.Service | loadrun.Sandbox what it leads to: a service of the script, `"host:port"` or a URL
---@field protocol? "redis" | "http" | "postgres" what is spoken there, so that a fault may concern single requests
---@field name? string its own, or `proxy`, `proxy-2`, ... in the order of declaration

--- What happens to a share of the script's own calls: exactly one of `error` (with or without
--- `delay`), `delay` and `cut`.
---@class loadrun.fault.CallsOptions
---@field name string which calls: `"redis.*"`, `"http.order"`, `"sql.*"`; after the protocol what results call them, `*` standing for anything
---@field error? "dns" | "refused" | "timeout" | "tls" | "reset" | "protocol" | "oom" | "auth" | "moved" | "loading" | "readonly" | "busy" | "max_clients" | "deadlock" | "serialization" | "exhausted" | "server" they are not sent and fail so: a timeout when the time of the call is over, everything else at once
---@field delay? loadrun.Duration they are sent later, or fail later
---@field cut? boolean they are sent and done, and the reply is lost: `reset`
---@field share? string | number the share of them it touches; all when nothing is given

--- A fault on the script's own calls.
---@class loadrun.fault.Calls

--- How a fault comes and goes.
---@class loadrun.fault.Every
---@field on loadrun.Duration how long it is there
---@field off loadrun.Duration how long it is not, until it is there again

--- What is broken, and for how long. What else it takes depends on its kind.
---@class loadrun.fault.Spec
---@field for_ loadrun.Duration how long it lasts, whatever happens
---@field kind? "calls" | loadrun.fault.LinkKind | loadrun.fault.ProcessKind | loadrun.fault.RedisKind | loadrun.fault.SqlKind
---@field name? string what results call it; its kind when nothing is given
---@field every? loadrun.fault.Every it comes and goes meanwhile
---@field stream? "upstream" | "downstream" | "both" of a link; downstream when nothing is given
---@field toxicity? string | number of a link: the share of connections it concerns; all when nothing is given
---@field per? "connection" | "request" of a link: what it concerns or not; connections when nothing is given
---@field match? string with `per = "request"`: which requests, `"GET cart:*"`, `"POST /orders*"`, `"UPDATE *"`
---@field latency? loadrun.Duration of `latency`: how much later bytes arrive
---@field jitter? loadrun.Duration of `latency`: by how much that varies
---@field distribution? "uniform" | "normal" | "pareto" of `latency`: how it varies
---@field rate? string | number of `bandwidth`: at most so much a second, `"64KB/s"`; 0: nothing until it is taken away
---@field delay? loadrun.Duration of `slow_close`: how much later the end arrives; of `slicer`: the time between two pieces
---@field timeout? loadrun.Duration of `timeout`, `reset_peer`: until the connection is closed, or reset
---@field average_size? string | integer of `slicer`: how large pieces are, `"100B"`
---@field size_variation? string | integer of `slicer`: by how much that varies
---@field bytes? string | integer of `limit_data`: after how many the connection is closed
---@field probability? string | number of `corrupt_stream`, `drop_chunks`: which share of chunks, `"5%"`
---@field restart_after? loadrun.Duration of `kill`, `stop`, `restart`: how long the process is away; as long as the fault lasts, for `restart` no longer than it takes
---@field with? table<string, string | number | boolean> of `kill`, `stop`, `restart`: settings it is started with, in place of those declared, until the fault is over
---@field mode? "all" | "write" of `client_pause`: which commands wait
---@field clients? integer of `maxclients`: how many are let in
---@field share? string | number of `maxmemory`: of the memory in use
---@field policy? string of `maxmemory`: what is done when there is none left (`noeviction`)
---@field irreversible? boolean of `maxmemory` with a policy that evicts, on a server the run did not start: values may be lost
---@field table? string of `lock_table`
---@field [string] any

--- Something that is broken for a while, by the clock.
---@class loadrun.Fault: loadrun.fault.Spec
---@field at loadrun.Duration when it begins, from the begin of the load
---@field on loadrun.fault.Subject | loadrun.Service[] the proxy, client or service it is on, what `fault.calls` gave, or the URL of a Redis, PostgreSQL or MariaDB on this machine; or several proxies at once

--- What can be broken. On a client it is the connections that the script itself opens.
---@alias loadrun.fault.Subject loadrun.Service | loadrun.Sandbox | loadrun.http.Client | loadrun.redis.Client | loadrun.fault.Calls | string

--- Of a `fault.proxy`, or of a client.
---@alias loadrun.fault.LinkKind "latency" | "bandwidth" | "slow_close" | "timeout" | "hold" | "down" | "reset_peer" | "slicer" | "limit_data" | "corrupt_stream" | "drop_chunks" | "noop"

--- Of a service of the run: it stands still, or is away and comes back.
---@alias loadrun.fault.ProcessKind "pause" | "kill" | "stop" | "restart"

--- Of a Redis.
---@alias loadrun.fault.RedisKind "client_pause" | "kill_clients" | "maxclients" | "maxmemory" | "wrong_password"

--- Of a PostgreSQL or MariaDB.
---@alias loadrun.fault.SqlKind "exhaust_connections" | "kill_connections" | "lock_table"

--- What became of a fault.
---@class loadrun.fault.Record
---@field stood? number seconds it was there
---@field touched integer connections of a link that it disturbed
---@field effect? string what showed that it was there, where it was not on a link

--- Links that can be broken, and breaking things while the script runs.
---@class loadrun.fault
local fault = {}

--- Declares a proxy of the run, at file scope. It is a service: clients take it as their address,
--- and what is broken on it stands in the script's `faults`.
---@param options loadrun.fault.ProxyOptions
---@return loadrun.Service
function fault.proxy(options) end

--- Declares a fault on the script's own calls, at file scope; it is off until the script's `faults`
--- turn it on. Which calls it touches follows from the seed, the iteration and the number of the
--- call in it.
---@param options loadrun.fault.CallsOptions
---@return loadrun.fault.Calls
function fault.calls(options) end

--- Breaks something while a function runs, and no longer than `for_`; when it returns the fault is
--- gone, whatever came of the function. Without a function it stands until `for_` is over. With a list
--- it is on all of them at once.
---@param on loadrun.fault.Subject | loadrun.fault.Subject[]
---@param spec loadrun.fault.Spec
---@param run? fun(standing: loadrun.fault.Standing): any
---@return any ... what the function returned
function fault.during(on, spec, run) end

--- Breaks something from now on, until it is cleared or `for_` is over, and returns when it is in
--- force. With a list it is on all of them at once.
---@param on loadrun.fault.Subject | loadrun.fault.Subject[]
---@param spec loadrun.fault.Spec
---@return loadrun.fault.Standing
function fault.start(on, spec) end

--- A fault that stands, until it is cleared or its `for_` is over; `local f <close> = fault.start(...)`
--- clears it at the end of the block.
---@class loadrun.fault.Standing
---@field name string the tag `fault` of its metrics; on several things, that of the first
local Standing = {}

--- Ends it, and returns when it is gone; an error where it may still be there. Done twice it does
--- nothing. On several things what became of it is told together.
---@return loadrun.fault.Record?
function Standing:clear() end

return fault
