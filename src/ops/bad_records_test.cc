// Records that this version cannot read, whoever wrote them: hands off, a metric, and a message
// that names the key. In memory and on a real Redis.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/redis_client.h"
#include "net/redis_server_for_tests.h"
#include "ops/circuit_metrics.h"
#include "stores/memory_store.h"
#include "stores/open.h"

namespace switchgear::ops {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

struct BadRecord {
  const char* name;
  void (*spoil)(fleet::Fields&);
  const char* message;
};

void set(fleet::Fields& fields, const std::string& name, const std::string& value) {
  for (auto& [key, old] : fields) {
    if (key == name) old = value;
  }
}

const BadRecord kBadRecords[] = {
    {"Truncated", [](fleet::Fields& fields) { fields.resize(fields.size() / 2); }, "is missing"},
    {"OfANewerSchema", [](fleet::Fields& fields) { set(fields, "v", "99"); }, "schema 99"},
    {"OfAnUnknownState", [](fleet::Fields& fields) { set(fields, "st", "HALF_SHUT"); },
     "field \"st\" is not a state we know: \"HALF_SHUT\""},
    {"WrittenByHand", [](fleet::Fields& fields) { fields = {{"state", "OPEN"}}; },
     "field \"v\" is missing"},
    {"Garbled", [](fleet::Fields& fields) { set(fields, "ep", "7\n\x1b[31m"); },
     "field \"ep\" is not a valid number: \"7??[31m\""},
};

// What is stored, behind the back of whoever uses the store.
class Stored {
 public:
  virtual ~Stored() = default;
  virtual std::unique_ptr<stores::Store> open(net::Loop& loop) = 0;
  virtual fleet::Fields read() = 0;
  virtual void write(const fleet::Fields& fields) = 0;
  virtual std::string place() const = 0;
};

class InMemory : public Stored {
 public:
  std::unique_ptr<stores::Store> open(net::Loop& loop) override {
    auto store = stores::open_store(loop, "memory:");
    table_ = &dynamic_cast<stores::MemoryStore&>(**store).table();
    return std::move(*store);
  }
  fleet::Fields read() override { return table_->cells()["pay"].fields; }
  void write(const fleet::Fields& fields) override { table_->cells()["pay"].fields = fields; }
  std::string place() const override { return "in memory"; }

 private:
  stores::MemoryTable* table_ = nullptr;
};

class OnRedis : public Stored {
 public:
  std::unique_ptr<stores::Store> open(net::Loop& loop) override {
    return std::move(*stores::open_store(loop, server_.url()));
  }
  fleet::Fields read() override {
    const net::resp::Value value = command({"HGETALL", kKey});
    fleet::Fields fields;
    for (std::size_t i = 0; i + 1 < value.items.size(); i += 2) {
      fields.emplace_back(value.items[i].text, value.items[i + 1].text);
    }
    return fields;
  }
  void write(const fleet::Fields& fields) override {
    std::vector<std::string> words{"HSET", kKey};
    for (const auto& [name, value] : fields) {
      words.push_back(name);
      words.push_back(value);
    }
    command({"DEL", kKey});
    command(std::move(words));
  }
  std::string place() const override { return std::string("key ") + kKey; }
  void set_text(const std::string& text) {
    command({"DEL", kKey});
    command({"SET", kKey, text});
  }
  std::string text() { return command({"GET", kKey}).text; }

 private:
  static constexpr const char* kKey = "{sg:10:switchgear:3:pay}:r";

  net::resp::Value command(std::vector<std::string> words) {
    net::Loop loop;
    net::RedisClient client(loop, *net::redis_address(server_.url()));
    std::optional<net::resp::Value> answer;
    client.command(std::move(words), [&](const Result<net::resp::Value>& value) {
      EXPECT_TRUE(value) << value.error().text();
      answer = value ? *value : net::resp::Value{};
    });
    EXPECT_TRUE(loop.run_until([&] { return answer.has_value(); }, 10s));
    return *answer;
  }
  net::RedisServer server_;
};

// Whose calls fail, so that it would have something to write at every turn.
class Victim {
 public:
  explicit Victim(Stored& stored)
      : engine_(
            loop_, stored.open(loop_), {},
            {.transition = nullptr,
             .store_result = [this](const auto&) { ++answers_; },
             .remark = [this](const std::string&,
                              const guard::RecordRemark& remark) { remarks.push_back(remark); }}) {
    Policy policy;
    policy.view_refresh = policy.view_refresh_in_trouble = 20ms;
    EXPECT_TRUE(engine_.add("pay", policy));
  }
  bool call_until(Outcome outcome, const std::function<bool()>& done) {
    return loop_.run_until(
        [&] {
          fleet::Member& member = engine_.member("pay");
          const auto admission = member.admit(engine_.now());
          if (const auto* permit = std::get_if<fleet::Permit>(&admission)) {
            member.finish(*permit, outcome, 1ms, engine_.now());
          }
          engine_.poke("pay");
          return done();
        },
        10s);
  }
  bool fail_for_answers(int more) {
    return call_until(Outcome::failure,
                      [this, enough = answers_ + more] { return answers_ >= enough; });
  }
  bool ready() { return engine_.ready("pay"); }
  std::string metrics() {
    MetricsText text;
    CircuitMetrics().collect(engine_, text);
    return text.text();
  }

  std::vector<guard::RecordRemark> remarks;

 private:
  net::Loop loop_;
  int answers_ = 0;
  guard::Engine engine_;
};

fleet::Fields sorted(fleet::Fields fields) {
  std::ranges::sort(fields);
  return fields;
}

void is_left_alone_and_told(Stored& stored, const BadRecord& bad) {
  SCOPED_TRACE(bad.name);
  Victim victim(stored);
  ASSERT_TRUE(victim.call_until(Outcome::success, [&] { return victim.ready(); }));
  const fleet::Fields whole = stored.read();
  ASSERT_FALSE(whole.empty());
  EXPECT_THAT(victim.metrics(), HasSubstr("switchgear_record_unreadable{circuit=\"pay\"} 0\n"));

  fleet::Fields spoilt = whole;
  bad.spoil(spoilt);
  stored.write(spoilt);
  ASSERT_TRUE(victim.call_until(Outcome::failure, [&] { return !victim.remarks.empty(); }));
  ASSERT_TRUE(victim.fail_for_answers(5));
  EXPECT_EQ(sorted(stored.read()), sorted(spoilt));
  EXPECT_EQ(victim.remarks.size(), 1u);
  EXPECT_THAT(victim.remarks[0].text,
              AllOf(HasSubstr("the circuit pay (" + stored.place() + ")"), HasSubstr(bad.message),
                    HasSubstr("switchgear circuits reset pay --forget")));
  EXPECT_THAT(victim.metrics(), HasSubstr("switchgear_record_unreadable{circuit=\"pay\"} 1\n"));

  stored.write(whole);
  EXPECT_TRUE(victim.call_until(Outcome::success, [&] {
    return victim.metrics().find("record_unreadable{circuit=\"pay\"} 0\n") != std::string::npos;
  }));
}

TEST(BadRecordInMemory, IsLeftAloneAndTold) {
  for (const BadRecord& bad : kBadRecords) {
    InMemory stored;
    is_left_alone_and_told(stored, bad);
  }
}

TEST(BadRecordOnRedis, IsLeftAloneAndTold) {
  for (const BadRecord& bad : kBadRecords) {
    OnRedis stored;
    is_left_alone_and_told(stored, bad);
  }
}

TEST(BadRecordOnRedis, OfAnotherTypeIsTheTroubleOfItsCircuitAlone) {
  OnRedis stored;
  Victim victim(stored);
  ASSERT_TRUE(victim.call_until(Outcome::success, [&] { return victim.ready(); }));
  stored.set_text("mine");
  ASSERT_TRUE(victim.call_until(Outcome::failure, [&] { return !victim.remarks.empty(); }));
  ASSERT_TRUE(victim.fail_for_answers(5));
  EXPECT_EQ(stored.text(), "mine");
  EXPECT_THAT(victim.remarks[0].text, HasSubstr(stored.place()));
  EXPECT_THAT(victim.metrics(), HasSubstr("switchgear_record_unreadable{circuit=\"pay\"} 1\n"));
  EXPECT_THAT(victim.metrics(), HasSubstr("switchgear_store_up 1\n"));
}

}  // namespace
}  // namespace switchgear::ops
