-- One row by its primary key, through a prepared statement, from pgbench's table.
local param = require "loadrun.param"
local sql = require "loadrun.sql"

local database = sql.client {
  url = param("url", "postgres://127.0.0.1/postgres", "the database"),
  size = param("size", 16, "connections"),
}

return {
  scenarios = {
    select = {
      users = param("users", 16, "users"),
      duration = param("duration", "5s", "how long"),
      run = function(vu)
        local _, err = database:value(
          "SELECT abalance FROM pgbench_accounts WHERE aid = $1",
          { vu.rand:integer(1, 100000) }
        )
        if err then error(tostring(err)) end
      end,
    },
  },
}
