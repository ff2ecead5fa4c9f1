-- Of twenty requests one POST and one page of applications, the others GET /applications/{id}.
-- Arguments: 1, or 0 for no pages; then ids, in turn.
requests = {}

function init(args)
  local headers = {["Content-Type"] = "application/json"}
  for n = 2, #args do
    if n % 20 == 2 then
      local body = string.format('{"user_name":"user-%06d","description":"%s"}', n * 7919 % 10000, string.rep("d", 100))
      requests[n - 1] = wrk.format("POST", "/applications", headers, body)
    elseif n % 20 == 3 and args[1] == "1" then
      requests[n - 1] = wrk.format("GET", "/applications")
    else
      requests[n - 1] = wrk.format("GET", "/applications/" .. args[n])
    end
  end
end

dofile(debug.getinfo(1, "S").source:match("@(.*/)") .. "report.lua")
