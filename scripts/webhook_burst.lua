--- Webhooks at a steady rate, a burst of 100 at one instant, then the steady rate again. Does the
--- service answer in time, and has it kept every message it said it took?
---
--- Shows: an open load (`rate`) with a `burst`, signed requests, and a ledger that is held against
--- what the service stored.
---
--- needs: nothing; without `url` it starts the practice target. A service of your own takes
---        Twilio's webhooks at POST /webhook and lists what it stored at GET /messages?since=CURSOR
---        as { messages = { { sid }, ... }, next = CURSOR }. If it keeps messages from run to run,
---        give each run its own --seed: the seed makes the message ids.
--- run:   loadrun scripts/webhook_burst.lua -p url=http://127.0.0.1:8080 -p token=SECRET
local http = require "loadrun.http"
local ledger = require "loadrun.ledger"
local log = require "loadrun.log"
local param = require "loadrun.param"
local sandbox = require "loadrun.sandbox"
local twilio = require "twilio"

local url = param("url", "", "address of the service; empty starts the practice target")
local token = param("token", "practice-token", "key of the signatures", { secret = true })

local target = url == "" and sandbox.start { token = token } or nil
local service = http.client { base = target or url, timeout = "10s" }

-- One book for the whole run: what was sent, what was answered, and at the end what was found.
local messages = ledger.new "messages"

--- One webhook. Its id goes into the ledger before it is sent: whatever happens then, it counts.
---@param vu loadrun.Vu
local function deliver(vu)
  local message = twilio.message(vu.rand, { Body = "message " .. vu.iteration })
  local sid = message.MessageSid
  messages:expect(sid)

  -- The signature covers the full address, so it has to be the one the service sees.
  local address = (target and target.url or url) .. "/webhook"
  local reply = service:post(
    "/webhook",
    twilio.webhook { url = address, token = token, message = message, name = "webhook" }
  )

  if not reply.error then
    messages:acked(sid)
  elseif reply.error == "status" and reply.status < 500 then
    messages:refused(sid)
  else
    -- No answer, or a broken one: it may have been stored all the same.
    messages:indeterminate(sid)
  end
end

--- Reads everything stored after a cursor, page by page, and returns the cursor at the end.
---@param since integer
---@param visit fun(sid: string)
---@return integer
local function read_stored(since, visit)
  while true do
    local reply = service:get("/messages", { query = { since = since } })
    if reply.error then error("GET /messages failed: " .. reply.error) end
    local page = reply.json
    if #page.messages == 0 then return since end
    for _, message in ipairs(page.messages) do
      visit(message.sid)
    end
    since = page.next
  end
end

---@type loadrun.Script
return {
  -- What an earlier run left there is not ours.
  setup = function()
    return read_stored(0, function() end)
  end,

  scenarios = {
    webhooks = {
      run = deliver,
      rate = { { jump = 20, hold = "10s" }, { burst = 100 }, { hold = "10s" } },
    },
  },

  teardown = function(since)
    read_stored(since, function(sid) messages:seen(sid) end)
    local found = messages:balance()
    local line = "%d sent, %d acknowledged, %d stored"
    log.info(line:format(found.expected, found.acked, found.landed))
  end,

  thresholds = {
    -- Success of at least 99 %.
    "http.failed{name=webhook} rate <= 1%",
    -- From the moment a webhook was due, not from the moment it was sent.
    "iteration.response{scenario=webhooks} p95 <= 2s, goal <= 500ms",
    "ledger.lost{ledger=messages} count == 0",
    "ledger.duplicated{ledger=messages} count == 0",
  },
}
