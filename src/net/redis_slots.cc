#include "net/redis_slots.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace switchgear::net {
namespace {

// CRC-16/XMODEM, as the specification has it: polynomial 0x1021, from 0, not reflected.
constexpr std::array<std::uint16_t, 256> crc16_table() {
  std::array<std::uint16_t, 256> table{};
  for (unsigned i = 0; i < table.size(); ++i) {
    unsigned crc = i << 8U;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc & 0x8000U) != 0 ? (crc << 1U) ^ 0x1021U : crc << 1U;
    }
    table[i] = static_cast<std::uint16_t>(crc);
  }
  return table;
}
constexpr auto kCrc16 = crc16_table();

unsigned crc16(std::string_view text) {
  unsigned crc = 0;
  for (const char c : text) {
    crc = ((crc << 8U) & 0xffffU) ^ kCrc16[(crc >> 8U) ^ static_cast<unsigned char>(c)];
  }
  return crc;
}

template <class T>
std::optional<T> number_in(std::string_view text) {
  T value{};
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  if (text.empty() || read.ec != std::errc{} || read.ptr != end) return std::nullopt;
  return value;
}

Error not_a_map(const char* what) {
  return Error{.code = "protocol",
               .message = std::string("CLUSTER SLOTS was answered unlike by a Redis node: ") + what,
               .retryable = false,
               .source = "redis"};
}

bool is_number(const resp::Value& value, std::int64_t least, std::int64_t most) {
  return value.kind == resp::Kind::integer && value.integer >= least && value.integer <= most;
}

// The announced host name in a node's fourth member: a map, or names and values in turn.
std::string_view hostname_of(const resp::Value& node) {
  if (node.items.size() < 4 || !node.items[3].is_list()) return {};
  const auto& words = node.items[3].items;
  for (std::size_t i = 0; i + 1 < words.size(); i += 2) {
    if (words[i].text == "hostname") return words[i + 1].text;
  }
  return {};
}

bool is_node(const resp::Value& node) {
  return node.is_list() && node.items.size() >= 2 &&
         (node.items[0].is_text() || node.items[0].kind == resp::Kind::null) &&
         is_number(node.items[1], 0, 65'535);
}

// Empty: the node's address is not known.
std::optional<RedisHost> host_of(const resp::Value& node, const RedisMapReading& reading,
                                 RedisSlotMap& map) {
  RedisHost address{.host = node.items[0].text,
                    .port = static_cast<std::uint16_t>(node.items[1].integer)};
  if (address.host.empty()) address.host = reading.asked.host;
  if (address.port == 0) return std::nullopt;
  const std::string_view hostname = hostname_of(node);
  if (reading.prefer_hostnames && !hostname.empty() && hostname != "?" &&
      hostname != address.host) {
    RedisHost named{.host = std::string(hostname), .port = address.port};
    if (address.host != "?") map.named.emplace(std::move(address), named);
    return named;
  }
  if (address.host == "?") return std::nullopt;
  return address;
}

std::size_t index_of(std::vector<RedisHost>& nodes, const RedisHost& node) {
  const auto found = std::ranges::find(nodes, node);
  if (found != nodes.end()) return static_cast<std::size_t>(found - nodes.begin());
  nodes.push_back(node);
  return nodes.size() - 1;
}

}  // namespace

int redis_slot(std::string_view key) {
  const std::size_t open = key.find('{');
  if (open != std::string_view::npos) {
    const std::size_t close = key.find('}', open + 1);
    if (close != std::string_view::npos && close > open + 1) {
      key = key.substr(open + 1, close - open - 1);
    }
  }
  return static_cast<int>(crc16(key) % static_cast<unsigned>(kRedisSlots));
}

const RedisHost* RedisSlotMap::owner(int slot) const {
  const std::uint16_t index = owners[static_cast<std::size_t>(slot)];
  return index == kNobody ? nullptr : &primaries[index];
}

void RedisSlotMap::assign(int slot, const RedisHost& to) {
  const bool known = std::ranges::find(primaries, to) != primaries.end();
  if (!known && primaries.size() >= kRedisClusterNodesMax) return;
  owners[static_cast<std::size_t>(slot)] = static_cast<std::uint16_t>(index_of(primaries, to));
}

int RedisSlotMap::served() const {
  return static_cast<int>(kRedisSlots - std::ranges::count(owners, kNobody));
}

Result<RedisSlotMap> redis_slot_map(const resp::Value& answer, const RedisMapReading& reading) {
  if (!answer.is_list()) return not_a_map("not a list");
  RedisSlotMap map;
  for (const resp::Value& range : answer.items) {
    if (!range.is_list() || range.items.size() < 3 ||
        !is_number(range.items[0], 0, kRedisSlots - 1) ||
        !is_number(range.items[1], range.items[0].integer, kRedisSlots - 1)) {
      return not_a_map("a range without its bounds and its node");
    }
    for (std::size_t i = 2; i < range.items.size(); ++i) {
      if (!is_node(range.items[i])) return not_a_map("a node without host and port");
      const auto node = host_of(range.items[i], reading, map);
      if (!node) continue;
      if (i > 2) {
        index_of(map.replicas, *node);
      } else {
        const std::size_t index = index_of(map.primaries, *node);
        std::fill(map.owners.begin() + range.items[0].integer,
                  map.owners.begin() + range.items[1].integer + 1,
                  static_cast<std::uint16_t>(index));
      }
      if (map.primaries.size() + map.replicas.size() > kRedisClusterNodesMax) {
        return not_a_map("too many nodes");
      }
    }
  }
  return map;
}

std::optional<RedisRedirect> redis_redirect(std::string_view reply, std::string_view asked_host) {
  RedisRedirect redirect;
  if (reply.starts_with("ASK ")) {
    redirect.ask = true;
  } else if (!reply.starts_with("MOVED ")) {
    return std::nullopt;
  }
  reply.remove_prefix(reply.find(' ') + 1);
  const std::size_t space = reply.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const auto slot = number_in<int>(reply.substr(0, space));
  // Newer servers may say more behind another space.
  std::string_view where = reply.substr(space + 1);
  where = where.substr(0, where.find(' '));
  // An IPv6 address stands without brackets: the last colon ends it.
  const std::size_t colon = where.rfind(':');
  if (!slot || *slot < 0 || *slot >= kRedisSlots || colon == std::string_view::npos) {
    return std::nullopt;
  }
  const auto port = number_in<std::uint16_t>(where.substr(colon + 1));
  std::string_view host = where.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty()) host = asked_host;
  if (!port || *port == 0 || host == "?" || host.empty()) return std::nullopt;
  redirect.slot = *slot;
  redirect.to = {.host = std::string(host), .port = *port};
  return redirect;
}

}  // namespace switchgear::net
