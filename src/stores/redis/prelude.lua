-- What all scripts begin with. KEYS: the record (hash), its evidence (sorted set of reports by
-- time), its meter (hash of sums). All time is this server's. Epochs, revisions and other large
-- integers are text throughout: a Lua number holds no more than 53 bits.
local record, evidence, meter = KEYS[1], KEYS[2], KEYS[3]

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)

local function integer(number) return string.format('%.0f', number) end

-- Keys live for 14 days, renewed by any use in their second half: 7 days at least.
local ttl_ms = 14 * 24 * 3600 * 1000

-- A key without an end, a record under a hold, keeps none. A read must not fail where writing is
-- not allowed (a replica), hence pcall.
local function renew(key)
  local left = redis.call('PTTL', key)
  if left >= 0 and left < ttl_ms / 2 then redis.pcall('PEXPIRE', key, ttl_ms) end
end

-- A slot reads "owner@expiry", or "owner@expiry!epoch" once its call has begun. One that does not
-- is left alone.
local function held_by(slot, owner)
  return slot and string.sub(slot, 1, #owner + 1) == owner .. '@'
end
local function is_as_seen(slot, owner)
  if owner == '' then return not slot end
  return held_by(slot, owner)
end
local function is_free(slot)
  if not slot then return true end
  local expiry = string.match(slot, '@(%d+)$') or string.match(slot, '@(%d+)!%d+$')
  return expiry ~= nil and tonumber(expiry) <= now
end
-- Free, but remembers who gave it back: should a claim or settlement of theirs come again, repeated
-- on its way, it neither takes the slot a second time nor counts twice.
local function settled(owner) return owner .. '@0' end
local function leased(owner, lease_ms) return owner .. '@' .. integer(now + tonumber(lease_ms)) end

-- Keys that a script has removed, or found empty. They must not be touched again: while a slot of a
-- cluster is on its way to another node, a key that is not here counts as one of that node, and ends
-- the script.
local removed = {}

local function answer(status)
  renew(record)
  if not removed[evidence] then renew(evidence) end
  return {status, integer(now), redis.call('HGETALL', record),
          removed[evidence] and {} or redis.call('ZRANGE', evidence, 0, -1),
          removed[meter] and {} or redis.call('HGETALL', meter)}
end
