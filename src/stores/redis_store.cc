#include "stores/redis_store.h"

#include <charconv>
#include <utility>

#include "fleet/text.h"
#include "stores/redis_answer.h"

namespace switchgear::stores {
namespace {

constexpr std::string_view kRecordSuffix = "}:r";
constexpr std::string_view kChannelSuffix = "}:c";

// "<length>:<text>"
std::string with_length(const std::string& text) {
  return std::to_string(text.size()) + ":" + text;
}

// The circuit's name in a key with this suffix; empty for a key of another form.
std::string name_in(std::string_view key, std::string_view prefix, std::string_view suffix) {
  if (!key.starts_with(prefix) || !key.ends_with(suffix)) return {};
  key.remove_prefix(prefix.size());
  if (key.size() < suffix.size()) return {};
  key.remove_suffix(suffix.size());
  std::size_t length = 0;
  const auto read = std::from_chars(key.data(), key.data() + key.size(), length);
  const auto digits = static_cast<std::size_t>(read.ptr - key.data());
  if (read.ec != std::errc{} || key.substr(digits, 1) != ":") return {};
  key.remove_prefix(digits + 1);
  return key.size() == length ? std::string(key) : std::string();
}

net::RedisOptions with_acl_rule(net::RedisOptions options) {
  options.acl_rule = kRedisAclRule;
  return options;
}

}  // namespace

RedisStore::RedisStore(net::Loop& loop, const net::RedisAddress& address,
                       const RedisStoreOptions& options)
    : loop_(loop),
      key_prefix_("{sg:" + with_length(options.name_space) + ":"),
      route_(net::open_redis(loop, address, with_acl_rule(options.redis))),
      watch_(loop, *route_, options.redis.seed) {}

RedisStore::~RedisStore() { *alive_ = false; }

std::string RedisStore::key(const std::string& circuit) const {
  return key_prefix_ + with_length(circuit) + "}";
}

void RedisStore::execute(const std::string& circuit, const fleet::Operation& operation,
                         AnswerCallback done) {
  RedisCall call = redis_call(operation);
  const std::string prefix = key(circuit);
  std::vector<std::string> words{"3", prefix + ":r", prefix + ":e", prefix + ":m"};
  words.insert(words.end(), std::make_move_iterator(call.arguments.begin()),
               std::make_move_iterator(call.arguments.end()));
  const bool is_read = std::holds_alternative<fleet::ReadOp>(operation);
  const bool is_report = std::holds_alternative<fleet::ReportOp>(operation);
  const fleet::Status status = is_read     ? fleet::Status::ok
                               : is_report ? fleet::Status::late
                                           : fleet::Status::conflict;
  run(*call.script, prefix, std::move(words),
      [this, prefix, status, done = std::move(done)](const Result<net::resp::Value>& value) {
        if (!value && value.error().code == "WRONGTYPE") {
          return answer_for_foreign_key(prefix, status, done);
        }
        if (!value) return done(value.error());
        Result<fleet::Answer> answer = redis_answer(*value);
        if (!answer) answer.error().source = route_->name();
        done(std::move(answer));
      });
}

// Somebody else's value under one of our keys is the trouble of this circuit alone; the store is
// well. All is left as it is, and the answer is that of a record that cannot be read.
void RedisStore::answer_for_foreign_key(const std::string& prefix, fleet::Status status,
                                        AnswerCallback done) {
  route_->command(
      prefix, {"TIME"},
      [this, prefix, status, done = std::move(done)](const Result<net::resp::Value>& value) {
        if (!value) return done(value.error());
        const bool pair = value->is_list() && value->items.size() == 2;
        const auto seconds =
            pair ? fleet::to_number<std::int64_t>(value->items[0].text) : std::nullopt;
        const auto micros =
            pair ? fleet::to_number<std::int64_t>(value->items[1].text) : std::nullopt;
        if (!seconds || !micros) {
          return done(Error{.code = "protocol",
                            .message = "TIME was answered unlike by a Redis server",
                            .retryable = false,
                            .source = route_->name()});
        }
        fleet::Answer answer{.status = status};
        answer.snapshot.time = store_time_ms(*seconds * 1000 + *micros / 1000);
        answer.snapshot.record = Error{.code = "unreadable",
                                       .message = "one of the keys " + prefix +
                                                  ":r (a hash), :e (a "
                                                  "sorted set), :m (a hash) holds another type of "
                                                  "value, so somebody else wrote it",
                                       .retryable = false,
                                       .source = "record"};
        done(answer);
      });
}

// By its checksum; a server that does not know the script (it was restarted) gets the text, and
// knows it from then on.
void RedisStore::run(const RedisScript& script, const std::string& prefix,
                     std::vector<std::string> keys_and_arguments, net::RedisCallback done) {
  const auto command = [](std::string verb, const std::string& what,
                          const std::vector<std::string>& rest) {
    std::vector<std::string> words{std::move(verb), what};
    words.insert(words.end(), rest.begin(), rest.end());
    return words;
  };
  std::vector<std::string> by_sum = command("EVALSHA", script.sha1, keys_and_arguments);
  route_->command(prefix, std::move(by_sum),
                  [this, prefix, command, &script, rest = std::move(keys_and_arguments),
                   done = std::move(done)](Result<net::resp::Value> value) {
                    if (value || value.error().code != "NOSCRIPT") return done(std::move(value));
                    route_->command(prefix, command("EVAL", script.text, rest), done);
                  });
}

void RedisStore::read_note(const std::string& circuit, NoteCallback done) {
  run_note(circuit, {}, {}, std::move(done));
}

void RedisStore::write_note(const std::string& circuit, std::uint64_t expected,
                            const std::string& text, NoteCallback done) {
  if (auto problem = problem_with_note(text)) {
    return loop_.post([alive = alive_, done = std::move(done), error = *std::move(problem)] {
      if (*alive) done(error);
    });
  }
  run_note(circuit, {std::to_string(expected), std::to_string(expected + 1), text}, text,
           std::move(done));
}

void RedisStore::run_note(const std::string& circuit, std::vector<std::string> arguments,
                          const std::string& text, NoteCallback done) {
  const std::string prefix = key(circuit);
  std::vector<std::string> words{"1", prefix + ":n"};
  words.insert(words.end(), std::make_move_iterator(arguments.begin()),
               std::make_move_iterator(arguments.end()));
  run(redis_scripts().note, prefix, std::move(words),
      [this, text, key = prefix + ":n",
       done = std::move(done)](const Result<net::resp::Value>& value) {
        if (!value && value.error().code == "WRONGTYPE") {
          return done(unreadable_note("the key " + key + " is no hash"));
        }
        if (!value) return done(value.error());
        Result<NoteAnswer> answer = redis_note_answer(*value, text);
        if (!answer && answer.error().source.empty()) answer.error().source = route_->name();
        done(std::move(answer));
      });
}

void RedisStore::list(NamesCallback done) {
  route_->keys(key_prefix_ + "*" + std::string(kRecordSuffix),
               [this, done = std::move(done)](const Result<std::set<std::string>>& keys) {
                 if (!keys) return done(keys.error());
                 std::set<std::string> names;
                 for (const std::string& key : *keys) {
                   std::string name = name_in(key, key_prefix_, kRecordSuffix);
                   if (!name.empty()) names.insert(std::move(name));
                 }
                 done(std::vector<std::string>(names.begin(), names.end()));
               });
}

void RedisStore::remove(const std::string& circuit, std::function<void(Result<void>)> done) {
  const std::string prefix = key(circuit);
  route_->command(prefix, {"DEL", prefix + ":r", prefix + ":e", prefix + ":m", prefix + ":n"},
                  [done = std::move(done)](const Result<net::resp::Value>& value) {
                    if (!value) return done(value.error());
                    done(Result<void>{});
                  });
}

std::string RedisStore::record_place(const std::string& circuit) const {
  return "key " + key(circuit) + ":r";
}

void RedisStore::on_change(
    std::function<void(const std::string& circuit, std::int64_t epoch)> changed) {
  watch_.on_message(
      [this, changed = std::move(changed)](const std::string& channel, const std::string& text) {
        const std::string name = name_in(channel, key_prefix_, kChannelSuffix);
        const auto epoch = fleet::to_number<std::int64_t>(text);
        if (!name.empty() && epoch) changed(name, *epoch);
      });
}

void RedisStore::watch(const std::string& circuit) { watch_.subscribe(key(circuit) + ":c"); }
void RedisStore::release(const std::string& circuit) { watch_.unsubscribe(key(circuit) + ":c"); }

}  // namespace switchgear::stores
