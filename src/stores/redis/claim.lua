local epoch, slot, owner, lease_ms = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

if redis.call('HGET', record, 'ep') ~= epoch then return answer('late') end
local held = redis.call('HGET', record, slot)
if held == settled(owner) then return answer('taken') end  -- a claim repeated late
if not held_by(held, owner) and not is_free(held) then return answer('taken') end
redis.call('HSET', record, slot, leased(owner, lease_ms))
return answer('ok')
