---@meta loadrun.rand

--- A seeded generator of random values. A seed gives the same values on every machine.
---@class loadrun.Rand
local Rand = {}

--- A whole number from `low` to `high`, both included.
---@param low integer
---@param high integer
---@return integer
function Rand:integer(low, high) end

--- A number from 0 up to 1, or from `low` up to `high`; the upper end is not included.
---@param low? number
---@param high? number
---@return number
function Rand:number(low, high) end

--- One item of a list, all equally likely.
---@generic T
---@param list T[]
---@return T
function Rand:choice(list) end

--- One value of a list of `{ weight, value }`, by weight.
---@param list { [1]: number, [2]: any }[]
---@return any
function Rand:weighted(list) end

--- A rank from 1 to `n` by Zipf's law: rank k has a weight of 1/k^s. `s = 0` is flat, 1 is classic.
---@param n integer
---@param s number
---@return integer
function Rand:zipf(n, s) end

--- A normally distributed number.
---@param mean number
---@param deviation number the standard deviation, 0 or more
---@return number
function Rand:normal(mean, deviation) end

--- An exponentially distributed number: the time between events that happen at random.
---@param mean number 0 or more
---@return number
function Rand:exponential(mean) end

--- A string of `length` random characters of the alphabet.
---@param length integer
---@param alphabet? string letters and digits when nothing is given
---@return string
function Rand:string(length, alphabet) end

--- A random UUID (version 4).
---@return string
function Rand:uuid() end

--- Seeded random values. Users have a generator of their own in `vu.rand`.
---@class loadrun.rand
local rand = {}

--- A generator whose whole sequence follows from the seed.
---@param seed integer
---@return loadrun.Rand
function rand.new(seed) end

return rand
