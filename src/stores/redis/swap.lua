local expected_epoch, expected_revision = ARGV[1], ARGV[2]
local next_epoch, next_revision, swap_id = ARGV[3], ARGV[4], ARGV[5]
local not_before = ARGV[6]
local slot, owner, lease_ms = ARGV[7], ARGV[8], ARGV[9]
local step, keep_forever = tonumber(ARGV[10]), ARGV[11] == '1'
local unless_probe_failed = ARGV[12] == '1'
local first_field = 13

local stored = redis.call('HMGET', record, 'ep', 'rev', 'swap')
if stored[1] == next_epoch and stored[2] == next_revision and stored[3] == swap_id then
  return answer('ok')  -- this very swap, repeated
end
if expected_epoch == '0' and expected_revision == '0' then
  if redis.call('EXISTS', record) == 1 then return answer('conflict') end
elseif stored[1] ~= expected_epoch or stored[2] ~= expected_revision then
  return answer('conflict')
end
if unless_probe_failed and redis.call('HGET', record, 'pfail') ~= '0' then
  return answer('conflict')
end
if not_before ~= '' and now < tonumber(not_before) then return answer('not_due') end
if slot ~= '' and not is_free(redis.call('HGET', record, slot)) then return answer('taken') end

redis.call('HSET', record, unpack(ARGV, first_field))
if stored[1] ~= next_epoch then
  redis.call('HSET', record, 'pok', '0', 'pfail', '0')
  redis.call('DEL', evidence)
  removed[evidence] = true
  -- For those who listen. A user without rights on channels must not fail here, hence pcall.
  redis.pcall('PUBLISH', string.sub(record, 1, -2) .. 'c', next_epoch)
end
if slot ~= '' then redis.call('HSET', record, slot, leased(owner, lease_ms)) end
local fields = redis.call('HKEYS', meter)
local kept = #fields
for _, field in ipairs(fields) do
  local of_step = tonumber(string.match(field, '^s(%d+):'))
  if of_step and of_step ~= step and of_step ~= step - 1 then
    redis.call('HDEL', meter, field)
    kept = kept - 1
  end
end
if kept == 0 then removed[meter] = true end
-- A hold is kept until somebody releases it, even if nobody uses the circuit meanwhile.
if keep_forever then
  redis.call('PERSIST', record)
else
  redis.call('PEXPIRE', record, ttl_ms)
end
return answer('ok')
