local assert = require "./assert"
local pick = require "pick"
local rand = require "loadrun.rand"

local DRAWS = 20000

---@param draw fun(): any
---@return table<any, integer>
local function tally(draw)
  local seen = setmetatable({}, { __index = function() return 0 end })
  for _ = 1, DRAWS do
    local drawn = draw()
    seen[drawn] = seen[drawn] + 1
  end
  return seen
end

---@type table<string, fun(vu: loadrun.Vu)>
return {
  ["weights are the shares that come out"] = function()
    local seeded = rand.new(1)
    local picker =
      pick.weighted { { 60, "read" }, { 0, "never" }, { 30, "write" }, { 10, "admin" } }
    local seen = tally(function() return picker:next(seeded) end)
    assert.near(seen.read, 0.6 * DRAWS, 350)
    assert.near(seen.write, 0.3 * DRAWS, 350)
    assert.near(seen.admin, 0.1 * DRAWS, 350)
    assert.equal(seen.never, 0)
  end,

  ["weights that cannot be drawn from are refused"] = function()
    assert.raises(
      "[2]: expected { weight of 0 or more, value }",
      function() pick.weighted { { 1, "a" }, { -1, "b" } } end
    )
    ---@diagnostic disable-next-line: assign-type-mismatch
    assert.raises("[1]: expected { weight", function() pick.weighted { 60, 40 } end)
    assert.raises("sum above 0", function() pick.weighted { { 0, "a" } } end)
    assert.raises("sum above 0", function() pick.weighted {} end)
  end,

  ["a tenth of the keys gets nine tenths of the draws"] = function()
    local seeded = rand.new(2)
    local keys = pick.hot { keys = 100 }
    local hot, seen = 0, {}
    for _ = 1, DRAWS do
      local key = keys:next(seeded)
      assert.truthy(key >= 1 and key <= 100)
      seen[key] = true
      if key <= 10 then hot = hot + 1 end
    end
    assert.near(hot, 0.9 * DRAWS, 220)
    assert.equal(#seen, 100)
  end,

  ["the keys may be a list, and both shares be chosen"] = function()
    local seeded = rand.new(3)
    local keys = pick.hot { keys = { "a", "b", "c", "d" }, hot = 0.5, share = 0.8 }
    local seen = tally(function() return keys:next(seeded) end)
    assert.near(seen.a + seen.b, 0.8 * DRAWS, 300)
    assert.near(seen.c + seen.d, 0.2 * DRAWS, 300)
  end,

  ["a single key is always the one"] = function()
    local key = pick.hot { keys = { "only" } }
    assert.equal(key:next(rand.new(4)), "only")
  end,

  ["shares and keys out of range are refused"] = function()
    assert.raises("keys: expected a list, or how many", function() pick.hot { keys = {} } end)
    assert.raises("keys: expected a list, or how many", function() pick.hot { keys = 0 } end)
    assert.raises(
      "unknown key `shar`; expected hot",
      function() pick.hot { keys = 5, shar = 1 } end
    )
    assert.raises("share: expected a share", function() pick.hot { keys = 5, share = 90 } end)
    assert.raises("hot: expected a share", function() pick.hot { keys = 5, hot = 0 } end)
  end,
}
