local epoch, report, sent = ARGV[1], ARGV[2], ARGV[3]
local age_max_ms, ahead_max_ms, reports_max = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local step = ARGV[11]

if report ~= '' then
  if redis.call('HGET', record, 'ep') ~= epoch then return answer('late') end
  local at = tonumber(sent)
  if at < now - age_max_ms or at > now + ahead_max_ms then return answer('out_of_range') end
  if redis.call('ZADD', evidence, 'NX', sent, report) == 0 then return answer('duplicate') end
  local surplus = redis.call('ZCARD', evidence) - reports_max
  if surplus > 0 then redis.call('ZREMRANGEBYRANK', evidence, 0, surplus - 1) end
  redis.call('PEXPIRE', evidence, ttl_ms)
end

-- The sums are hints: a field that somebody spoilt must not fail the report, hence pcall.
local minute = math.floor(now / 60000)
local written = false
local function add(field, amount)
  if amount == '0' then return end
  redis.pcall('HINCRBYFLOAT', meter, field, amount)
  written = true
end
for i, name in ipairs({'c', 'a', 'm', 'h'}) do
  add(name .. ':' .. integer(minute), ARGV[6 + i])
end
if step ~= '' then
  for i, name in ipairs({'ok', 'overload', 'failure', 'rtt', 'rtt_n', 'busy', 'refused', 'n'}) do
    add('s' .. step .. ':' .. name, ARGV[11 + i])
  end
end

-- Kept are this minute and the one before, and the two newest steps.
if written then
  local fields = redis.call('HKEYS', meter)
  local newest, second = -1, -1
  for _, field in ipairs(fields) do
    local number = tonumber(string.match(field, '^s(%d+):') or '-1')
    if number > newest then
      newest, second = number, newest
    elseif number > second and number < newest then
      second = number
    end
  end
  for _, field in ipairs(fields) do
    local of_step = tonumber(string.match(field, '^s(%d+):'))
    local of_minute = tonumber(string.match(field, '^%a:(%d+)$'))
    if (of_step and of_step < second) or
       (of_minute and of_minute ~= minute and of_minute ~= minute - 1) then
      redis.call('HDEL', meter, field)
    end
  end
  redis.call('PEXPIRE', meter, 3600 * 1000)
end
return answer('ok')
