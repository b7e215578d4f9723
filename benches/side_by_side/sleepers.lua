-- Users that only sleep.
local param = require "loadrun.param"
local time = require "loadrun.time"

local users = param("users", 100000, "users")

return {
  scenarios = {
    sleepers = {
      users = users,
      duration = "8s",
      run = function()
        time.sleep(2)
      end,
    },
  },
}
