-- Decides, before anything can fail, which error page this visitor would want:
-- "en-html", "en-home" (HTML where the home page was asked for), "en-head" (HTML of which only the head is wanted) or
-- "en-json", and the same for "fr". It is kept as dynamic metadata (shop.edge: page), which no client can set, and is
-- read by local_reply_config.

-- The ranges of an Accept-like header: {{name, q}, ...} in order, names in lower case, bad weights taken as 0.
local function ranges(header)
  local found = {}
  for part in string.gmatch(string.lower(header or ""), "[^,]+") do
    local name = string.match(part, "^%s*([^;%s]+)")
    if name then
      local weight = string.match(part, ";%s*q%s*=%s*([^;%s]*)")
      local q = 1
      if weight then q = string.match(weight, "^[01]%.?%d*$") and tonumber(weight) or 0 end
      found[#found + 1] = {name, math.min(q, 1)}
    end
  end
  return found
end

-- The weight of a language, and its place in the list: its own ranges ("fr", "fr-CA") win over "*".
local function wanted(list, language)
  local q, place, any = nil, 1000, 0
  for i, range in ipairs(list) do
    local name = range[1]
    if name == language or string.sub(name, 1, #language + 1) == language .. "-" then
      if q == nil or range[2] > q then q, place = range[2], i end
    elseif name == "*" then
      any = math.max(any, range[2])
    end
  end
  return q or any, place
end

local function language(header)
  local list = ranges(header)
  local fr, fr_place = wanted(list, "fr")
  local en, en_place = wanted(list, "en")
  if fr > en or (fr > 0 and fr == en and fr_place < en_place) then return "fr" end
  return "en"
end

-- JSON for those who name it and like HTML less, and for programs that send JSON and do not mind ("*/*", or both).
local function form(header, content_type)
  local json, html = 0, 0
  local sends_json = string.match(string.lower(content_type), "^%s*application/json") ~= nil
  for _, range in ipairs(ranges(header)) do
    local name = range[1]
    if name == "application/json" or name == "application/problem+json" then json = math.max(json, range[2]) end
    if name == "text/html" or name == "application/xhtml+xml" then html = math.max(html, range[2]) end
  end
  if json > html or (json == html and sends_json) then return "json" end
  return "html"
end

-- A header sent twice is one list.
local function whole(headers, name)
  local parts = {}
  for i = 0, headers:getNumValues(name) - 1 do parts[#parts + 1] = headers:getAtIndex(name, i) end
  return table.concat(parts, ",")
end

-- Whether the home page is asked for, by whatever query.
local function asks_for_home(headers)
  local method, path = headers:get(":method"), headers:get(":path") or ""
  return (method == "GET" or method == "HEAD") and (path == "/" or string.sub(path, 1, 2) == "/?")
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local page_language = language(whole(headers, "accept-language"))
  local page_form = form(whole(headers, "accept"), whole(headers, "content-type"))
  if page_form == "html" and asks_for_home(headers) then
    page_form = "home"
  elseif page_form == "html" and headers:get(":method") == "HEAD" then
    page_form = "head"
  end
  handle:streamInfo():dynamicMetadata():set("shop.edge", "page", page_language .. "-" .. page_form)
end
