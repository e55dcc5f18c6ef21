local epoch, slot, owner, lease_ms, seen = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

if redis.call('HGET', record, 'ep') ~= epoch then return answer('late') end
local held = redis.call('HGET', record, slot)
if held_by(held, owner) then
  if held == settled(owner) then return answer('taken') end  -- a claim repeated late
elseif not is_as_seen(held, seen) or not is_free(held) then
  return answer('taken')
end
redis.call('HSET', record, slot, leased(owner, lease_ms))
return answer('ok')
