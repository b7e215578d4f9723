---@meta loadrun.data

--- How a CSV file is written.
---@class loadrun.data.CsvOptions
---@field delimiter? string the character between two fields; `","` when nothing is given
---@field header? boolean whether the first line names the columns; true when nothing is given

--- Files of test data beside the script, read once in a process and shared by all users.
---
--- What these functions return is read-only and works like a table: `#`, indexing, `ipairs`,
--- `pairs`. They are called at file scope.
---@class loadrun.data
local data = {}

--- The rows of a CSV file, each a map by column name. All values are strings.
--- With `header = false` each row is a list instead.
---@param path string
---@param options? loadrun.data.CsvOptions
---@return table<string | integer, string>[] rows
function data.csv(path, options) end

--- The value in a JSON file.
---@param path string
---@return any value
function data.json(path) end

--- The lines of a text file, without their ends.
---@param path string
---@return string[] lines
function data.lines(path) end

return data
