local assert = require "./assert"
local feeder = require "feeder"
local rand = require "loadrun.rand"

local ROWS = { "a", "b", "c" }

--- A user that is only looked at for its id and its randomness.
---@param id integer
---@return loadrun.Vu
local function user(id)
  local function degraded() end
  return { id = id, iteration = 1, scenario = "spec", rand = rand.new(id), degraded = degraded }
end

---@type table<string, fun(vu: loadrun.Vu)>
return {
  ["a sequential walk hands out every row once, whoever asks"] = function()
    local walk = feeder.sequential("once", ROWS)
    local one, two = user(1), user(2)
    assert.equal({ walk:next(one), walk:next(two), walk:next(one) }, ROWS)
    assert.equal(walk:next(two), nil)
    assert.equal(walk:next(one), nil)
  end,

  ["a circular walk begins again"] = function(vu)
    local walk = feeder.circular("round", ROWS)
    local rows = {}
    for turn = 1, 5 do
      rows[turn] = walk:next(vu)
    end
    assert.equal(rows, { "a", "b", "c", "a", "b" })
  end,

  ["two walks of one name are one walk"] = function(vu)
    assert.equal(feeder.circular("same", ROWS):next(vu), "a")
    assert.equal(feeder.circular("same", ROWS):next(vu), "b")
  end,

  ["a random walk reaches every row"] = function(vu)
    local walk, seen = feeder.random(ROWS), {}
    for _ = 1, 100 do
      seen[walk:next(vu)] = true
    end
    assert.equal(seen, { a = true, b = true, c = true })
  end,

  ["users that share the rows never get the same one"] = function()
    local walk = feeder.unique({ "a", "b", "c", "d", "e" }, 2)
    local one, two = user(1), user(2)
    assert.equal({ walk:next(one), walk:next(one), walk:next(one) }, { "a", "c", "e" })
    assert.equal({ walk:next(two), walk:next(two), walk:next(two) }, { "b", "d" })
    assert.equal(walk:next(user(3)), nil)
  end,

  ["without a number of users each keeps its row"] = function()
    local walk, two = feeder.unique(ROWS), user(2)
    assert.equal({ walk:next(two), walk:next(two) }, { "b", "b" })
    assert.equal(walk:next(user(4)), nil)
  end,

  ["a walk over nothing is refused"] = function()
    assert.raises("feeder.random: expected at least one row", function() feeder.random {} end)
    assert.raises("users: expected how many", function() feeder.unique(ROWS, 0) end)
  end,
}
