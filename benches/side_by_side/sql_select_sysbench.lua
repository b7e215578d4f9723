-- The same row through the same statement by sysbench; its value is read into Lua as well.
function thread_init()
  connection = sysbench.sql.driver():connect()
  statement = connection:prepare("SELECT abalance FROM pgbench_accounts WHERE aid = ?")
  account = statement:bind_create(sysbench.sql.type.INT)
  statement:bind_param(account)
end

function event()
  account:set(sysbench.rand.uniform(1, 100000))
  local answer = statement:execute()
  answer:fetch_row()
  answer:free()
end

function thread_done()
  statement:close()
  connection:disconnect()
end
