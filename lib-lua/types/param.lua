---@meta loadrun.param

--- How a parameter is treated.
---@class loadrun.param.Options
---@field secret? boolean shown as `***` wherever parameters are shown
---@field min? number the least that is taken, of a number
---@field max? number the most
---@field one_of? (string | number | boolean)[] the values that are taken, of the type of the default

--- What whoever runs the script may choose: by `-p name=value`, else by the environment variable
--- `LOADRUN_NAME`, else the default. The type of the default is the type of the parameter.
--- Called at file scope.
---@generic T: string | number | boolean
---@param name string letters, digits and `_`
---@param default T
---@param about? string what it is, for `loadrun check`
---@param options? loadrun.param.Options
---@return T value
local function param(name, default, about, options) end

return param
