---@meta loadrun.crypto

--- How the bytes of a digest are written. The default is `"hex"`, in lower case.
---@alias loadrun.crypto.Encoding "hex" | "base64" | "base64url" | "raw"

--- Digests, keyed digests, base64 and hex.
---@class loadrun.crypto
local crypto = {}

--- The SHA-1 digest of `data`.
---@param data string
---@param encoding? loadrun.crypto.Encoding
---@return string digest
function crypto.sha1(data, encoding) end

--- The SHA-256 digest of `data`.
---@param data string
---@param encoding? loadrun.crypto.Encoding
---@return string digest
function crypto.sha256(data, encoding) end

--- The keyed digest (HMAC, RFC 2104) of `data`.
---@param algorithm "sha1" | "sha256"
---@param key string
---@param data string
---@param encoding? loadrun.crypto.Encoding
---@return string digest
function crypto.hmac(algorithm, key, data, encoding) end

--- Base64 with padding.
---@param data string
---@return string text
function crypto.base64_encode(data) end

--- The bytes of base64 text, padded or not. Raises when the text is not base64.
---@param text string
---@return string data
function crypto.base64_decode(text) end

--- Url-safe base64 (`-` and `_`) without padding.
---@param data string
---@return string text
function crypto.base64url_encode(data) end

--- The bytes of url-safe base64 text, padded or not. Raises when the text is not base64.
---@param text string
---@return string data
function crypto.base64url_decode(text) end

--- Lower-case hex.
---@param data string
---@return string text
function crypto.hex_encode(data) end

--- The bytes of hex text in any letter case. Raises when the text is not hex.
---@param text string
---@return string data
function crypto.hex_decode(text) end

return crypto
