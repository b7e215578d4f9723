---@meta loadrun.check

--- Counts each condition as held or failed, under its name, in the metric `check.failed`. A failed
--- check is counted and never raised. A condition that is `nil` leaves no trace in a table: write
--- `value ~= nil`.
---@param reply any what the conditions are about; not looked at
---@param conditions table<string, any> false and nil fail, everything else holds
---@return boolean all true when every condition held
local function check(reply, conditions) end

return check
