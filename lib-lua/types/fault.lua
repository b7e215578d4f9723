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

--- Something that is broken for a while. What else it takes depends on its kind. Of links, in
--- Toxiproxy's names: `latency`, `jitter`, `rate`, `bytes`, `timeout`, `delay`, `probability`, ...
---@class loadrun.Fault
---@field at loadrun.Duration when it begins, from the begin of the load
---@field for_ loadrun.Duration how long it lasts, whatever happens
---@field on loadrun.fault.Subject | loadrun.Service[] the proxy, client or service it is on, or what `fault.calls` gave; or several proxies at once
---@field kind? "calls" | loadrun.fault.LinkKind | loadrun.fault.ProcessKind
---@field name? string what results call it; its kind when nothing is given
---@field every? loadrun.fault.Every it comes and goes meanwhile
---@field stream? "upstream" | "downstream" | "both" of a link; downstream when nothing is given
---@field toxicity? string | number of a link: the share of connections it concerns; all when nothing is given
---@field per? "connection" | "request" of a link: what it concerns or not; connections when nothing is given
---@field match? string with `per = "request"`: which requests, `"GET cart:*"`, `"POST /orders*"`, `"UPDATE *"`
---@field restart_after? loadrun.Duration of `kill`, `stop`, `restart`: how long the process is away; as long as the fault lasts, for `restart` no longer than it takes
---@field with? table<string, string | number | boolean> of `kill`, `stop`, `restart`: settings it is started with, in place of those declared, until the fault is over
---@field [string] any

--- What can be broken. On a client it is the connections that the script itself opens.
---@alias loadrun.fault.Subject loadrun.Service | loadrun.Sandbox | loadrun.http.Client | loadrun.redis.Client | loadrun.fault.Calls

--- Of a `fault.proxy`, or of a client.
---@alias loadrun.fault.LinkKind "latency" | "bandwidth" | "slow_close" | "timeout" | "hold" | "down" | "reset_peer" | "slicer" | "limit_data" | "corrupt_stream" | "drop_chunks" | "noop"

--- Of a service of the run: it stands still, or is away and comes back.
---@alias loadrun.fault.ProcessKind "pause" | "kill" | "stop" | "restart"

--- Links that can be broken while the load runs.
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

return fault
