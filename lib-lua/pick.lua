--- Choosing unevenly, as real traffic does: by weight, or with a few hot keys.
---
---     local action = pick.weighted { { 60, read }, { 30, write }, { 10, admin } }
---     action:next(vu.rand)(vu)
---
---     local item = pick.hot { keys = 1000 }   -- 90 % of the draws from 10 % of the keys
---     api:get("/items/" .. item:next(vu.rand))
---
--- A picker is made once at file scope; drawing from it costs no walk over the weights.

local options = require "options"

local pick = {}

--- Values with weights, ready to draw from.
---@class pick.Weighted
---@field private reached number[] the running sum of the weights
---@field private values any[]
local Weighted = {}
Weighted.__index = Weighted

--- One value, by weight.
---@param rand loadrun.Rand usually `vu.rand`
---@return any
function Weighted:next(rand)
  local reached = self.reached
  local at = rand:number() * reached[#reached]
  local low, high = 1, #reached
  while low < high do
    local middle = (low + high) // 2
    if at < reached[middle] then
      high = middle
    else
      low = middle + 1
    end
  end
  return self.values[low]
end

--- A picker by weight.
---@param list { [1]: number, [2]: any }[] weights of 0 or more with their values
---@return pick.Weighted
function pick.weighted(list)
  local reached, values, sum = {}, {}, 0.0
  for index, item in ipairs(list) do
    local weight = type(item) == "table" and item[1]
    if type(weight) ~= "number" or not (weight >= 0) or item[2] == nil then
      error(("pick.weighted: [%d]: expected { weight of 0 or more, value }"):format(index), 2)
    end
    if weight > 0 then
      sum = sum + weight
      reached[#reached + 1] = sum
      values[#values + 1] = item[2]
    end
  end
  if not (sum > 0 and sum < math.huge) then
    error("pick.weighted: expected weights with a finite sum above 0", 2)
  end
  return setmetatable({ reached = reached, values = values }, Weighted)
end

--- Which keys there are, and how hot the hot ones are.
---@class pick.HotOptions
---@field keys integer | any[] the keys, or how many whole numbers from 1
---@field hot? number share of the keys that are hot: the first ones; 0.1 when not given
---@field share? number share of the draws that go to them; 0.9 when not given

--- Keys of which a few are hot.
---@class pick.Hot
---@field private keys? any[]
---@field private count integer how many keys there are
---@field private border integer how many of them are hot
---@field private share number share of the draws that go to the hot ones
local Hot = {}
Hot.__index = Hot

--- One key: a hot one as often as the share says, all hot ones equally likely.
---@param rand loadrun.Rand usually `vu.rand`
---@return any
function Hot:next(rand)
  local index
  if self.border == self.count or rand:number() < self.share then
    index = rand:integer(1, self.border)
  else
    index = rand:integer(self.border + 1, self.count)
  end
  return self.keys and self.keys[index] or index
end

---@param value any
---@param default number
---@param name string
---@return number
local function share(value, default, name)
  if value == nil then return default end
  if type(value) ~= "number" or not (value > 0 and value <= 1) then
    error(("pick.hot: %s: expected a share above 0, up to 1"):format(name), 3)
  end
  return value
end

--- A picker with hot keys.
---@param given pick.HotOptions
---@return pick.Hot
function pick.hot(given)
  local wanted, wrong = options.known(given, { "hot", "keys", "share" })
  if wrong then error("pick.hot: " .. wrong, 2) end
  local keys = wanted.keys
  local list, count = nil, nil
  if math.type(keys) == "integer" then
    count = keys
  elseif keys ~= nil and type(keys) ~= "number" then
    list, count = keys, #keys
  end
  if not count or count < 1 then
    error("pick.hot: keys: expected a list, or how many, at least 1", 2)
  end
  local hot = share(wanted.hot, 0.1, "hot")
  return setmetatable({
    keys = list,
    count = count,
    border = math.max(1, math.floor(count * hot + 0.5)),
    share = share(wanted.share, 0.9, "share"),
  }, Hot)
end

return pick
