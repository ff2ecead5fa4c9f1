-- GET /applications/{id}: the ids that are the arguments, in turn.
requests = {}

function init(args)
  for n, id in ipairs(args) do
    requests[n] = wrk.format("GET", "/applications/" .. id)
  end
end

dofile(debug.getinfo(1, "S").source:match("@(.*/)") .. "report.lua")
