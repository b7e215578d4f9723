---@meta loadrun.time

--- Waiting, and seconds on the run's own clock.
---@class loadrun.time
local time = {}

--- Waits. Other users go on meanwhile.
---@param duration loadrun.Duration
function time.sleep(duration) end

--- Seconds on a clock that never goes back. Only differences mean anything.
---@return number seconds
function time.now() end

--- Seconds since an earlier `time.now()`.
---@param before number
---@return number seconds
function time.since(before) end

--- A duration as seconds: `time.seconds "1m30s"` is 90.
---@param duration loadrun.Duration
---@return number seconds
function time.seconds(duration) end

return time
