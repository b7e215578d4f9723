---@meta loadrun.sandbox

--- How the practice target behaves.
---@class loadrun.sandbox.Behaviour
---@field latency? string time added to each answer: `"none"`, `"20ms"`, `"uniform 10ms 50ms"`, `"normal 50ms 10ms"`, `"exponential 20ms"`
---@field errors? string | number share of requests answered 500: `"1%"` or `0.01`
---@field capacity? string | integer `"none"`, `200` (in flight at once) or `"200/s"`; beyond it: 429
---@field workers? integer | "none" how many requests are worked on at once, the others waiting their turn; each to its end, even when its sender has given up
---@field forget? string | number share of webhooks acknowledged but never stored
---@field fallback? boolean | "on" | "off" whether the database is read when the cache does not answer; on when not given
---@field retries? integer how often a failed call to Redis or the database is made again, at once; 0 when not given
---@field breaker? string | integer `"none"`, `5` (failures in a row until no calls are made for 1 s) or `"5 2s"`
---@field timeout? string how long one call to Redis or the database may take: `"none"`, `"500ms"`; 1 s when not given
---@field leak? string | integer memory of each request that is never given back: `"none"`, `"1KiB"`

--- How the practice target is set up; the options of the command `loadrun sandbox`.
---@class loadrun.sandbox.Options: loadrun.sandbox.Behaviour
---@field callback? loadrun.Service | string what is told of each message stored, with a form of `MessageSid` and `MessageStatus`: `listen.http`, or a URL
---@field token? string auth token that webhook signatures are keyed with
---@field seed? integer seed of its random choices
---@field redis? string | loadrun.Service a Redis that items are read through; a proxy may stand before it
---@field database? string | loadrun.Service a PostgreSQL that keeps items and orders, in tables `sandbox_items` and `sandbox_orders`

--- What `control` may change.
---@class loadrun.sandbox.Changes: loadrun.sandbox.Behaviour
---@field stall? loadrun.Duration answer nothing for this long, from now on

--- A practice target of the run. `http.client` takes it as its `base`.
---@class loadrun.Sandbox
---@field name string `sandbox`, `sandbox-2`, ... in the order of declaration
---@field url string where it is; known once the run has begun
---@field address string host and port of the URL
---@field pid integer its process
local Sandbox = {}

--- Changes its behaviour while it runs; what is not named stays. Not measured.
---@param changes loadrun.sandbox.Changes
---@return table state its behaviour and counters after the change
function Sandbox:control(changes) end

--- The practice target: a small message service that the engine starts for the run.
---@class loadrun.sandbox
local sandbox = {}

--- Declares a practice target, at file scope. It is started before `setup` and stopped after
--- `teardown`.
---@param options? loadrun.sandbox.Options
---@return loadrun.Sandbox
function sandbox.start(options) end

return sandbox
