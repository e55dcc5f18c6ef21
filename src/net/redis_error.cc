#include "net/redis_error.h"

#include <utility>

namespace switchgear::net {
namespace {

constexpr std::size_t kReplyCharsShown = 300;

struct Meaning {
  std::string_view word;
  std::string_view code;
  std::string_view message;
  bool retryable;
};

constexpr Meaning kMeanings[] = {
    {"LOADING", "LOADING", "the server is loading its data into memory and will answer soon", true},
    {"READONLY", "READONLY",
     "the server is a read-only replica; point the URL at the primary (after a failover a new "
     "connection may reach it)",
     true},
    {"OOM", "OOM",
     "the server is out of memory (maxmemory) and refuses writes; give it more memory or let it "
     "evict other keys",
     true},
    {"NOSCRIPT", "NOSCRIPT", "the server does not know the script yet", true},
    {"MISCONF", "MISCONF",
     "the server refuses writes because it cannot save to disk; see its log and "
     "stop-writes-on-bgsave-error",
     true},
    {"BUSY", "BUSY", "the server is busy with somebody's script; it answers once that has ended",
     true},
    {"TRYAGAIN", "TRYAGAIN", "the server is moving these keys to another node", true},
    {"CLUSTERDOWN", "CLUSTERDOWN", "the cluster is down", true},
    {"MASTERDOWN", "MASTERDOWN", "the replica has lost its primary", true},
    {"NOREPLICAS", "NOREPLICAS", "the server refuses writes: too few replicas are connected", true},
    {"MOVED", "MOVED",
     "the server is a node of a Redis Cluster, which is not in this version; use a server without "
     "cluster mode",
     false},
    {"ASK", "ASK",
     "the server is a node of a Redis Cluster, which is not in this version; use a server without "
     "cluster mode",
     false},
    {"WRONGPASS", "auth", "wrong user or password; check the ones in the store's URL", false},
    {"NOAUTH", "auth",
     "the server asks for a password; give it in the store's URL: redis://:PASSWORD@HOST:PORT",
     false},
    {"NOPERM", "auth", "the user may not run this command or use these keys; see its ACL", false},
    {"DENIED", "auth",
     "the server is in protected mode and refuses connections from other machines; give it a "
     "password",
     false},
};

std::string printable(std::string_view text) {
  std::string shown(text.substr(0, kReplyCharsShown));
  for (char& c : shown) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';
  }
  if (text.size() > shown.size()) shown += "…";
  return shown;
}

bool is_error_word(std::string_view word) {
  return !word.empty() && word.size() <= 20 &&
         word.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string_view::npos;
}

}  // namespace

Error redis_error(std::string_view reply, std::string source) {
  const std::string_view word = reply.substr(0, reply.find(' '));
  for (const Meaning& meaning : kMeanings) {
    if (meaning.word != word) continue;
    return Error{.code = std::string(meaning.code),
                 .message = std::string(meaning.message) + " (" + printable(reply) + ")",
                 .retryable = meaning.retryable,
                 .source = std::move(source)};
  }
  return Error{.code = is_error_word(word) ? std::string(word) : "ERR",
               .message = "the server answered: " + printable(reply),
               .retryable = false,
               .source = std::move(source)};
}

}  // namespace switchgear::net
