---@meta loadrun.fault

--- Where a proxy stands.
---@class loadrun.fault.ProxyOptions
---@field upstream string | loadrun.Service | loadrun.Sandbox what it leads to: a service of the script, `"host:port"` or a URL
---@field name? string its own, or `proxy`, `proxy-2`, ... in the order of declaration

--- Something that is broken for a while. What else it takes depends on its kind, in Toxiproxy's
--- names: `latency`, `jitter`, `rate`, `bytes`, `timeout`, `delay`, `probability`, ...
---@class loadrun.Fault
---@field at loadrun.Duration when it begins, from the begin of the load
---@field for_ loadrun.Duration how long it lasts, whatever happens
---@field on loadrun.Service the proxy it is on
---@field kind "latency" | "bandwidth" | "slow_close" | "timeout" | "hold" | "down" | "reset_peer" | "slicer" | "limit_data" | "corrupt_stream" | "drop_chunks" | "noop"
---@field name? string what results call it; its kind when nothing is given
---@field stream? "upstream" | "downstream" | "both" downstream when nothing is given
---@field toxicity? string | number the share of connections it concerns; all when nothing is given
---@field [string] any

--- Links that can be broken while the load runs.
---@class loadrun.fault
local fault = {}

--- Declares a proxy of the run, at file scope. It is a service: clients take it as their address,
--- and what is broken on it stands in the script's `faults`.
---@param options loadrun.fault.ProxyOptions
---@return loadrun.Service
function fault.proxy(options) end

return fault
