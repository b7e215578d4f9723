--- A constant cadence for each user: one iteration a second, however long it takes.
---
---     local pace = pacing.every "1s"
---     local function run(vu)
---       pace:wait(vu)     -- at the start of the iteration
---       ...
---     end
---
--- A user's turns are at fixed times after its first one, so small delays do not add up. A turn
--- that was missed because an iteration took too long is left out, not made up for: the next one
--- begins at once and the cadence goes on from there.

local time = require "loadrun.time"

local pacing = {}

--- A cadence, for any number of users.
---@class pacing.Pace
---@field interval number seconds from one turn to the next
---@field private due table<loadrun.Vu, number> when each user's next turn is
local Pace = {}
Pace.__index = Pace

--- Waits for the user's next turn; the first is at once.
---@param vu loadrun.Vu
---@return number late seconds by which the turn was missed, 0 when it was not
function Pace:wait(vu)
  local now = time.now()
  local due = self.due[vu] or now
  local late = math.max(0, now - due)
  if due > now then time.sleep(due - now) end
  self.due[vu] = math.max(due, now) + self.interval
  return late
end

--- A cadence of one turn every `interval`.
---@param interval loadrun.Duration
---@return pacing.Pace
function pacing.every(interval)
  local seconds = time.seconds(interval)
  if seconds <= 0 then error("pacing.every: expected a time above 0", 2) end
  return setmetatable({ interval = seconds, due = setmetatable({}, { __mode = "k" }) }, Pace)
end

return pacing
