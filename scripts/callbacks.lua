--- Webhooks into a service, and the callbacks it sends for them: does every message that was taken
--- come back, once, and how long does that take?
---
--- Shows: `listen.http`, a ledger with a limit on landings (`late`), and thresholds on what it found.
---
--- needs: nothing; without `url` it starts the practice target. A service of your own takes Twilio's
---        webhooks at POST /webhook, and sends a form with `MessageSid` to the address that is logged
---        in the beginning.
--- run:   loadrun scripts/callbacks.lua -p url=http://127.0.0.1:8080 -p token=SECRET
local http = require "loadrun.http"
local ledger = require "loadrun.ledger"
local listen = require "loadrun.listen"
local log = require "loadrun.log"
local param = require "loadrun.param"
local sandbox = require "loadrun.sandbox"
local time = require "loadrun.time"
local twilio = require "twilio"

local url = param("url", "", "address of the service; empty starts the practice target")
local token = param("token", "practice-token", "key of the signatures", { secret = true })
local rate = param("rate", 50, "webhooks a second")

local book = ledger.new("callbacks", { late = "2s" })

local hooks = listen.http {
  name = "callbacks",
  run = function(request)
    if not request.form then return 400 end
    book:seen(request.form.MessageSid)
    return 204
  end,
}

local target = url == "" and sandbox.start { token = token, callback = hooks } or nil
local service = http.client { base = target or url, timeout = "10s" }

---@param vu loadrun.Vu
local function deliver(vu)
  local message = twilio.message(vu.rand, { Body = "message " .. vu.iteration })
  local sid = message.MessageSid
  book:expect(sid)
  local address = (target and target.url or url) .. "/webhook"
  local reply = service:post(
    "/webhook",
    twilio.webhook { url = address, token = token, message = message, name = "webhook" }
  )
  if not reply.error then
    book:acked(sid)
  elseif reply.error == "status" and reply.status < 500 then
    book:refused(sid)
  else
    book:indeterminate(sid)
  end
end

---@type loadrun.Script
return {
  setup = function() log.info("callbacks are expected at " .. hooks.url) end,

  scenarios = { webhooks = { rate = rate, duration = "10s", run = deliver } },

  -- The last callbacks are still under way when the load ends.
  teardown = function()
    for _ = 1, 50 do
      if book:balance().lost == 0 then return end
      time.sleep "100ms"
    end
  end,

  thresholds = {
    "http.failed{name=webhook} < 1%",
    "ledger.lost{ledger=callbacks} count == 0",
    "ledger.late{ledger=callbacks} count == 0",
    "ledger.landing{ledger=callbacks} p95 < 1s, goal < 100ms",
  },
}
