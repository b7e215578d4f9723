local assert = require "./assert"
local breaker = require "breaker"
local time = require "loadrun.time"

---@return table
local function bad() return { error = "timeout" } end

---@return table
local function good() return { status = 200 } end

---@param guard breaker.Breaker
---@param times integer
local function fail(guard, times)
  for _ = 1, times do
    guard:call(bad)
  end
end

---@type table<string, fun(vu: loadrun.Vu)>
return {
  ["five failures in a row open it and a success between them does not"] = function()
    local guard = breaker.new()
    fail(guard, 4)
    guard:call(good)
    fail(guard, 4)
    assert.equal({ guard.state, guard.opened }, { "closed", 0 })
    fail(guard, 1)
    assert.equal({ guard.state, guard.opened }, { "open", 1 })
  end,

  ["a call that says how many attempts it took has not failed by that"] = function()
    local guard = breaker.new { failures = 1 }
    local called, reply, attempts = guard:call(function() return good(), 3 end)
    assert.equal({ called, reply, attempts }, { true, { status = 200 }, 3 })
    assert.equal(guard.state, "closed")
    guard:call(function() return bad(), 3 end)
    assert.equal(guard.state, "open")
  end,

  ["what it is not given is refused"] = function()
    assert.raises(
      "breaker.new: unknown key `failurs`; expected failures, on_change",
      function() breaker.new { failurs = 3 } end
    )
  end,

  ["while it is open nothing is called"] = function()
    local guard = breaker.new { failures = 1, open = "10s" }
    fail(guard, 1)
    local made = 0
    for _ = 1, 3 do
      local called, reply = guard:call(function()
        made = made + 1
        return good()
      end)
      assert.equal({ called, reply }, { false })
    end
    assert.equal({ made, guard.refused }, { 0, 3 })
  end,

  ["after its time one trial is made and its success closes it"] = function()
    local guard = breaker.new { failures = 2, open = "2s" }
    fail(guard, 2)
    time.sleep(1.9)
    assert.equal(guard:allows(), false)
    time.sleep(0.2)
    assert.equal(guard:allows(), true)
    assert.equal({ guard.state, guard:allows() }, { "half-open", false })
    guard:record(true)
    assert.equal({ guard.state, guard:allows() }, { "closed", true })
  end,

  ["a trial that fails opens it again for as long"] = function()
    local guard = breaker.new { failures = 2, open = "2s" }
    fail(guard, 2)
    time.sleep(2.1)
    fail(guard, 1)
    assert.equal({ guard.state, guard.opened }, { "open", 1 })
    time.sleep(1.9)
    assert.equal(guard:allows(), false)
  end,

  ["several trials can be asked for"] = function()
    local guard = breaker.new { failures = 1, open = "1s", trials = 2 }
    fail(guard, 1)
    time.sleep(1.1)
    guard:call(good)
    assert.equal(guard.state, "half-open")
    guard:call(good)
    assert.equal(guard.state, "closed")
  end,

  ["a trial that nobody tells of makes way for another"] = function()
    local guard = breaker.new { failures = 1, open = "1s" }
    fail(guard, 1)
    time.sleep(1.1)
    assert.equal({ guard:allows(), guard:allows() }, { true, false })
    time.sleep(1.1)
    assert.equal(guard:allows(), true)
  end,

  ["what a call gives is given on and a second value is a failure"] = function()
    local guard = breaker.new { failures = 1, open = "1s" }
    ---@return string?, loadrun.Failure?
    local function missing() return nil, nil end
    assert.equal({ guard:call(function() return "pong", nil end) }, { true, "pong" })
    assert.equal({ guard:call(missing) }, { true })
    assert.equal(guard.state, "closed")
    ---@diagnostic disable-next-line: return-type-mismatch
    guard:call(function() return nil, "refused" end)
    assert.equal(guard.state, "open")
  end,

  ["late answers of calls from before it opened change nothing"] = function()
    local guard = breaker.new { failures = 1 }
    fail(guard, 1)
    guard:record(true)
    guard:record(false)
    assert.equal({ guard.state, guard.opened }, { "open", 1 })
  end,

  ["each change is told with how long the state before had lasted"] = function()
    local changes = {}
    local guard = breaker.new {
      failures = 1,
      open = "2s",
      on_change = function(state, before, lasted)
        changes[#changes + 1] = before .. " " .. state .. " " .. math.floor(lasted + 0.5)
      end,
    }
    time.sleep(1)
    fail(guard, 1)
    time.sleep(3)
    guard:call(good)
    assert.equal(changes, { "closed open 1", "open half-open 3", "half-open closed 0" })
  end,

  ["options out of range are refused"] = function()
    assert.raises("failures: expected 1 or more", function() breaker.new { failures = 0 } end)
    assert.raises("trials: expected 1 or more", function() breaker.new { trials = 0 } end)
  end,
}
