local epoch, slot, owner, counter = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

if not held_by(redis.call('HGET', record, slot), owner) then return answer('gone') end
redis.call('HDEL', record, slot)
if redis.call('HGET', record, 'ep') ~= epoch then return answer('late') end
-- A count that somebody spoilt makes the record unreadable, which is said elsewhere.
if counter ~= '' then redis.pcall('HINCRBY', record, counter, 1) end
return answer('ok')
