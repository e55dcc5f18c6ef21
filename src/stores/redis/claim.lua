local epoch, slot, owner, lease_ms, seen = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local starts = ARGV[6] == '1'

if redis.call('HGET', record, 'ep') ~= epoch then return answer('late') end
local held = redis.call('HGET', record, slot)
local mark = starts and '!' .. epoch or ''
if held_by(held, owner) then
  if held == settled(owner) then return answer('taken') end  -- a claim repeated late
  if not starts then mark = string.match(held, '!%d+$') or '' end
elseif not is_as_seen(held, seen) or not is_free(held) then
  return answer('taken')
elseif held and string.match(held, '!(%d+)$') == epoch then
  -- Its call began, and nothing was heard of it. A count that somebody spoilt makes the record
  -- unreadable, which is said elsewhere.
  redis.pcall('HINCRBY', record, 'pfail', 1)
end
redis.call('HSET', record, slot, leased(owner, lease_ms) .. mark)
return answer('ok')
