---@meta loadrun.json

--- The type of `json.null`: JSON's `null`, which is neither `nil` nor false.
---@class loadrun.json.Null

--- JSON text to Lua values and back.
---@class loadrun.json
---@field null loadrun.json.Null JSON's `null`; compare with `==`.
local json = {}

--- The value of JSON text. Integers of 64 bits stay exact, `null` is `json.null`.
--- Raises with line and column when the text is malformed.
---@param text string
---@return any value
function json.decode(text) end

--- The JSON text of a value, its keys sorted. An empty table is `{}`; see `json.array`.
--- Raises with the path of what JSON cannot hold.
---@param value any
---@return string text
function json.encode(value) end

--- Marks a table as a list, so that it is written as `[]` even while it is empty.
---@generic T
---@param items? T[]
---@return T[] items the same table, or a new one
function json.array(items) end

return json
