-- The same request and check by wrk.
local failed = 0

request = function()
  return wrk.format("GET", "/")
end

response = function(status)
  if status ~= 200 then
    failed = failed + 1
  end
end
