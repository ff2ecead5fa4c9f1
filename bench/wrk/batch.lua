-- POST /applications/batch with a JSON array. Arguments: users, characters of the description, items.
requests = {}

function init(args)
  local users, size, items = tonumber(args[1] or 10000), tonumber(args[2] or 100), tonumber(args[3] or 500)
  local headers = {["Content-Type"] = "application/json"}
  for n = 1, 50 do
    local parts = {}
    for m = 1, items do
      local user = ((n - 1) * items + m) * 7919 % users
      parts[m] = string.format('{"user_name":"user-%06d","description":"%s"}', user, string.rep("d", size))
    end
    requests[n] = wrk.format("POST", "/applications/batch", headers, "[" .. table.concat(parts, ",") .. "]")
  end
end

dofile(debug.getinfo(1, "S").source:match("@(.*/)") .. "report.lua")
