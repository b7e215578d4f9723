--- Walking through a set of test data, so that users do not all send the same.
---
---     local users = feeder.circular("users", data.csv "users.csv")
---     local user = users:next(vu)
---
--- `sequential` and `circular` hand out rows in order to whoever asks, over all workers, each row
--- once a round; `random` draws from `vu.rand`; `unique` gives every user rows of its own, the
--- same ones in every run. `next` returns nil when there is no row left.

local shared = require "loadrun.shared"

local feeder = {}

--- A way through a set of data.
---@class feeder.Feeder
---@field private rows any[]
---@field private index fun(vu: loadrun.Vu): integer? the next row's number
local Feeder = {}
Feeder.__index = Feeder

--- The next row, nil when there is none left.
---@param vu loadrun.Vu
---@return any row
function Feeder:next(vu)
  local index = self.index(vu)
  if index == nil then return nil end
  return self.rows[index]
end

---@param name string
---@param rows any[]
---@param index fun(vu: loadrun.Vu): integer?
---@return feeder.Feeder
local function walk(name, rows, index)
  if #rows == 0 then error(("feeder.%s: expected at least one row"):format(name), 3) end
  return setmetatable({ rows = rows, index = index }, Feeder)
end

--- Every row once in the run, in order, whoever asks.
---@param name string what the walk is known by to all workers
---@param rows any[]
---@return feeder.Feeder
function feeder.sequential(name, rows)
  local handed = shared.counter("feeder " .. name)
  local count = #rows
  return walk("sequential", rows, function()
    -- Asked once more after the end, the counter stays where it is.
    if handed:value() >= count then return nil end
    local index = handed:add()
    return index <= count and index or nil
  end)
end

--- All rows in order, whoever asks, and again from the first.
---@param name string what the walk is known by to all workers
---@param rows any[]
---@return feeder.Feeder
function feeder.circular(name, rows)
  local handed = shared.counter("feeder " .. name)
  local count = #rows
  return walk("circular", rows, function() return (handed:add() - 1) % count + 1 end)
end

--- Any row, all equally likely, from `vu.rand`.
---@param rows any[]
---@return feeder.Feeder
function feeder.random(rows)
  local count = #rows
  return walk("random", rows, function(vu) return vu.rand:integer(1, count) end)
end

--- Rows of its own for each user: with 10 users, user 3 gets rows 3, 13, 23, ... and then nil.
--- Without `users`, user 3 gets row 3 every time.
---@param rows any[]
---@param users? integer how many users share the rows
---@return feeder.Feeder
function feeder.unique(rows, users)
  if users ~= nil and (math.type(users) ~= "integer" or users < 1) then
    error("feeder.unique: users: expected how many, at least 1", 2)
  end
  local handed = setmetatable({}, { __mode = "k" }) ---@type table<loadrun.Vu, integer>
  return walk("unique", rows, function(vu)
    if not users then return vu.id end
    local turn = handed[vu] or 0
    handed[vu] = turn + 1
    return vu.id <= users and vu.id + turn * users or nil
  end)
end

return feeder
