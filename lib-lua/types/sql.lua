---@meta loadrun.sql

--- NULL, in rows and as a parameter. It is not `nil` and counts as true: compare with it.
---@class loadrun.sql.Null

--- Bytes, JSON or an array as a parameter, made by `sql.bytes`, `sql.json` and `sql.array`.
---@class loadrun.sql.Marked

--- What a parameter may be. A string is text where the column is text, and a number, a date, a uuid
--- or bytes where the column is that. MariaDB refuses a time zone in a date.
---@alias loadrun.sql.Parameter string | number | boolean | loadrun.sql.Null | loadrun.sql.Marked

--- A row by column name; of several columns with one name it has the last, so give them aliases.
--- Numeric, dates and MySQL's unsigned integers beyond 63 bits are text, JSON is decoded, NULL is
--- `sql.null`. From SQLite numeric is a number, an integer beyond 64 bits a float, and JSON text;
--- from MariaDB JSON is text.
---@alias loadrun.sql.Row table<string, any>

--- The rows of an answer, in order.
---@class loadrun.sql.Rows
---@field [integer] loadrun.sql.Row
---@field columns string[] the names of the columns in order; empty when there is no row

--- What one statement may be given.
---@class loadrun.sql.CallOptions
---@field name? string what the sample is called; the statement without its values when not given
---@field tags? table<string, string | number | boolean> more tags of the sample
---@field timeout? loadrun.Duration for the whole call, waiting for a connection included; of a stream without the script's own time between the rows
---@field prepare? boolean whether it is prepared once a connection; true when not given

--- What a transaction may be given.
---@class loadrun.sql.TransactionOptions
---@field isolation? "read uncommitted" | "read committed" | "repeatable read" | "serializable" the database's own when not given
---@field read_only? boolean whether it may only read
---@field name? string what the sample of the whole is called; `transaction` when not given
---@field tags? table<string, string | number | boolean> more tags of that sample
---@field timeout? loadrun.Duration for each statement in it, and for waiting for a connection

--- What a client is given once.
---@class loadrun.sql.ClientOptions
---@field url string | loadrun.Service `postgres://user:password@host:port/database`, `mysql://...`, `mariadb://...`, `sqlite:file.db` beside the script, `sqlite::memory:`, or a service of the run
---@field size? integer most connections of all workers together, at least one each; 10 when not given
---@field timeout? loadrun.Duration for a whole call; 30 s when not given
---@field connect_timeout? loadrun.Duration for connecting and logging in; 10 s when not given
---@field cancel? boolean whether the server is asked to stop what was given up; true when not given
---@field result_limit? integer | string most memory an answer may take, in bytes or as text such as `"4MiB"`; 64 MiB when not given

--- Runs statements on connections of its own, so many for all users, first come first served. A call
--- returns a value, and a failure or nil: `local rows, err = db:query("SELECT ...", { 7 })`.
--- Parameters are `$1`, `$2`, ... on PostgreSQL and `?` on MySQL, MariaDB and SQLite; on SQLite also
--- `?1` and `$1`, for a value that is used more than once.
---@class loadrun.sql.Client
local Client = {}

--- Several statements in one text, with semicolons between them and without parameters. Where one
--- fails, PostgreSQL has done none of them; on MySQL, MariaDB and SQLite what came before it stays.
---@param statements string
---@param options? loadrun.sql.CallOptions
---@return integer? rows changed by all of them
---@return loadrun.Failure? err why it failed
function Client:batch(statements, options) end

--- How many rows were inserted, changed or deleted, as the server counts: MariaDB says 0 with
--- `RETURNING`, whose rows `query`, `one` and `value` give; it and MySQL say 2 for a row that
--- `ON DUPLICATE KEY UPDATE` changed.
---@param statement string
---@param parameters? loadrun.sql.Parameter[]
---@param options? loadrun.sql.CallOptions
---@return integer? rows
---@return loadrun.Failure? err why it failed
function Client:execute(statement, parameters, options) end

--- How the database would go about a statement, as text.
---@param statement string
---@param parameters? loadrun.sql.Parameter[]
---@param options? loadrun.sql.CallOptions
---@return string? plan
---@return loadrun.Failure? err why it failed
function Client:explain(statement, parameters, options) end

--- Many rows by one statement: each a list in the order of the columns, or a table by their names.
--- A name that needs the quotes of the database has them: `'"order items"'`. On MySQL and MariaDB a table
--- that is called like a function needs backticks.
---@param table string
---@param columns string[]
---@param rows (loadrun.sql.Parameter[] | table<string, loadrun.sql.Parameter>)[]
---@param options? loadrun.sql.CallOptions
---@return integer? rows
---@return loadrun.Failure? err why it failed
function Client:insert(table, columns, rows, options) end

--- The first row; nil without a failure when there is none.
---@param statement string
---@param parameters? loadrun.sql.Parameter[]
---@param options? loadrun.sql.CallOptions
---@return loadrun.sql.Row? row
---@return loadrun.Failure? err why it failed
function Client:one(statement, parameters, options) end

--- All rows.
---@param statement string
---@param parameters? loadrun.sql.Parameter[]
---@param options? loadrun.sql.CallOptions
---@return loadrun.sql.Rows? rows
---@return loadrun.Failure? err why it failed
function Client:query(statement, parameters, options) end

--- Rows of a large answer, never all of them in memory: `for row, err in db:stream(...) do`. A
--- failure is `false` in place of a row, and ends the loop; leaving the loop closes the connection.
---@param statement string
---@param parameters? loadrun.sql.Parameter[]
---@param options? loadrun.sql.CallOptions
---@return fun(): (loadrun.sql.Row | false)?, loadrun.Failure?
function Client:stream(statement, parameters, options) end

--- Runs a function between BEGIN and COMMIT. It is rolled back when the function raises, returns
--- `false`, or nil and a second value, or a failure as its second value, and when a statement in it
--- failed such that it cannot go on. The value is the function's, or true; what came after `false` or
--- nil is handed on. No statement may begin or end one itself, but a `batch` that does both.
---@generic T
---@param work fun(tx: loadrun.sql.Transaction): T?, any
---@param options? loadrun.sql.TransactionOptions
---@return T? value
---@return loadrun.Failure? err why it was rolled back
function Client:transaction(work, options) end

--- The first column of the first row, whatever its name; nil without a failure when there is none.
---@param statement string
---@param parameters? loadrun.sql.Parameter[]
---@param options? loadrun.sql.CallOptions
---@return any value
---@return loadrun.Failure? err why it failed
function Client:value(statement, parameters, options) end

--- A transaction under way, on a connection of its own. After a failure from which it cannot go on,
--- its statements return that failure and nothing is sent. On PostgreSQL that is any failure, and a
--- `ROLLBACK TO SAVEPOINT` is not sent either; elsewhere `deadlock`, `serialization` and a lost
--- connection.
---@class loadrun.sql.Transaction
---@field batch fun(self: loadrun.sql.Transaction, statements: string, options?: loadrun.sql.CallOptions): integer?, loadrun.Failure? several statements
---@field execute fun(self: loadrun.sql.Transaction, statement: string, parameters?: loadrun.sql.Parameter[], options?: loadrun.sql.CallOptions): integer?, loadrun.Failure? how many rows were changed
---@field explain fun(self: loadrun.sql.Transaction, statement: string, parameters?: loadrun.sql.Parameter[], options?: loadrun.sql.CallOptions): string?, loadrun.Failure? the plan
---@field insert fun(self: loadrun.sql.Transaction, table: string, columns: string[], rows: table[], options?: loadrun.sql.CallOptions): integer?, loadrun.Failure? many rows
---@field one fun(self: loadrun.sql.Transaction, statement: string, parameters?: loadrun.sql.Parameter[], options?: loadrun.sql.CallOptions): loadrun.sql.Row?, loadrun.Failure? the first row
---@field query fun(self: loadrun.sql.Transaction, statement: string, parameters?: loadrun.sql.Parameter[], options?: loadrun.sql.CallOptions): loadrun.sql.Rows?, loadrun.Failure? all rows
---@field value fun(self: loadrun.sql.Transaction, statement: string, parameters?: loadrun.sql.Parameter[], options?: loadrun.sql.CallOptions): any, loadrun.Failure? the first column of the first row

--- SQL on PostgreSQL, MySQL, MariaDB and SQLite: every statement is measured, and waits without
--- holding up other users.
---@class loadrun.sql
---@field null loadrun.sql.Null
local sql = {}

--- An array of PostgreSQL as a parameter; lists in it are its dimensions.
---@param items table
---@return loadrun.sql.Marked
function sql.array(items) end

--- Bytes as a parameter: for MySQL and SQLite, which do not say what they expect.
---@param value string
---@return loadrun.sql.Marked
function sql.bytes(value) end

--- A client of its own connections. Declared at file scope.
---@param options loadrun.sql.ClientOptions
---@return loadrun.sql.Client
function sql.client(options) end

--- Any value as JSON, as a parameter.
---@param value any
---@return loadrun.sql.Marked
function sql.json(value) end

return sql
