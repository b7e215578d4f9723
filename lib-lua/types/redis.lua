---@meta loadrun.redis

--- What a command may be given: a string of any bytes, a number, or a list of them, whose items
--- stand in its place. A table without items at the end is the call's options.
---@alias loadrun.redis.Argument string | number | (string | number)[] | loadrun.redis.CallOptions

--- What one call may be given, as a table after its arguments.
---@class loadrun.redis.CallOptions
---@field name? string what the sample is called; the command when not given
---@field tags? table<string, string | number | boolean> more tags of the sample
---@field timeout? loadrun.Duration for the whole call

--- Commands that are sent together, each a list of its words, and the options of the call.
---@class loadrun.redis.Batch : loadrun.redis.CallOptions
---@field [integer] (string | number | (string | number)[])[]

--- A message of a stream: its id, and fields and values in turn.
---@alias loadrun.redis.Message [string, string[]]

--- A message of a channel.
---@class loadrun.redis.Published
---@field channel string the channel it was sent to
---@field text string what was sent
---@field pattern? string the pattern by which it was found
---@field received number when it came, on the clock of `time.now()`

--- What a client is given once.
---@class loadrun.redis.ClientOptions
---@field url? string | loadrun.Service `redis://user:password@host:port/database`, `rediss://...`, `unix:///path`, or a service of the run; `redis://127.0.0.1:6379` when not given
---@field user? string who we are; goes before the one in `url`
---@field password? string goes before the one in `url`, and is never shown
---@field database? integer its number; goes before the one in `url`
---@field timeout? loadrun.Duration for a whole call; 10 s when not given
---@field connect_timeout? loadrun.Duration for opening a connection; 5 s when not given
---@field connections? "user" | "shared" one kept open for each user (the default), or `size` for all
---@field size? integer connections shared by all users, at least one a worker; 20 when not given
---@field cluster? boolean whether the server is a node of a cluster: commands go to the node that has their first key
---@field sentinel? string the name under which the sentinel at `url` knows the master; `user`, `password` and `database` are then the master's
---@field protocol? 2 | 3 version of the protocol; 3 when not given, which servers before version 6 do not speak
---@field reply_limit? integer | string largest reply, in bytes or as text such as `"4MiB"`; 16 MiB when not given
---@field ca? string a file of trusted certificates (PEM) beside the script, in place of the system's
---@field cert? string a file with the client's certificate (PEM); goes with `key`
---@field key? string a file with its private key (PEM)
---@field insecure? boolean accept any certificate

--- Sends commands by one set of options. A call returns what the server replied, and a failure or
--- nil: `local value, err = client:get("a")`. A key that is not there is nil without a failure.
--- Replies come as what they are: strings of any bytes, 64-bit integers, numbers, booleans, lists,
--- and maps as tables by key; nil inside a list is `false`, so that the list keeps its length.
---@class loadrun.redis.Client
local Client = {}

--- Appends to a text; the value is its new length.
---@param key string | number
---@param value string | number
---@param options? loadrun.redis.CallOptions
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:append(key, value, options) end

--- Takes the first item of the first list that has one, waiting up to so many seconds: `{ key, item }`, nil when there was none. Its time limit must be longer than the wait.
---@param ... loadrun.redis.Argument keys, then the seconds to wait
---@return [string, string]? value
---@return loadrun.Failure? err why it failed
function Client:blpop(...) end

--- Takes the last item of the first list that has one, waiting up to so many seconds: `{ key, item }`, nil when there was none. Its time limit must be longer than the wait.
---@param ... loadrun.redis.Argument keys, then the seconds to wait
---@return [string, string]? value
---@return loadrun.Failure? err why it failed
function Client:brpop(...) end

--- Sends any command: `client:command("SET", key, value, "EX", 60)`.
---@param name string
---@param ... loadrun.redis.Argument arguments; the items of a list stand in its place
---@return any value
---@return loadrun.Failure? err why it failed
function Client:command(name, ...) end

--- How many keys the database has; on a cluster on all nodes together, but in a pipeline on one.
---@param options? loadrun.redis.CallOptions
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:dbsize(options) end

--- Takes 1 off a number.
---@param key string | number
---@param options? loadrun.redis.CallOptions
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:decr(key, options) end

--- Takes a number off a number.
---@param key string | number
---@param by integer
---@param options? loadrun.redis.CallOptions
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:decrby(key, by, options) end

--- Deletes keys; the value is how many there were.
---@param ... loadrun.redis.Argument keys, or lists of keys
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:del(...) end

--- Runs a Lua script in the server, sending its text each time; `client:script` sends it once.
---@param text string the script
---@param numkeys integer how many of the arguments are keys
---@param ... loadrun.redis.Argument keys, then arguments
---@return any value
---@return loadrun.Failure? err why it failed
function Client:eval(text, numkeys, ...) end

--- How many of the keys exist.
---@param ... loadrun.redis.Argument keys, or lists of keys
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:exists(...) end

--- Makes a key go away after so many seconds: 1, or 0 where there is no such key.
---@param key string | number
---@param seconds integer
---@param ... loadrun.redis.Argument `NX`, `XX`, `GT` or `LT`
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:expire(key, seconds, ...) end

--- Deletes every key of the database.
---@param ... loadrun.redis.Argument `ASYNC` or `SYNC`
---@return string? value
---@return loadrun.Failure? err why it failed
function Client:flushdb(...) end

--- The text of a key; nil, and no failure, where there is none.
---@param key string | number
---@param options? loadrun.redis.CallOptions
---@return string? value
---@return loadrun.Failure? err why it failed
function Client:get(key, options) end

--- The text of a key, which is deleted.
---@param key string | number
---@param options? loadrun.redis.CallOptions
---@return string? value
---@return loadrun.Failure? err why it failed
function Client:getdel(key, options) end

--- The text of a key, with a new time to live.
---@param key string | number
---@param ... loadrun.redis.Argument `EX`, seconds
---@return string? value
---@return loadrun.Failure? err why it failed
function Client:getex(key, ...) end

--- Deletes fields of a hash; the value is how many there were.
---@param key string | number
---@param ... loadrun.redis.Argument fields
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:hdel(key, ...) end

--- Whether a hash has a field: 1 or 0.
---@param key string | number
---@param field string | number
---@param options? loadrun.redis.CallOptions
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:hexists(key, field, options) end

--- A field of a hash; nil where there is none.
---@param key string | number
---@param field string | number
---@param options? loadrun.redis.CallOptions
---@return string? value
---@return loadrun.Failure? err why it failed
function Client:hget(key, field, options) end

--- A whole hash as a table; empty where there is no such key.
---@param key string | number
---@param options? loadrun.redis.CallOptions
---@return table<string, string>? value
---@return loadrun.Failure? err why it failed
function Client:hgetall(key, options) end

--- Adds a number to a field of a hash.
---@param key string | number
---@param field string | number
---@param by integer
---@param options? loadrun.redis.CallOptions
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:hincrby(key, field, by, options) end

--- The fields of a hash.
---@param key string | number
---@param options? loadrun.redis.CallOptions
---@return string[]? value
---@return loadrun.Failure? err why it failed
function Client:hkeys(key, options) end

--- How many fields a hash has.
---@param key string | number
---@param options? loadrun.redis.CallOptions
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:hlen(key, options) end

--- Fields of a hash, in order; `false` where there is none.
---@param key string | number
---@param ... loadrun.redis.Argument fields, or lists of fields
---@return (string | false)[]? value
---@return loadrun.Failure? err why it failed
function Client:hmget(key, ...) end

--- Sets fields of a hash; the value is how many are new.
---@param key string | number
---@param ... loadrun.redis.Argument field, value, field, value, ...
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:hset(key, ...) end

--- The values of a hash.
---@param key string | number
---@param options? loadrun.redis.CallOptions
---@return string[]? value
---@return loadrun.Failure? err why it failed
function Client:hvals(key, options) end

--- Adds 1 to a number.
---@param key string | number
---@param options? loadrun.redis.CallOptions
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:incr(key, options) end

--- Adds a number to a number.
---@param key string | number
---@param by integer
---@param options? loadrun.redis.CallOptions
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:incrby(key, by, options) end

--- Adds a number with a fraction; the value is text, as Redis keeps it.
---@param key string | number
---@param by number
---@param options? loadrun.redis.CallOptions
---@return string? value
---@return loadrun.Failure? err why it failed
function Client:incrbyfloat(key, by, options) end

--- What the server says about itself.
---@param ... loadrun.redis.Argument sections such as `memory`
---@return string? value
---@return loadrun.Failure? err why it failed
function Client:info(...) end

--- How many items a list has.
---@param key string | number
---@param options? loadrun.redis.CallOptions
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:llen(key, options) end

--- Takes the first item of a list, or so many as a list.
---@param key string | number
---@param ... loadrun.redis.Argument how many
---@return any value
---@return loadrun.Failure? err why it failed
function Client:lpop(key, ...) end

--- Puts items at the front of a list; the value is its new length.
---@param key string | number
---@param ... loadrun.redis.Argument items, or lists of items
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:lpush(key, ...) end

--- Items of a list from one place to another, from 0, from the end below 0.
---@param key string | number
---@param first integer
---@param last integer
---@param options? loadrun.redis.CallOptions
---@return string[]? value
---@return loadrun.Failure? err why it failed
function Client:lrange(key, first, last, options) end

--- Removes items that are equal to a value.
---@param key string | number
---@param count integer how many; from the end below 0; 0 for all
---@param value string | number
---@param options? loadrun.redis.CallOptions
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:lrem(key, count, value, options) end

--- Keeps only the items from one place to another.
---@param key string | number
---@param first integer
---@param last integer
---@param options? loadrun.redis.CallOptions
---@return string? value
---@return loadrun.Failure? err why it failed
function Client:ltrim(key, first, last, options) end

--- The texts of keys, in order; `false` where there is none.
---@param ... loadrun.redis.Argument keys, or lists of keys
---@return (string | false)[]? value
---@return loadrun.Failure? err why it failed
function Client:mget(...) end

--- Sets several keys.
---@param ... loadrun.redis.Argument key, value, key, value, ...
---@return string? value
---@return loadrun.Failure? err why it failed
function Client:mset(...) end

--- Takes a key's time to live away.
---@param key string | number
---@param options? loadrun.redis.CallOptions
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:persist(key, options) end

--- Makes a key go away after so many milliseconds.
---@param key string | number
---@param milliseconds integer
---@param ... loadrun.redis.Argument `NX`, `XX`, `GT` or `LT`
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:pexpire(key, milliseconds, ...) end

--- Asks whether the server is there: `PONG`.
---@param ... loadrun.redis.Argument a text to be sent back
---@return string? value
---@return loadrun.Failure? err why it failed
function Client:ping(...) end

--- Sends several commands without waiting in between: one call, measured as one. The replies come in order; one that is an error is a `loadrun.Failure` in its place, and the first of them is the call's failure as well. On a cluster all of them go to the node of the first key, and `DBSIZE`, `KEYS` and `FLUSHDB` among them are of that node alone.
---@param commands loadrun.redis.Batch `{ { "SET", "a", 1 }, { "GET", "a" } }`
---@return any[]? value
---@return loadrun.Failure? err why it failed
function Client:pipeline(commands) end

--- Milliseconds a key has to live; -1 without an end, -2 without a key.
---@param key string | number
---@param options? loadrun.redis.CallOptions
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:pttl(key, options) end

--- Listens to all channels that match patterns, on a connection of its own. It has begun when the call returns.
---@param ... loadrun.redis.Argument patterns such as `news.*`
---@return loadrun.redis.Subscription? value
---@return loadrun.Failure? err why it failed
function Client:psubscribe(...) end

--- Sends a message to a channel; the value is how many received it.
---@param channel string
---@param message string | number
---@param options? loadrun.redis.CallOptions
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:publish(channel, message, options) end

--- Takes the last item of a list, or so many as a list.
---@param key string | number
---@param ... loadrun.redis.Argument how many
---@return any value
---@return loadrun.Failure? err why it failed
function Client:rpop(key, ...) end

--- Puts items at the end of a list; the value is its new length.
---@param key string | number
---@param ... loadrun.redis.Argument items, or lists of items
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:rpush(key, ...) end

--- Adds members to a set; the value is how many are new.
---@param key string | number
---@param ... loadrun.redis.Argument members, or lists of members
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:sadd(key, ...) end

--- Some keys, and where to go on: `{ cursor, keys }`; the cursor is `"0"` at the end.
---@param cursor string | integer
---@param ... loadrun.redis.Argument `MATCH`, pattern, `COUNT`, number
---@return [string, string[]]? value
---@return loadrun.Failure? err why it failed
function Client:scan(cursor, ...) end

--- How many members a set has.
---@param key string | number
---@param options? loadrun.redis.CallOptions
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:scard(key, options) end

--- Sets a text: `OK`, or nil where `NX` or `XX` did not let it.
---@param key string | number
---@param value string | number
---@param ... loadrun.redis.Argument `EX`, seconds, `NX`, ...
---@return string? value
---@return loadrun.Failure? err why it failed
function Client:set(key, value, ...) end

--- Sets a text that goes away after so many seconds.
---@param key string | number
---@param seconds integer
---@param value string | number
---@param options? loadrun.redis.CallOptions
---@return string? value
---@return loadrun.Failure? err why it failed
function Client:setex(key, seconds, value, options) end

--- Sets a text where there is none: 1 or 0.
---@param key string | number
---@param value string | number
---@param options? loadrun.redis.CallOptions
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:setnx(key, value, options) end

--- A Lua script of the server's: its text is sent at the first run (`EVAL`), and its hash from then on (`EVALSHA`).
---@param text string
---@return loadrun.redis.Script
function Client:script(text) end

--- Whether a set has a member: 1 or 0.
---@param key string | number
---@param member string | number
---@param options? loadrun.redis.CallOptions
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:sismember(key, member, options) end

--- The members of a set, in no order.
---@param key string | number
---@param options? loadrun.redis.CallOptions
---@return string[]? value
---@return loadrun.Failure? err why it failed
function Client:smembers(key, options) end

--- Takes a member of a set by chance, or so many as a list.
---@param key string | number
---@param ... loadrun.redis.Argument how many
---@return any value
---@return loadrun.Failure? err why it failed
function Client:spop(key, ...) end

--- Removes members of a set; the value is how many there were.
---@param key string | number
---@param ... loadrun.redis.Argument members, or lists of members
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:srem(key, ...) end

--- How long a text is, in bytes.
---@param key string | number
---@param options? loadrun.redis.CallOptions
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:strlen(key, options) end

--- Listens to channels, on a connection of its own. It has begun when the call returns.
---@param ... loadrun.redis.Argument channels
---@return loadrun.redis.Subscription? value
---@return loadrun.Failure? err why it failed
function Client:subscribe(...) end

--- Sends several commands that are done as one (`MULTI`, `EXEC`): one call, measured as one. The value is nil without a failure where a watched key was changed. On a cluster all of them go to the node of the first key, as in a pipeline.
---@param commands loadrun.redis.Batch `{ { "INCR", "a" }, { "INCR", "b" } }`
---@return any[]? value
---@return loadrun.Failure? err why it failed
function Client:transaction(commands) end

--- Seconds a key has to live; -1 without an end, -2 without a key.
---@param key string | number
---@param options? loadrun.redis.CallOptions
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:ttl(key, options) end

--- What kind of value a key holds; `none` where there is none.
---@param key string | number
---@param options? loadrun.redis.CallOptions
---@return string? value
---@return loadrun.Failure? err why it failed
function Client:type(key, options) end

--- Deletes keys, and lets the server free their memory later.
---@param ... loadrun.redis.Argument keys, or lists of keys
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:unlink(...) end

--- Says that messages of a group are done with.
---@param key string | number
---@param group string
---@param ... loadrun.redis.Argument ids
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:xack(key, group, ...) end

--- Adds a message to a stream; the value is its id.
---@param key string | number
---@param id string `*` for one the server makes
---@param ... loadrun.redis.Argument field, value, field, value, ...
---@return string? value
---@return loadrun.Failure? err why it failed
function Client:xadd(key, id, ...) end

--- Deletes messages of a stream.
---@param key string | number
---@param ... loadrun.redis.Argument ids
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:xdel(key, ...) end

--- Manages the groups of a stream: `client:xgroup("CREATE", key, group, "$", "MKSTREAM")`.
---@param what string `CREATE`, `DESTROY`, ...
---@param ... loadrun.redis.Argument
---@return any value
---@return loadrun.Failure? err why it failed
function Client:xgroup(what, ...) end

--- How many messages a stream has.
---@param key string | number
---@param options? loadrun.redis.CallOptions
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:xlen(key, options) end

--- Messages of a stream between two ids.
---@param key string | number
---@param first string `-` for the beginning
---@param last string `+` for the end
---@param ... loadrun.redis.Argument `COUNT`, number
---@return loadrun.redis.Message[]? value
---@return loadrun.Failure? err why it failed
function Client:xrange(key, first, last, ...) end

--- Messages after an id, by stream: `client:xread("COUNT", 10, "STREAMS", key, "0")`; nil when there were none.
---@param ... loadrun.redis.Argument
---@return table<string, loadrun.redis.Message[]>? value
---@return loadrun.Failure? err why it failed
function Client:xread(...) end

--- Messages for a member of a group, by stream: `client:xreadgroup("GROUP", group, me, "COUNT", 10, "STREAMS", key, ">")`; nil when there were none.
---@param ... loadrun.redis.Argument
---@return table<string, loadrun.redis.Message[]>? value
---@return loadrun.Failure? err why it failed
function Client:xreadgroup(...) end

--- Takes the oldest messages off a stream.
---@param key string | number
---@param ... loadrun.redis.Argument `MAXLEN`, number
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:xtrim(key, ...) end

--- Adds members with scores to a sorted set; the value is how many are new.
---@param key string | number
---@param ... loadrun.redis.Argument score, member, score, member, ...
---@return any value
---@return loadrun.Failure? err why it failed
function Client:zadd(key, ...) end

--- How many members a sorted set has.
---@param key string | number
---@param options? loadrun.redis.CallOptions
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:zcard(key, options) end

--- How many members have a score in a range.
---@param key string | number
---@param least string | number
---@param most string | number
---@param options? loadrun.redis.CallOptions
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:zcount(key, least, most, options) end

--- Adds to a member's score.
---@param key string | number
---@param by number
---@param member string | number
---@param options? loadrun.redis.CallOptions
---@return number? value
---@return loadrun.Failure? err why it failed
function Client:zincrby(key, by, member, options) end

--- Takes the members with the lowest scores.
---@param key string | number
---@param ... loadrun.redis.Argument how many
---@return any[]? value
---@return loadrun.Failure? err why it failed
function Client:zpopmin(key, ...) end

--- Members of a sorted set in a range.
---@param key string | number
---@param first string | number
---@param last string | number
---@param ... loadrun.redis.Argument `BYSCORE`, `REV`, `WITHSCORES`, ...
---@return any[]? value
---@return loadrun.Failure? err why it failed
function Client:zrange(key, first, last, ...) end

--- The place of a member, from 0.
---@param key string | number
---@param member string | number
---@param options? loadrun.redis.CallOptions
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:zrank(key, member, options) end

--- Removes members of a sorted set.
---@param key string | number
---@param ... loadrun.redis.Argument members, or lists of members
---@return integer? value
---@return loadrun.Failure? err why it failed
function Client:zrem(key, ...) end

--- The score of a member.
---@param key string | number
---@param member string | number
---@param options? loadrun.redis.CallOptions
---@return number? value
---@return loadrun.Failure? err why it failed
function Client:zscore(key, member, options) end

--- A script that the server keeps, as one of its clients runs it.
---@class loadrun.redis.Script
local Script = {}

--- Runs it. Where the server has forgotten it, that is a failed call (`noscript`), and its text goes
--- over again, in a call of its own.
---@param keys? (string | number)[] `KEYS` in the script
---@param args? (string | number)[] `ARGV` in the script
---@param options? loadrun.redis.CallOptions
---@return any value what the script returned
---@return loadrun.Failure? err why it failed
function Script:run(keys, args, options) end

--- Channels that are listened to. A lost connection is counted as a failed call of `SUBSCRIBE`.
---@class loadrun.redis.Subscription
local Subscription = {}

--- Ends it. A `local ... <close>` does so by itself.
function Subscription:close() end

--- Messages for a `for` loop, which ends when none came for so long, or the connection is lost.
---@param limit? loadrun.Duration longest wait for one; without end when not given
---@return fun(): loadrun.redis.Published?
function Subscription:messages(limit) end

--- Waits for the next message: nil when none came within the limit, and a failure as well when none
--- can come any more.
---@param limit? loadrun.Duration longest wait; without end when not given
---@return loadrun.redis.Published? message
---@return loadrun.Failure? err why there will be none
function Subscription:receive(limit) end

--- Redis: every call is measured, and waits without holding up other users.
---@class loadrun.redis
local redis = {}

--- A client of its own options. Declared at file scope.
---@param options? loadrun.redis.ClientOptions
---@return loadrun.redis.Client
function redis.client(options) end

return redis
