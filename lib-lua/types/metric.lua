---@meta loadrun.metric

--- What the values of a metric are; `"number"` when nothing is given. Times are given as
--- durations, sizes as numbers of bytes or text such as `"4MiB"`.
---@class loadrun.metric.Options
---@field unit? "time" | "bytes" | "number"

--- More tags than those of the scenario.
---@alias loadrun.Tags table<string, string | number | boolean>

--- A sum that only grows.
---@class loadrun.metric.Counter
local Counter = {}

--- Adds to the sum.
---@param amount? number | string 1 when nothing is given
---@param tags? loadrun.Tags
function Counter:add(amount, tags) end

--- A value that is what it was last set to.
---@class loadrun.metric.Gauge
local Gauge = {}

--- Sets the value.
---@param value number | string
---@param tags? loadrun.Tags
function Gauge:set(value, tags) end

--- How often something was so, of all times.
---@class loadrun.metric.Rate
local Rate = {}

--- Counts one more time.
---@param hit boolean whether it was so
---@param tags? loadrun.Tags
function Rate:hit(hit, tags) end

--- A distribution of values.
---@class loadrun.metric.Trend
local Trend = {}

--- Records one value, 0 or more.
---@param value number | string
---@param tags? loadrun.Tags
function Trend:record(value, tags) end

--- What a script measures by itself. Declared at file scope, judged by thresholds like any other.
---@class loadrun.metric
local metric = {}

--- A sum that only grows.
---@param name string such as `orders.placed`
---@param options? loadrun.metric.Options
---@return loadrun.metric.Counter
function metric.counter(name, options) end

--- A value that is what it was last set to.
---@param name string such as `queue.depth`
---@param options? loadrun.metric.Options
---@return loadrun.metric.Gauge
function metric.gauge(name, options) end

--- How often something was so, of all times.
---@param name string such as `cache.hit`
---@return loadrun.metric.Rate
function metric.rate(name) end

--- A distribution of values.
---@param name string such as `order.items`
---@param options? loadrun.metric.Options
---@return loadrun.metric.Trend
function metric.trend(name, options) end

return metric
