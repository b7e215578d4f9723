---@meta loadrun.ledger

--- What became of the ids of a ledger. Numbers are of distinct ids unless said otherwise.
---@class loadrun.ledger.Balance
---@field expected integer sent, or about to be
---@field acked integer answered with yes
---@field refused integer answered with no
---@field landed integer seen at least once
---@field landed_once integer seen exactly once
---@field duplicated integer landings beyond the first of their id
---@field late integer landed later than the ledger allows, those included that may have been in time
---@field perhaps_late integer those of the late that may have been in time, by what is known of when they were sent
---@field lost integer acked and never seen: accepted but not stored
---@field refused_but_landed integer refused and nevertheless seen
---@field unconfirmed_landed integer seen though no answer said so
---@field unconfirmed integer neither answered nor seen
---@field unexpected integer seen and never expected
---@field lost_sample string[] the lost that were acked first, at most 10
---@field lost_between? [number, number] when the first and the last of the lost were acked, in seconds since the run began; nil when nothing was lost
---@field slowest_landing? number longest time in seconds from being sent until the id was first seen; nil when none was seen
---@field resolution? number seconds a landing may really have taken less, or losses lie closer together; nil when all times are exact to the millisecond

--- What was sent, what was answered and what was found stored; one for all workers.
---@class loadrun.Ledger
local Ledger = {}

--- The id is about to be sent.
---@param id string | integer
function Ledger:expect(id) end

--- The target said yes.
---@param id string | integer
function Ledger:acked(id) end

--- The target said no: it is not to land.
---@param id string | integer
function Ledger:refused(id) end

--- There was no answer: it may or may not land.
---@param id string | integer
function Ledger:indeterminate(id) end

--- The id was found stored, once more.
---@param id string | integer
function Ledger:seen(id) end

--- What became of all ids so far.
---@return loadrun.ledger.Balance
function Ledger:balance() end

--- Ledgers, known by name. What they find are the metrics `ledger.lost`, `ledger.late`,
--- `ledger.refused`, `ledger.duplicated` and `ledger.landing`, with the name as tag `ledger`.
---@class loadrun.ledger
local ledger = {}

--- The ledger of this name.
---@param name string
---@param options? { late: loadrun.Duration } what an id may take to land; no limit when nothing is given
---@return loadrun.Ledger
function ledger.new(name, options) end

return ledger
