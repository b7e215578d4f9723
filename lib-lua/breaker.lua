--- A circuit breaker, as clients of a service that fails carry one: after so many failures in a row
--- it makes no calls for a while, then tries one, and what comes of it decides.
---
---     local guard = breaker.new { failures = 5, open = "1s" }        -- at file scope
---     local called, reply = guard:call(function() return api:get("/stock") end)
---     if not called then ... end                                      -- it was open: nothing was sent
---
--- A breaker made at file scope is shared by all users of a worker, as by the threads of one process
--- of a client; each worker has its own. While it is open a call costs a look at the clock, and
--- counts as refused where the run judges what a fault did. Every ask counts: users in a closed loop
--- who ask again at once do so as often as Lua can, and all of it is lost, so pace them.

local options = require "options"
local recovery = require "loadrun.recovery"
local time = require "loadrun.time"

local breaker = {}

--- closed: calls are made. open: none are. half-open: one is being tried.
---@alias breaker.State "closed" | "open" | "half-open"

--- When it opens, and for how long.
---@class breaker.Options
---@field failures? integer failures in a row after which it opens; 5 when not given
---@field open? loadrun.Duration how long no calls are made then; 1 s when not given
---@field trials? integer trials in a row that have to succeed before it closes; 1 when not given
---@field on_change? fun(state: breaker.State, before: breaker.State, lasted: number) told of each change, and how many seconds the state before had lasted

--- A circuit breaker.
---@class breaker.Breaker
---@field state breaker.State
---@field opened integer how often it has opened from closed
---@field refused integer how many calls were not made
---@field failures integer
---@field open number seconds
---@field trials integer
---@field on_change? fun(state: breaker.State, before: breaker.State, lasted: number)
---@field package failed integer failures in a row
---@field package succeeded integer trials in a row that succeeded
---@field package since number when the state began
---@field package tried number when the trial under way began; 0 when there is none
local Breaker = {}
Breaker.__index = Breaker

---@param state breaker.State
---@param now number
function Breaker:turn(state, now)
  local before, lasted = self.state, now - self.since
  self.state, self.since, self.failed, self.succeeded, self.tried = state, now, 0, 0, 0
  if state == "open" and before == "closed" then self.opened = self.opened + 1 end
  if self.on_change then self.on_change(state, before, lasted) end
end

--- Whether a call may be made now. What comes of it must be told with `record`; a trial that nobody
--- tells of makes way for another after as long as the breaker stays open.
---@return boolean
function Breaker:allows()
  if self.state == "closed" then return true end
  local now = time.now()
  if self.state == "open" and now - self.since >= self.open then self:turn("half-open", now) end
  local free = self.tried == 0 or now - self.tried >= self.open
  if self.state == "half-open" and free then
    self.tried = now
    return true
  end
  self.refused = self.refused + 1
  recovery.unmade()
  return false
end

--- Tells what came of a call.
---@param succeeded boolean
function Breaker:record(succeeded)
  if self.state == "open" then return end -- a call from before it opened
  local now = time.now()
  if self.state == "half-open" then
    self.tried = 0
    self.succeeded = succeeded and self.succeeded + 1 or 0
    if not succeeded then self:turn("open", now) end
    if self.succeeded >= self.trials then self:turn("closed", now) end
    return
  end
  self.failed = succeeded and 0 or self.failed + 1
  if self.failed >= self.failures then self:turn("open", now) end
end

--- Whether a call has failed: a second value, as of Redis and SQL, or the `error` of a reply. A number
--- is no failure: so `backoff` says how many attempts it took.
---@param count integer
---@param first any
---@param second any
---@return boolean
local function has_failed(count, first, second)
  if count > 1 and type(second) ~= "number" then return second ~= nil end
  local kind = type(first)
  return (kind == "table" or kind == "userdata") and first.error ~= nil
end

---@param self breaker.Breaker
---@param ... any
---@return boolean
---@return ...
local function told(self, ...)
  self:record(not has_failed(select("#", ...), ...))
  return true, ...
end

--- Makes a call, if it may be made: true and what `attempt` returned, or false. It has failed when
--- its reply has an `error`, or when a failure is its second value.
---@generic T
---@param attempt fun(): T, (loadrun.Failure | integer)?
---@return boolean called
---@return T? value
---@return (loadrun.Failure | integer)? failure what else it returned
function Breaker:call(attempt)
  if not self:allows() then return false end
  return told(self, attempt())
end

---@param value any
---@param what string
local function whole(value, what)
  if math.type(value) == "integer" and value >= 1 then return end
  error("breaker.new: " .. what .. ": expected 1 or more", 3)
end

--- A breaker, closed.
---@param given? breaker.Options
---@return breaker.Breaker
function breaker.new(given)
  local names = { "failures", "on_change", "open", "trials" }
  local wanted, wrong = options.known(given, names)
  if wrong then error("breaker.new: " .. wrong, 2) end
  local made = {
    state = "closed",
    opened = 0,
    refused = 0,
    failed = 0,
    succeeded = 0,
    since = time.now(),
    tried = 0,
    failures = wanted.failures or 5,
    open = time.seconds(wanted.open or "1s"),
    trials = wanted.trials or 1,
    on_change = wanted.on_change,
  }
  whole(made.failures, "failures")
  whole(made.trials, "trials")
  return setmetatable(made, Breaker)
end

return breaker
