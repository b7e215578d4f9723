--- What specs say about values. A claim that does not hold is an error at the spec's own line.

local assert = {}

--- A value as a message shows it, tables with what is in them.
---@param value any
---@return string
local function shown(value)
  if type(value) == "string" then return ("%q"):format(value) end
  if type(value) ~= "table" then return tostring(value) end
  local parts = {}
  for key, item in pairs(value) do
    parts[#parts + 1] = tostring(key) .. " = " .. shown(item)
  end
  table.sort(parts)
  return "{ " .. table.concat(parts, ", ") .. " }"
end

---@param left any
---@param right any
---@return boolean
local function same(left, right)
  if left == right then return true end
  if type(left) ~= "table" or type(right) ~= "table" then return false end
  for key, item in pairs(left) do
    if not same(item, right[key]) then return false end
  end
  for key in pairs(right) do
    if left[key] == nil then return false end
  end
  return true
end

--- The two are equal; tables are when what is in them is.
---@param actual any
---@param expected any
function assert.equal(actual, expected)
  if same(actual, expected) then return end
  error(("expected %s, got %s"):format(shown(expected), shown(actual)), 2)
end

--- The number is at most `tolerance` away.
---@param actual number
---@param expected number
---@param tolerance number
function assert.near(actual, expected, tolerance)
  if math.abs(actual - expected) <= tolerance then return end
  error(("expected %s within %s, got %s"):format(expected, tolerance, actual), 2)
end

--- The condition is neither false nor nil.
---@param condition any
---@param what? string
function assert.truthy(condition, what)
  if not condition then error(what or "expected a true value", 2) end
end

--- The function raises an error with this text in it.
---@param text string
---@param raises fun()
function assert.raises(text, raises)
  local ok, raised = pcall(raises)
  if ok then error(("expected an error with %q, got none"):format(text), 2) end
  if not tostring(raised):find(text, 1, true) then
    error(("expected an error with %q, got %q"):format(text, tostring(raised)), 2)
  end
end

return assert
