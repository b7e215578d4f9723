local assert = require "./assert"
local twilio = require "twilio"

---@type table<string, fun(vu: loadrun.Vu)>
return {
  ["a signature is the one of Twilio's own example"] = function()
    local params = {
      CallSid = "CA1234567890ABCDE",
      Caller = "+14158675309",
      Digits = "1234",
      From = "+14158675309",
      To = "+18005551212",
    }
    local url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert.equal(twilio.sign("12345", url, params), "RSOYDt4T1cUTdK1PDd93/VVr8B8=")
  end,

  ["a signature changes with the token, the url and every parameter"] = function()
    local signed = twilio.sign("token", "http://a/", { Body = "x" })
    assert.truthy(signed ~= twilio.sign("other", "http://a/", { Body = "x" }))
    assert.truthy(signed ~= twilio.sign("token", "http://b/", { Body = "x" }))
    assert.truthy(signed ~= twilio.sign("token", "http://a/", { Body = "y" }))
    assert.truthy(signed ~= twilio.sign("token", "http://a/", { Body = "x", To = "" }))
  end,

  ["a message has an id of its own and what Twilio sends with it"] = function(vu)
    local one, two = twilio.message(vu.rand), twilio.message(vu.rand)
    assert.truthy(one.MessageSid:match "^SM%x+$" and #one.MessageSid == 34, one.MessageSid)
    assert.truthy(one.MessageSid ~= two.MessageSid)
    assert.equal(one.SmsSid, one.MessageSid)
    assert.truthy(one.AccountSid:match "^AC%x+$" and #one.AccountSid == 34)
    assert.truthy(one.From:match "^%+1%d%d%d55501%d%d$", one.From)
    assert.truthy(#one.Body > 0)
    assert.equal(one.NumMedia, "0")
    assert.equal(one.ApiVersion, "2010-04-01")
  end,

  ["what is overridden is sent as text, and the ids follow"] = function(vu)
    local message = twilio.message(vu.rand, { MessageSid = "SM1", NumMedia = 2, Extra = "yes" })
    assert.equal({ message.SmsSid, message.NumMedia, message.Extra }, { "SM1", "2", "yes" })
  end,

  ["long texts and texts beyond ASCII take more segments"] = function(vu)
    ---@param body string
    ---@return string
    local function segments(body) return twilio.message(vu.rand, { Body = body }).NumSegments end
    assert.equal(segments(("a"):rep(160)), "1")
    assert.equal(segments(("a"):rep(161)), "2")
    assert.equal(segments(("é"):rep(70)), "1")
    assert.equal(segments(("é"):rep(135)), "3")
  end,

  ["a webhook carries the message and its signature"] = function(vu)
    local message = twilio.message(vu.rand)
    local hook = { url = "http://a/webhook", token = "t", message = message, name = "webhook" }
    local delivery = twilio.webhook(hook)
    assert.equal(delivery.form, message)
    assert.equal(delivery.name, "webhook")
    local signature = twilio.sign("t", "http://a/webhook", message)
    assert.equal(delivery.headers["X-Twilio-Signature"], signature)
  end,

  ["a webhook without a message makes one, and needs randomness for it"] = function(vu)
    local delivery = twilio.webhook { url = "http://a/", token = "t", rand = vu.rand }
    assert.truthy(delivery.form.MessageSid:match "^SM%x+$")
    assert.raises("expected `message`", function() twilio.webhook { url = "", token = "t" } end)
  end,
}
