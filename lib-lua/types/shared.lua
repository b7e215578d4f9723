---@meta loadrun.shared

--- What may be handed from one worker to another: no functions, no handles.
---@alias loadrun.Plain boolean | number | string | loadrun.json.Null | table

--- A time to wait at most.
---@class loadrun.shared.WaitOptions
---@field timeout? loadrun.Duration for ever when nothing is given

--- An integer that all users of all workers see.
---@class loadrun.shared.Counter
local Counter = {}

--- Adds to the counter and returns its new value.
---@param amount? integer 1 when nothing is given
---@return integer value
function Counter:add(amount) end

--- The value now.
---@return integer value
function Counter:value() end

--- A map that all users of all workers see. `#` counts its keys.
---@class loadrun.shared.Map
---@operator len: integer
local Map = {}

--- A copy of the value under a key, nil when there is none.
---@param key string | number | boolean
---@return any value
function Map:get(key) end

--- Sets the value under a key; nil takes the key away.
---@param key string | number | boolean
---@param value? loadrun.Plain
function Map:set(key, value) end

--- Replaces the value under a key by what `change` makes of the old one, and returns the new one.
--- No change is lost: when another worker was faster, `change` is called again, so it must do
--- nothing but compute. It cannot wait.
---@param key string | number | boolean
---@param change fun(old: any): loadrun.Plain?
---@return any new
function Map:update(key, change) end

--- Takes a key away.
---@param key string | number | boolean
---@return boolean found
function Map:delete(key) end

--- All keys, sorted.
---@return (string | number | boolean)[] keys
function Map:keys() end

--- How many keys there are.
---@return integer count
function Map:len() end

--- A queue that all users of all workers see: first in, first out. `#` counts what waits in it.
---@class loadrun.shared.Queue
---@operator len: integer
local Queue = {}

--- Puts a value at the end.
---@param value loadrun.Plain
---@return boolean taken false when the queue was full
function Queue:push(value) end

--- Takes the first value, waiting for one; nil when none came in time.
---@param options? loadrun.shared.WaitOptions
---@return any value
function Queue:pop(options) end

--- Takes the first value, nil when there is none.
---@return any value
function Queue:try_pop() end

--- How many values wait in it.
---@return integer count
function Queue:len() end

--- A point at which users wait for one another, round after round.
---@class loadrun.shared.Barrier
local Barrier = {}

--- Waits until as many users have arrived as the barrier is for.
---@param options? loadrun.shared.WaitOptions
---@return boolean opened false when the time ran out
function Barrier:wait(options) end

--- What all users of all workers see, known by name: asked for twice, it is the same thing.
---@class loadrun.shared
local shared = {}

--- A counter.
---@param name string
---@param initial? integer 0 when nothing is given
---@return loadrun.shared.Counter
function shared.counter(name, initial) end

--- A map.
---@param name string
---@return loadrun.shared.Map
function shared.map(name) end

--- A queue.
---@param name string
---@param capacity? integer values it holds at most; 1,000,000 when nothing is given
---@return loadrun.shared.Queue
function shared.queue(name, capacity) end

--- A barrier for `n` users.
---@param name string
---@param n integer
---@return loadrun.shared.Barrier
function shared.barrier(name, n) end

return shared
