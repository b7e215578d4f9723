---@meta loadrun.recovery

--- What is waited for, and how long. Without `fault` and `on`: all that was broken last.
---@class loadrun.recovery.Options
---@field within loadrun.Duration how long it is waited at most, from the call on
---@field fault? string | loadrun.fault.Standing a fault by its name, also one that is still to come, or what `fault.start` gave
---@field on? loadrun.fault.Subject | loadrun.fault.Subject[] what was broken last on this

--- What a fault did, as far as it is known. Times in seconds; what was not seen is nil.
---@class loadrun.recovery.Recovery
---@field fault string its name
---@field recovered boolean whether calls are good again, or stayed so
---@field verdict "recovered" | "tolerated" | "recovered_then_relapsed" | "not_recovered" | "metastable" | "no_effect" | "unclean" | "no_baseline" | "generator_limited" | "still_broken" | "undecided" the report's verdict; `still_broken`: it has not ended, or not begun; `undecided`: nothing was felt, but too few calls have ended since
---@field time? number from its end until calls were good again; 0 where they stayed good
---@field detect? number from its begin until it showed in the calls
---@field onset? number from its begin to the first bad window
---@field outage? number from there until calls were good again
---@field settle? number from its end to the end of the last bad window
---@field relapses? integer times calls went bad again
---@field success? number share of the calls that were served while it stood
---@field lost? number calls that served nobody, from the first bad window to the last
---@field budget? number share of the error budget that was used up
---@field resolution? number how exact times are

--- That of the fault that fared worst, where there are several.
---@class loadrun.recovery.Answer: loadrun.recovery.Recovery
---@field waited number seconds it was waited
---@field faults loadrun.recovery.Recovery[] each fault that was waited for

--- Whether what was broken has recovered.
---@class loadrun.recovery
local recovery = {}

--- Waits until the run's own calls tell that what was broken has recovered, or until `within` is over,
--- which is an answer and no error. In the `run` of a scenario, beside the load by which it is judged.
--- Where nothing has been broken it is an error.
---@param options loadrun.recovery.Options
---@return loadrun.recovery.Answer
function recovery.await(options) end

--- Tells that a call was wanted and not made, so its user went without: it counts as refused. The
--- module `breaker` does so for each call it does not let through. Only matters where something is
--- broken; a `vu:degraded()` after it says that the user was given something else. Each call of it
--- counts: pace users who would ask again at once.
function recovery.unmade() end

return recovery
