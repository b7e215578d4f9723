local assert = require "./assert"
local pacing = require "pacing"
local time = require "loadrun.time"

---@type table<string, fun(vu: loadrun.Vu)>
return {
  ["turns come at the same distance however long each iteration takes"] = function(vu)
    local pace = pacing.every "1s"
    local begun = time.now()
    for turn, work in ipairs { 0.2, 0.9, 0.5 } do
      pace:wait(vu)
      assert.near(time.since(begun), turn - 1, 0.02)
      time.sleep(work)
    end
    pace:wait(vu)
    assert.near(time.since(begun), 3, 0.02)
  end,

  ["a turn that was missed is left out and its lateness told"] = function(vu)
    local pace = pacing.every(1)
    pace:wait(vu)
    time.sleep(2.5)
    local begun = time.now()
    assert.near(pace:wait(vu), 1.5, 0.02)
    assert.near(time.since(begun), 0, 0.02)
    pace:wait(vu)
    assert.near(time.since(begun), 1, 0.02)
  end,

  ["each user has turns of its own"] = function(vu)
    local pace = pacing.every "1s"
    local begun = time.now()
    pace:wait(vu)
    time.sleep "300ms"
    local other = { id = 2 } ---@cast other loadrun.Vu
    assert.equal(pace:wait(other), 0)
    assert.near(time.since(begun), 0.3, 0.02)
  end,

  ["an interval of nothing is refused"] = function()
    assert.raises("expected a time above 0", function() pacing.every(0) end)
    assert.raises("malformed duration", function() pacing.every "often" end)
  end,
}
