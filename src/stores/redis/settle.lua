local epoch, slot, owner, counter = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local held = redis.call('HGET', record, slot)
if not held_by(held, owner) or held == settled(owner) then return answer('gone') end
redis.call('HSET', record, slot, settled(owner))
if redis.call('HGET', record, 'ep') ~= epoch then return answer('late') end
-- A count that somebody spoilt makes the record unreadable, which is said elsewhere.
if counter ~= '' then redis.pcall('HINCRBY', record, counter, 1) end
return answer('ok')
