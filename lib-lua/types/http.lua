---@meta loadrun.http

--- Why a call failed.
---@alias loadrun.http.Failure "dns" | "refused" | "timeout" | "tls" | "reset" | "protocol" | "status" | "too_large"

--- Which statuses are a success: one, a class, or a list of both.
---@alias loadrun.http.Expect integer | string | (integer | string)[]

--- Credentials sent as `Authorization`: basic or bearer.
---@alias loadrun.http.Auth { user: string, password: string } | { bearer: string }

--- Names with values; a list of values sends the name several times.
---@alias loadrun.http.Pairs table<string, string | number | boolean | (string | number | boolean)[]>

--- A file in a multipart form.
---@class loadrun.http.File
---@field content string
---@field filename? string the name of the part when not given
---@field type? string its content type; `application/octet-stream` when not given

--- What one call may be given; `body`, `json`, `form` and `multipart` exclude one another.
---@class loadrun.http.CallOptions
---@field name? string what the sample is called; method and path, ids replaced by `{id}`, when not given
---@field tags? table<string, string | number | boolean> more tags of the sample
---@field query? loadrun.http.Pairs appended to the path, escaped
---@field headers? loadrun.http.Pairs
---@field body? string bytes as they are
---@field json? any sent as JSON
---@field form? loadrun.http.Pairs sent as a form, sorted by name
---@field multipart? table<string, string | number | boolean | loadrun.http.File> sent as `multipart/form-data`
---@field auth? loadrun.http.Auth
---@field timeout? loadrun.Duration for the whole call, redirects included
---@field redirects? integer followed at most, 0 to 10
---@field expect? loadrun.http.Expect statuses that are a success; below 400 when not given

--- What a client is given once.
---@class loadrun.http.ClientOptions
---@field base? string | loadrun.Service | loadrun.Sandbox what paths are relative to: a URL, or a service of the run
---@field headers? loadrun.http.Pairs sent with every request that does not set the same name
---@field auth? loadrun.http.Auth
---@field timeout? loadrun.Duration for a whole call; 30 s when not given
---@field connect_timeout? loadrun.Duration for resolving, connecting and TLS together; 10 s when not given
---@field connections? "user" | "new" | "shared" one kept alive for each user (the default), one for each call, or `size` for all
---@field size? integer connections shared by all users, at least one a worker; 20 when not given
---@field redirects? integer followed at most, 0 to 10; 10 when not given
---@field cookies? boolean whether each user keeps its cookies; true when not given
---@field decompress? boolean whether compressed bodies are asked for and unpacked; true when not given
---@field body_limit? integer | string bytes, or text such as `"4MiB"`; 16 MiB when not given
---@field expect? loadrun.http.Expect statuses that are a success; below 400 when not given
---@field version? "auto" | "1.1" | "2" HTTP/2 by negotiation (the default), never, or at once
---@field ca? string a file of trusted certificates (PEM) beside the script, besides the system's
---@field cert? string a file with the client's certificate (PEM); goes with `key`
---@field key? string a file with its private key (PEM)
---@field insecure? boolean accept any certificate

--- Where the time of a call went, in seconds.
---@class loadrun.http.Timing
---@field blocked number waiting for a connection
---@field dns number resolving the name
---@field connect number connecting
---@field tls number the TLS handshake
---@field send number sending the request
---@field wait number until the first byte of the reply
---@field receive number until the last byte

--- What came of a call. A failure is a value, not an error: look at `ok`, `status` or `error`.
---@class loadrun.http.Reply
---@field status integer 0 when there was no reply
---@field ok boolean whether the call was a success
---@field error? loadrun.http.Failure why it was not
---@field detail? string more about the failure
---@field headers table<string, string?> by name in any letter case
---@field body string
---@field json any the decoded body; raises when it is not JSON
---@field duration number seconds in all
---@field timing loadrun.http.Timing
---@field redirects integer how many were followed
---@field protocol string the version of HTTP spoken

--- Sends requests by one set of options, each user on its own connections.
---@class loadrun.http.Client
local Client = {}

--- Sends a DELETE.
---@param path string relative to `base`, or a whole URL
---@param options? loadrun.http.CallOptions
---@return loadrun.http.Reply
function Client:delete(path, options) end

--- Sends a GET.
---@param path string relative to `base`, or a whole URL
---@param options? loadrun.http.CallOptions
---@return loadrun.http.Reply
function Client:get(path, options) end

--- Sends a HEAD.
---@param path string relative to `base`, or a whole URL
---@param options? loadrun.http.CallOptions
---@return loadrun.http.Reply
function Client:head(path, options) end

--- Sends an OPTIONS.
---@param path string relative to `base`, or a whole URL
---@param options? loadrun.http.CallOptions
---@return loadrun.http.Reply
function Client:options(path, options) end

--- Sends a PATCH.
---@param path string relative to `base`, or a whole URL
---@param options? loadrun.http.CallOptions
---@return loadrun.http.Reply
function Client:patch(path, options) end

--- Sends a POST.
---@param path string relative to `base`, or a whole URL
---@param options? loadrun.http.CallOptions
---@return loadrun.http.Reply
function Client:post(path, options) end

--- Sends a PUT.
---@param path string relative to `base`, or a whole URL
---@param options? loadrun.http.CallOptions
---@return loadrun.http.Reply
function Client:put(path, options) end

--- Sends a request of any method.
---@param method string
---@param path string relative to `base`, or a whole URL
---@param options? loadrun.http.CallOptions
---@return loadrun.http.Reply
function Client:request(method, path, options) end

--- HTTP: every call is measured, and waits without holding up other users.
---@class loadrun.http
local http = {}

--- A client of its own options. Declared at file scope.
---@param options? loadrun.http.ClientOptions
---@return loadrun.http.Client
function http.client(options) end

--- Sends a DELETE.
---@param url string
---@param options? loadrun.http.CallOptions
---@return loadrun.http.Reply
function http.delete(url, options) end

--- Sends a GET.
---@param url string
---@param options? loadrun.http.CallOptions
---@return loadrun.http.Reply
function http.get(url, options) end

--- Sends a HEAD.
---@param url string
---@param options? loadrun.http.CallOptions
---@return loadrun.http.Reply
function http.head(url, options) end

--- Sends an OPTIONS.
---@param url string
---@param options? loadrun.http.CallOptions
---@return loadrun.http.Reply
function http.options(url, options) end

--- Sends a PATCH.
---@param url string
---@param options? loadrun.http.CallOptions
---@return loadrun.http.Reply
function http.patch(url, options) end

--- Sends a POST.
---@param url string
---@param options? loadrun.http.CallOptions
---@return loadrun.http.Reply
function http.post(url, options) end

--- Sends a PUT.
---@param url string
---@param options? loadrun.http.CallOptions
---@return loadrun.http.Reply
function http.put(url, options) end

--- Sends a request of any method.
---@param method string
---@param url string
---@param options? loadrun.http.CallOptions
---@return loadrun.http.Reply
function http.request(method, url, options) end

return http
