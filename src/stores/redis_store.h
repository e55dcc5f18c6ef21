// The store on one Redis 7 or Valkey server: each operation is one script, which the server runs
// as a whole, so it is atomic on its circuit. Time is the server's.
//
// Keys of a circuit, all in one hash slot, with the lengths of namespace and name in front so that
// no two pairs of them give the same key:
//   {sg:<length>:<namespace>:<length>:<name>}:r   hash: the record's fields and slots "s0" … "s31"
//   …:e                                           sorted set: the reports, by time
//   …:m                                           hash: sums, "c:<minute>" …, "s<step>:ok" …
//   …:n                                           hash: the note, "rev" and "note"
// and a channel, …:c, on which every new epoch is published.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "net/redis_route.h"
#include "stores/redis_scripts.h"
#include "stores/redis_watch.h"
#include "stores/store.h"

namespace switchgear::stores {

// What a user of a Redis must be allowed, as rules of ACL SETUSER: no more is used.
inline constexpr std::string_view kRedisAclRule =
    "~{sg:* &{sg:* +ping +select +evalsha +eval +time +del +scan +subscribe +unsubscribe +publish "
    "+exists +hget +hgetall +hkeys +hmget +hset +hdel +hincrby +hincrbyfloat +persist +pexpire "
    "+pttl +zadd +zcard +zrange +zremrangebyrank";

struct RedisStoreOptions {
  // Keeps several systems on one server apart: 1 to 64 of A-Z a-z 0-9 . _ : -
  std::string name_space = "switchgear";
  net::RedisOptions redis{};
};

// An unused circuit is forgotten after 7 to 14 days, a record under a hold never; see
// redis/prelude.lua; its note stays until the circuit is removed. Operations are never sent twice,
// apart from the script's text where the server did not know it, which runs nothing the first time;
// operations under way together may then be carried out in another order than they were given. Each
// of those two commands has the time-out of its own, as has each page of list(). Destroying the
// store drops what is pending without calling back.
class RedisStore final : public Store {
 public:
  // `loop` outlives the store.
  RedisStore(net::Loop& loop, const net::RedisAddress& address,
             const RedisStoreOptions& options = {});
  ~RedisStore() override;

  void execute(const std::string& circuit, const fleet::Operation& operation,
               AnswerCallback done) override;
  void read_note(const std::string& circuit, NoteCallback done) override;
  void write_note(const std::string& circuit, std::uint64_t expected, const std::string& text,
                  NoteCallback done) override;
  void list(NamesCallback done) override;
  void remove(const std::string& circuit, std::function<void(Result<void>)> done) override;
  void on_change(
      std::function<void(const std::string& circuit, std::int64_t epoch)> changed) override;
  void watch(const std::string& circuit) override;
  void release(const std::string& circuit) override;
  std::string record_place(const std::string& circuit) const override;
  std::string backend() const override { return "redis"; }

  // The way to the servers, for a diagnosis of them.
  net::RedisRoute& route() { return *route_; }

  // "{sg:…}" of a circuit: what its keys begin with.
  std::string key(const std::string& circuit) const;

 private:
  void answer_for_foreign_key(const std::string& prefix, fleet::Status status, AnswerCallback done);
  // `script` lives as long as the process.
  void run(const RedisScript& script, const std::string& prefix,
           std::vector<std::string> keys_and_arguments, net::RedisCallback done);
  // `text` is what is written, if anything is.
  void run_note(const std::string& circuit, std::vector<std::string> arguments,
                const std::string& text, NoteCallback done);

  net::Loop& loop_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::string key_prefix_;  // "{sg:<length>:<namespace>:"
  // Last, so that they go first: their callbacks use what stands above.
  std::unique_ptr<net::RedisRoute> route_;
  RedisWatch watch_;
};

}  // namespace switchgear::stores
