--- Twilio's incoming-message webhooks, as its servers send them: the form and its signature.
---
---     local message = twilio.message(vu.rand, { Body = "hello" })
---     api:post("/webhook", twilio.webhook { url = url, token = token, message = message })
---
--- The signature is the one of Twilio's security notes: HMAC-SHA1 of the full URL followed by
--- every parameter's name and value, sorted by name, keyed with the auth token, in base64.

local crypto = require "loadrun.crypto"

local twilio = {}

--- The parameters of a message by Twilio's names; all values are strings.
---@alias twilio.Message table<string, string>

--- A webhook to make.
---@class twilio.Webhook
---@field url string the full URL as the receiver knows it, with its query
---@field token string the auth token of the account
---@field message? twilio.Message its parameters; made with `rand` when not given
---@field rand? loadrun.Rand for a new message, usually `vu.rand`
---@field name? string the name of the sample

--- The options of a POST that delivers a message.
---@class twilio.Delivery: loadrun.http.CallOptions
---@field form twilio.Message
---@field headers table<string, string>
---@field name? string

local HEX = "0123456789abcdef"

--- The account of every message that does not say otherwise.
local ACCOUNT = "ACb0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0"

local PLACES = {
  { "BROOKLYN", "NY", "11201" },
  { "OAKLAND", "CA", "94607" },
  { "AUSTIN", "TX", "78701" },
  { "SEATTLE", "WA", "98101" },
}

local TEXTS = {
  "Yes",
  "STOP",
  "Please call me back",
  "Is my order on its way? It was due yesterday & nobody answers.",
  "Thanks 👍",
  "C'est noté, à demain",
}

--- A number of the range kept free for fiction.
---@param rand loadrun.Rand
---@return string
local function phone(rand)
  return ("+1%d55501%02d"):format(rand:integer(201, 989), rand:integer(0, 99))
end

--- How many messages of a network the text takes: 160 characters in one, 153 in each of several;
--- 70 and 67 when there is a character beyond ASCII.
---@param text string
---@return integer
local function segments(text)
  local length = utf8.len(text) or #text
  local one, several = 160, 153
  if text:find "[\x80-\xff]" then
    one, several = 70, 67
  end
  if length <= one then return 1 end
  return math.ceil(length / several)
end

--- The parameters of an incoming message, with an id of its own.
---@param rand loadrun.Rand usually `vu.rand`
---@param overrides? table<string, string | number> parameters that are given or added
---@return twilio.Message
function twilio.message(rand, overrides)
  local sid = "SM" .. rand:string(32, HEX)
  local from, to = rand:choice(PLACES), rand:choice(PLACES)
  local given = {} ---@type twilio.Message
  for name, value in pairs(overrides or {}) do
    given[name] = tostring(value)
  end
  sid = given.MessageSid or sid
  local message = {
    MessageSid = sid,
    SmsSid = sid,
    SmsMessageSid = sid,
    AccountSid = ACCOUNT,
    From = phone(rand),
    FromCity = from[1],
    FromState = from[2],
    FromZip = from[3],
    FromCountry = "US",
    To = phone(rand),
    ToCity = to[1],
    ToState = to[2],
    ToZip = to[3],
    ToCountry = "US",
    Body = rand:choice(TEXTS),
    NumMedia = "0",
    SmsStatus = "received",
    ApiVersion = "2010-04-01",
  }
  for name, value in pairs(given) do
    message[name] = value
  end
  message.NumSegments = given.NumSegments or tostring(segments(message.Body))
  return message
end

--- The value of `X-Twilio-Signature` for a POST of these parameters.
---@param token string the auth token of the account
---@param url string the full URL as the receiver knows it, with its query
---@param params? twilio.Message
---@return string
function twilio.sign(token, url, params)
  local names = {}
  for name in pairs(params or {}) do
    names[#names + 1] = name
  end
  table.sort(names)
  local signed = { url }
  for _, name in ipairs(names) do
    signed[#signed + 1] = name
    signed[#signed + 1] = params and params[name]
  end
  return crypto.hmac("sha1", token, table.concat(signed), "base64")
end

--- The options for `client:post` that deliver a message with its signature.
---@param hook twilio.Webhook
---@return twilio.Delivery
function twilio.webhook(hook)
  local message = hook.message
  if not message then
    local rand = hook.rand or error("twilio.webhook: expected `message`, or `rand` to make one", 2)
    message = twilio.message(rand)
  end
  return {
    form = message,
    headers = {
      ["X-Twilio-Signature"] = twilio.sign(hook.token, hook.url, message),
      ["User-Agent"] = "TwilioProxy/1.1",
    },
    name = hook.name,
  }
end

return twilio
