---@meta loadrun.log

--- Lines for whoever runs the script. The same line is shown once and counted.
---@class loadrun.log
local log = {}

--- A line that is shown with `--verbose`.
---@param ... any
function log.debug(...) end

--- A line that is shown.
---@param ... any
function log.info(...) end

--- A line that is shown as a warning.
---@param ... any
function log.warn(...) end

--- A line that is shown as an error.
---@param ... any
function log.error(...) end

return log
