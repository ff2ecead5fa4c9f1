-- GET /applications/{id}: the ids that are the arguments, in turn.
local requests, turn = {}, 0

function init(args)
  for n, id in ipairs(args) do
    requests[n] = wrk.format("GET", "/applications/" .. id)
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

dofile(debug.getinfo(1, "S").source:match("@(.*/)") .. "report.lua")
