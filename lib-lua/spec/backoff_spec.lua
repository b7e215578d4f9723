local assert = require "./assert"
local backoff = require "backoff"
local rand = require "loadrun.rand"
local time = require "loadrun.time"

---@type table<string, fun(vu: loadrun.Vu)>
return {
  ["without jitter the waits grow to the cap and end with the attempts"] = function(vu)
    local retry =
      backoff.new { base = "100ms", cap = "500ms", factor = 2, attempts = 5, jitter = "none" }
    local waits = {}
    for attempt = 1, 6 do
      waits[attempt] = retry:delay(attempt, vu.rand)
    end
    assert.equal(waits, { 0.1, 0.2, 0.4, 0.5 })
  end,

  ["full jitter waits anything up to the bound, equal jitter at least half of it"] = function()
    local seeded = rand.new(1)
    local full = backoff.new { base = 1 }
    local equal = backoff.new { base = 1, jitter = "equal" }
    local least, most = 1.0, 0.0
    for _ = 1, 1000 do
      local wait = full:delay(1, seeded) or 2
      least, most = math.min(least, wait), math.max(most, wait)
      local half = equal:delay(1, seeded) or 2
      assert.truthy(half >= 0.5 and half < 1)
    end
    assert.truthy(least < 0.01 and most > 0.99 and most < 1)
  end,

  ["what the target asks for is never cut short"] = function(vu)
    local retry = backoff.new { base = "100ms", jitter = "none" }
    assert.equal(retry:delay(1, vu.rand, 7), 7)
    assert.equal(retry:delay(1, vu.rand, 0), 0.1)
    assert.equal(backoff.retry_after { headers = { ["retry-after"] = " 120 " } }, 120)
    assert.equal(backoff.retry_after { headers = { ["retry-after"] = "Wed, 21 Oct" } }, nil)
    assert.equal(backoff.retry_after {}, nil)
  end,

  ["only trouble that may pass is tried again"] = function()
    for _, status in ipairs { 429, 500, 502, 503, 504 } do
      assert.truthy(backoff.may_help { status = status, error = "status" }, tostring(status))
    end
    for _, status in ipairs { 200, 302, 400, 404, 409, 501 } do
      assert.equal(backoff.may_help { status = status }, false)
    end
    assert.truthy(backoff.may_help { status = 0, error = "timeout" })
  end,

  ["a call ends with the first reply that is good"] = function(vu)
    local retry = backoff.new { base = "1s", attempts = 5, jitter = "none" }
    local begun = time.now()
    local reply, attempts = retry:call(vu.rand, function(number)
      if number < 3 then return { status = 503, headers = { ["retry-after"] = "4" } } end
      return { status = 200 }
    end)
    assert.equal({ reply.status, attempts }, { 200, 3 })
    assert.near(time.since(begun), 8, 0.05)
  end,

  ["a call ends when its attempts are used up"] = function(vu)
    local retry = backoff.new { base = "10ms", attempts = 3 }
    local made = 0
    local reply, attempts = retry:call(vu.rand, function()
      made = made + 1
      return { status = 0, error = "refused" }
    end)
    assert.equal({ reply.error, attempts, made }, { "refused", 3, 3 })
  end,

  ["what may help can be chosen"] = function(vu)
    local retry = backoff.new { base = "1ms", attempts = 9 }
    local _, attempts = retry:call(
      vu.rand,
      function(number) return { status = number < 4 and 409 or 200 } end,
      function(reply) return reply.status == 409 end
    )
    assert.equal(attempts, 4)
  end,

  ["what returns a value or a failure is tried again where somebody else was first"] = function(vu)
    local retry = backoff.new { base = "1ms", attempts = 4 }
    ---@param kind string
    ---@return string? done
    ---@return string? kind of the failure
    ---@return integer attempts
    local function after(kind)
      local done, err, attempts = retry:try(vu.rand, function(number)
        if number < 3 then return nil, { kind = kind } end
        return "done"
      end)
      return done, err and err.kind, attempts
    end
    for _, kind in ipairs { "deadlock", "serialization", "busy", "loading" } do
      assert.equal({ after(kind) }, { "done", nil, 3 })
    end
    for _, kind in ipairs { "timeout", "unique", "reset" } do
      local done, failed, attempts = after(kind)
      assert.equal({ done == nil, failed, attempts }, { true, kind, 1 })
    end
    local _, err, attempts = retry:try(
      vu.rand,
      function() return nil, { kind = "unique" } end,
      function(failure) return failure.kind == "unique" end
    )
    assert.equal({ err and err.kind, attempts }, { "unique", 4 })
  end,

  ["a call that has no reply says what there is for it"] = function(vu)
    local retry = backoff.new {}
    assert.raises("for `try`", function()
      retry:call(vu.rand, function() end)
    end)
  end,

  ["options out of range are refused"] = function()
    assert.raises("attempts: expected 1 or more", function() backoff.new { attempts = 0 } end)
    assert.raises("factor: expected 1 or more", function() backoff.new { factor = 0.5 } end)
    assert.raises(
      "unknown key `attemps`; expected attempts",
      function() backoff.new { attemps = 3 } end
    )
    ---@diagnostic disable-next-line: param-type-mismatch
    assert.raises("jitter: expected", function() backoff.new { jitter = "some" } end)
  end,
}
