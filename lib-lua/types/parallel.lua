---@meta loadrun.parallel

--- Calls functions at the same time, as one user, and waits until all have ended.
--- An error in one is raised when the others have ended.
---@param functions (fun(): any)[] at most 200
---@return any ... the first result of each, in order
local function parallel(functions) end

return parallel
