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
    {"MOVED", "MOVED", "another node of the Redis Cluster serves this key", true},
    {"ASK", "ASK", "this key is on its way to another node of the Redis Cluster", true},
    {"WRONGPASS", "auth", "wrong user or password; check the ones in the store's URL", false},
    {"NOAUTH", "auth",
     "the server asks for a password; give it in the store's URL: redis://:PASSWORD@HOST:PORT",
     false},
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

// What a script's user may not do, in the words of Valkey and of Redis 7.0, which does not say
// which command or key it is.
bool is_of_script_rights(std::string_view reply) {
  return reply.find("ACL failure in script") != std::string_view::npos ||
         reply.find("The user executing the script can't") != std::string_view::npos;
}

// Redis 6 and Valkey: "this user has no permissions to run the 'get' command", "… to access one of
// the keys …", "… channels …". Redis 7: "User ann has no permissions to run the 'get' command",
// "No permissions to access a key", "… a channel"; in a script after "ACL failure in script: ".
std::string missing_right(std::string_view reply, std::string_view acl_rule) {
  std::string text = "the user lacks a right";
  const auto quote = reply.find("run the '");
  if (quote != std::string_view::npos) {
    const std::string_view name = reply.substr(quote + 9);
    text = "the user may not run the command " + printable(name.substr(0, name.find('\'')));
  } else if (reply.find("run this command") != std::string_view::npos) {
    text = "the user may not run a command that the script uses";
  } else if (reply.find("channel") != std::string_view::npos) {
    text = "the user may not use this channel";
  } else if (reply.find(" key") != std::string_view::npos) {
    text = "the user may not use this key";
  }
  if (acl_rule.empty()) return text + "; see its ACL";
  return text + "; give it all that is needed: ACL SETUSER NAME " + std::string(acl_rule);
}

}  // namespace

Error redis_error(std::string_view reply, std::string source, std::string_view acl_rule) {
  const std::string_view word = reply.substr(0, reply.find(' '));
  if (word == "NOPERM" || is_of_script_rights(reply)) {
    return Error{.code = "auth",
                 .message = missing_right(reply, acl_rule) + " (" + printable(reply) + ")",
                 .retryable = false,
                 .source = std::move(source)};
  }
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
