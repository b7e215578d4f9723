---@meta

--- A time: a string with units (`"250ms"`, `"1m30s"`), or a number of seconds.
---@alias loadrun.Duration string | number

--- One user of a scenario, and the place for its own state: any further field may be set.
---@class loadrun.Vu
---@field id integer the user's number in its scenario, from 1
---@field iteration integer the iteration's number, from 1
---@field scenario string the scenario's name
---@field setup any what the script's `setup` returned
---@field rand loadrun.Rand random values that follow from the run's seed, the user and the iteration
---@field [string] any
local Vu = {}

--- What this user was given in this iteration came from a substitute, such as a cache in the place
--- of a database that is down: the calls made in it so far count as degraded, whether they failed
--- or not. Only matters where something is broken.
function Vu:degraded() end

--- A part of a curve: `to` with `over`, or `hold`, or `jump` with or without `hold`, or `burst`.
---@class loadrun.Step
---@field to? loadrun.Rate the value reached, in a straight line
---@field over? loadrun.Duration the time in which it is reached
---@field hold? loadrun.Duration stay at this value for this long
---@field jump? loadrun.Rate the value from now on
---@field burst? integer this many arrivals at one instant; only for `rate`

--- A number a second, or text such as `"30/m"`.
---@alias loadrun.Rate number | string

--- A constant value, or a curve of steps that begins at 0.
---@alias loadrun.Curve number | loadrun.Step[]

--- One load: exactly one of `users`, `rate` and `iterations`, and one of `run` and `weights`.
---@class loadrun.Scenario
---@field run? fun(vu: loadrun.Vu) one iteration
---@field weights? { [1]: number, [2]: fun(vu: loadrun.Vu) }[] a mix of iterations by weight, in place of `run`
---@field init? fun(vu: loadrun.Vu) called once for each user, not measured
---@field users? loadrun.Curve so many users, each beginning anew when it has finished
---@field rate? loadrun.Rate | loadrun.Step[] so many iterations begin each second, whatever the target does
---@field iterations? loadrun.Curve so many iterations in all
---@field duration? loadrun.Duration how long; needed for a constant, a curve has its own
---@field start? loadrun.Duration | { after: string } when it begins; at once when nothing is given
---@field max_users? integer users at once at most; for `iterations` 1, for `rate` 10,000 when nothing is given
---@field graceful_stop? loadrun.Duration time for running iterations to end; 30 s when nothing is given
---@field arrivals? "even" | "poisson" how arrivals of a `rate` are spaced
---@field tags? table<string, string> tags of everything the scenario records

--- How a call failed, where calls return `value, err`. As text it is both: `oom: OOM command not ...`.
---@class loadrun.Failure
---@field kind string one word; `redis.failed{kind=...}` counts it
---@field detail string what happened, in plain words
---@operator concat(string): string

--- How it is judged what faults did. What is normal is learnt before the first of them, where it
--- is not said.
---@class loadrun.Recovery
---@field warm_up? loadrun.Duration so much at the begin of the run is not held to be normal
---@field success? number | string the smallest share of calls served that is normal, `"99%"`
---@field p99? loadrun.Duration the largest p99 that is normal
---@field promise? number | string the share of calls promised to be served, for the error budget; `"99.9%"` when nothing is given
---@field period? loadrun.Duration the time in which it is promised; 30 days when nothing is given

--- A process of this machine: `process.cpu{process=NAME}` and `process.memory{process=NAME}` tell of it.
---@class loadrun.Watch
---@field name string what it is called in the results
---@field pid integer its number; all that it started belongs to it

--- What a script returns.
---@class loadrun.Script
---@field scenarios table<string, loadrun.Scenario>
---@field thresholds? string[] `METRIC{tag=value} AGGREGATE OP VALUE [over 10s][, goal OP VALUE][, critical][, abort]`
---@field profiles? table<string, table<string, string | number | boolean>> parameters set together: `--profile NAME`
---@field faults? loadrun.Fault[] what is broken, when, and for how long
---@field recovery? loadrun.Recovery how it is judged what that did
---@field watch? loadrun.Watch|loadrun.Watch[] processes of this machine that are looked at during the run
---@field setup? fun(): any called once before the load; its plain data is `vu.setup`
---@field teardown? fun(data: any) called once after the load, with what `setup` returned
