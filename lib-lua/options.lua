--- The options of a function, for modules that teams share: a key that it does not know is said, not
--- passed over.
---
---     function shop.new(given)
---       local wanted, wrong = options.known(given, { "base", "size" })
---       if wrong then error("shop.new: " .. wrong, 2) end
---       local size = wanted.size or 10
---       ...
---     end

local options = {}

---@param names string[]
---@return string
local function either(names)
  if #names == 1 then return names[1] end
  return table.concat(names, ", ", 1, #names - 1) .. " or " .. names[#names]
end

--- What was given, an empty table for nil; and what is wrong with it, if anything is: it is no table,
--- or has keys that are not known.
---@param given any what the function's caller gave
---@param names string[] the keys that it knows
---@return table<string, any> wanted
---@return string? wrong what was found and what was expected
function options.known(given, names)
  if given == nil then return {} end
  if type(given) ~= "table" then return {}, "expected a table of options" end
  local known, strange = {}, {}
  for _, name in ipairs(names) do
    known[name] = true
  end
  for key in pairs(given) do
    if not known[key] then strange[#strange + 1] = ("`%s`"):format(key) end
  end
  if #strange == 0 then return given end
  table.sort(strange)
  local keys = (#strange == 1 and "key " or "keys ") .. table.concat(strange, ", ")
  return given, ("unknown %s; expected %s"):format(keys, either(names))
end

return options
