--- Trying again after a failure, as well-behaved clients do: exponentially longer waits with
--- jitter, a last attempt, and `Retry-After` honoured.
---
---     local retry = backoff.new { base = "100ms", cap = "5s", attempts = 4 }
---     local reply = retry:call(vu.rand, function() return api:post("/orders", order) end)
---     local done, err = retry:try(vu.rand, function() return db:transaction(move) end)
---
--- Full jitter waits anything from 0 to the bound, equal jitter half the bound and anything up to
--- the other half; the bound of attempt n is base * factor^(n-1), at most `cap`. Every attempt is
--- a sample of its own: retries are load too.

local options = require "options"
local time = require "loadrun.time"

local backoff = {}

--- When to try again.
---@class backoff.Options
---@field base? loadrun.Duration the first bound; 100 ms when not given
---@field cap? loadrun.Duration no bound is above it; 10 s when not given
---@field factor? number each bound is so many times the one before; 2 when not given
---@field attempts? integer attempts in all, the first one included; 5 when not given
---@field jitter? "full" | "equal" | "none" `"full"` when not given

--- What is looked at of a reply.
---@class backoff.Reply
---@field status? integer
---@field error? string
---@field headers? table<string, string>

--- A way to try again, for any number of users.
---@class backoff.Policy
---@field base number seconds
---@field cap number seconds
---@field factor number
---@field attempts integer
---@field jitter "full" | "equal" | "none"
local Policy = {}
Policy.__index = Policy

--- Seconds to wait after attempt `attempt` failed; nil when it was the last one.
---@param attempt integer from 1
---@param rand loadrun.Rand usually `vu.rand`
---@param retry_after? number seconds the target asked for; never less is waited
---@return number? seconds
function Policy:delay(attempt, rand, retry_after)
  if attempt >= self.attempts then return nil end
  local bound = math.min(self.cap, self.base * self.factor ^ (attempt - 1))
  local wait = bound
  if self.jitter == "full" then
    wait = bound * rand:number()
  elseif self.jitter == "equal" then
    wait = bound / 2 + bound / 2 * rand:number()
  end
  return math.max(wait, retry_after or 0)
end

--- The seconds a reply's `Retry-After` asks for; nil when it has none, or a date.
---@param reply backoff.Reply
---@return number? seconds
function backoff.retry_after(reply)
  local value = reply.headers and reply.headers["retry-after"]
  local digits = value and value:match "^%s*(%d+)%s*$"
  return digits and tonumber(digits) or nil
end

--- Whether trying again may help: no reply, too many requests, or trouble on the other side.
---@param reply backoff.Reply
---@return boolean
function backoff.may_help(reply)
  local status = reply.status or 0
  if status == 0 then return reply.error ~= nil end
  return status == 429 or status == 500 or (status >= 502 and status <= 504)
end

--- Calls `attempt` until trying again cannot help or the attempts are used up.
---@generic T: backoff.Reply
---@param rand loadrun.Rand usually `vu.rand`
---@param attempt fun(number: integer): T given the attempt's number, from 1
---@param may_help? fun(reply: T): boolean `backoff.may_help` when not given
---@return T reply the last one
---@return integer attempts how many were made
function Policy:call(rand, attempt, may_help)
  local again = may_help or backoff.may_help
  local number = 1
  while true do
    local reply = attempt(number)
    if reply == nil then
      error(
        "backoff: call: expected a reply as of loadrun.http, got nil; what returns `value, err` is for `try`",
        2
      )
    end
    if not again(reply) then return reply, number end
    local wait = self:delay(number, rand, backoff.retry_after(reply))
    if not wait then return reply, number end
    time.sleep(wait)
    number = number + 1
  end
end

--- Kinds of failure of Redis and SQL after which nothing was done, and the same may succeed.
local AGAIN <const> = { busy = true, deadlock = true, loading = true, serialization = true }

--- Whether trying again may help where a call of Redis or SQL, or a transaction, has failed: somebody
--- else was first, or the server is not ready. Of what may have been done all the same, such as after a
--- timeout, it is not said.
---@param failure loadrun.Failure
---@return boolean
function backoff.may_succeed(failure) return AGAIN[failure.kind] == true end

--- The same for what returns a value, or nil and a failure, as calls of Redis and SQL do.
---@generic T
---@param rand loadrun.Rand usually `vu.rand`
---@param attempt fun(number: integer): T?, loadrun.Failure? given the attempt's number, from 1
---@param may_help? fun(failure: loadrun.Failure): boolean by default for deadlock, serialization, busy and loading
---@return T? value of the last one
---@return loadrun.Failure? err
---@return integer attempts how many were made
function Policy:try(rand, attempt, may_help)
  local again = may_help or backoff.may_succeed
  local number = 1
  while true do
    local value, err = attempt(number)
    if not err or not again(err) then return value, err, number end
    local wait = self:delay(number, rand)
    if not wait then return value, err, number end
    time.sleep(wait)
    number = number + 1
  end
end

---@param wrong boolean
---@param what string
local function refuse(wrong, what)
  if wrong then error("backoff.new: " .. what, 3) end
end

--- A way to try again.
---@param given? backoff.Options
---@return backoff.Policy
function backoff.new(given)
  local names = { "attempts", "base", "cap", "factor", "jitter" }
  local wanted, wrong = options.known(given, names)
  if wrong then error("backoff.new: " .. wrong, 2) end
  local policy = {
    base = time.seconds(wanted.base or "100ms"),
    cap = time.seconds(wanted.cap or "10s"),
    factor = wanted.factor or 2,
    attempts = wanted.attempts or 5,
    jitter = wanted.jitter or "full",
  }
  refuse(
    math.type(policy.attempts) ~= "integer" or policy.attempts < 1,
    "attempts: expected 1 or more"
  )
  refuse(type(policy.factor) ~= "number" or policy.factor < 1, "factor: expected 1 or more")
  local jitters = { full = true, equal = true, none = true }
  refuse(not jitters[policy.jitter], 'jitter: expected "full", "equal" or "none"')
  return setmetatable(policy, Policy)
end

return backoff
