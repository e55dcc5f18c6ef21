-- A circuit's note is a key of its own (hash), without an end: what it says of things outside must
-- not go while nobody looks. Without arguments it is read, else written if its revision is the
-- expected one. Who has written knows the text, so only others are told it.
local note = KEYS[1]
local expected, revision, text = ARGV[1], ARGV[2], ARGV[3]

local stored = redis.call('HMGET', note, 'rev', 'note')
if expected and (stored[1] or '0') == expected then
  redis.call('HSET', note, 'rev', revision, 'note', text)
  return {1, integer(now), revision, ''}
end
if expected and stored[1] == revision and stored[2] == text then
  return {1, integer(now), revision, ''}  -- this very write, repeated
end
return {0, integer(now), stored[1] or '0', stored[2] or ''}
