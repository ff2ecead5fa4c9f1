-- POST /applications: prepared requests in turn, so that making them costs the load generator next to nothing.
-- Arguments: users, characters of the description.
requests = {}

function init(args)
  local users, size = tonumber(args[1] or 10000), tonumber(args[2] or 100)
  local headers = {["Content-Type"] = "application/json"}
  for n = 1, math.min(users, 100000) do
    local body = string.format('{"user_name":"user-%06d","description":"%s"}', n * 7919 % users, string.rep("d", size))
    requests[n] = wrk.format("POST", "/applications", headers, body)
  end
end

dofile(debug.getinfo(1, "S").source:match("@(.*/)") .. "report.lua")
