---@meta loadrun.listen

--- What a target sent.
---@class loadrun.listen.Request
---@field method string for example `POST`
---@field path string without the query
---@field query table<string, string>
---@field headers table<string, string> names in lower case
---@field body string
---@field form? table<string, string> the body, where it is a form
---@field json? any the body, where it is JSON

--- What it is answered.
---@class loadrun.listen.Answer
---@field status? integer 200 when nothing is given
---@field body? string
---@field json? any the body as JSON
---@field headers? table<string, string>
---@field delay? loadrun.Duration so long later

--- Endpoints for what a target sends back, on this machine.
---@class loadrun.listen
local listen = {}

--- Declares an HTTP endpoint; only at file scope. Where `run` answers nothing, the status is 204.
---@param options? { name?: string, run?: fun(request: loadrun.listen.Request): integer | loadrun.listen.Answer | nil }
---@return loadrun.Service
function listen.http(options) end

return listen
