local assert = require "./assert"
local options = require "options"

local NAMES = { "base", "size" }

---@type table<string, fun(vu: loadrun.Vu)>
return {
  ["known keys pass as they are and nothing is none"] = function()
    local given = { base = "http://127.0.0.1", size = false }
    local wanted, wrong = options.known(given, NAMES)
    assert.truthy(wanted == given)
    assert.equal(wrong, nil)
    assert.equal({ options.known(nil, NAMES) }, { {} })
    assert.equal({ options.known({}, NAMES) }, { {} })
  end,

  ["unknown keys are said all at once, with those that are known"] = function()
    local _, wrong = options.known({ bass = 1, size = 2, [3] = 4 }, NAMES)
    assert.equal(wrong, "unknown keys `3`, `bass`; expected base or size")
    _, wrong = options.known({ x = 1 }, { "y" })
    assert.equal(wrong, "unknown key `x`; expected y")
    _, wrong = options.known({ x = 1 }, { "a", "b", "c" })
    assert.equal(wrong, "unknown key `x`; expected a, b or c")
  end,

  ["what is no table is said"] = function()
    local wanted, wrong = options.known(5, NAMES)
    assert.equal(wanted, {})
    assert.equal(wrong, "expected a table of options")
  end,
}
