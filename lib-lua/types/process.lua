---@meta loadrun.process

--- Processes of this machine. What they use while the load goes on is recorded by itself, of
--- services and of those in `watch`.
---@class loadrun.process
local process = {}

--- Resident memory of a process and all it started, in bytes; nil when there is no such process.
--- Takes some milliseconds: for `setup` and `teardown`.
---@param of loadrun.Service | loadrun.Sandbox | integer a service, or a pid
---@return integer? bytes
function process.memory(of) end

return process
