-- Asks what load.py wrote down, line by line and round again: a path, after a tab the ETag that it may only be asked with
-- the first time. In a body {n} is a number that no other request has. Tells at the end, as JSON, what came of it.
-- Arguments: method, file of lines, file of the body, first number, token, how many lines to begin after.

local paths, etags, parts = {}, {}, {}
local method, count, number, at

function init(args)
  method, number, at = args[1], tonumber(args[4]), tonumber(args[6])
  for line in io.lines(args[2]) do
    local path, etag = line:match("^([^\t]*)\t?(.*)$")
    paths[#paths + 1] = path
    if etag ~= "" then etags[#paths] = etag end
  end
  count = #paths
  local file = io.open(args[3])
  local body = file:read("*a")
  file:close()
  local from = 1
  while true do
    local first, last = body:find("{n}", from, true)
    if not first then break end
    parts[#parts + 1] = body:sub(from, first - 1)
    from = last + 1
  end
  parts[#parts + 1] = body:sub(from)
  if method ~= "GET" then wrk.headers["Content-Type"] = "application/json" end
  if args[5] ~= "" then wrk.headers["Authorization"] = "Token " .. args[5] end
end

function request()
  local line = at % count + 1
  wrk.headers["If-Match"] = at < count and etags[line] or nil
  at, number = at + 1, number + 1
  return wrk.format(method, paths[line], nil, method ~= "GET" and table.concat(parts, string.format("%d", number)) or nil)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"answered": %d, "bad": %d, "broken": %d, "seconds": %f, "p50": %f, "p99": %f}\n',
    summary.requests, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
