#include "stores/verification.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "aws/error.h"
#include "net/clocks.h"
#include "stores/behaviours.h"
#include "stores/dynamodb_diagnosis.h"
#include "stores/dynamodb_item.h"

namespace switchgear::stores {
namespace {

constexpr int kLooksMax = 120;  // until the table is active, or gone
constexpr Duration kLook = 1s;
constexpr Duration kFirstLook = 50ms;
constexpr double kWriteUnitsMax = kItemBytesMax / 1'024.0;
constexpr int kSlowRounds = 10;  // of what a person asks for: list, remove

// Whether a request that ended so may have been carried out.
bool perhaps_done(const Error& error) {
  for (const std::string_view lost : {"interrupted", "protocol", "too_large"}) {
    if (error.code == lost) return true;
  }
  for (const std::string_view unsent : {"dns", "connect", "proxy", "busy", "credentials"}) {
    if (error.code == unsent) return false;
  }
  return error.retryable && !aws::is_throttling_code(error.code);
}

class Verifier {
 public:
  Verifier(net::Loop& loop, const std::function<bool()>& stopped,
           const VerificationOptions& options)
      : options_(options), waiting_(loop, [this, stopped] {
          return (stopped && stopped()) || result_.requests > kVerificationRequestsMax;
        }) {}

  Verification run() {
    auto control = open();
    if (!control) {
      problem(control.error(), "");
      return std::move(result_);
    }
    table_ = std::move(*control);
    if (make_table()) {
      try_behaviours();
      measure();
    }
    if (result_.requests > kVerificationRequestsMax) {
      problem({.code = "limit",
               .message = "more than " + std::to_string(kVerificationRequestsMax) + " requests",
               .retryable = false,
               .source = "verify"},
              "what was found until then is told");
    }
    if (result_.made) remove_table();
    return std::move(result_);
  }

 private:
  Result<std::unique_ptr<DynamoDbStore>> open(bool consistent_reads = false) {
    return options_.open([this](const aws::Consumed& consumed) { note(consumed); },
                         consistent_reads);
  }

  void look(const std::string& what) const {
    if (options_.progress) options_.progress(what);
  }

  void note(const aws::Consumed& consumed) {
    ++result_.requests;
    const bool writes = consumed.operation == "UpdateItem" || consumed.operation == "DeleteItem";
    for (OperationFigures* figures : {&result_.all, timed_}) {
      if (figures == nullptr) continue;
      (writes ? figures->write_units : figures->read_units) += consumed.units;
      if (!consumed.told) ++figures->untold;
    }
  }

  void problem(const Error& error, const std::string& fix) {
    if (error.code == "interrupted") return;
    if (!result_.failure) result_.failure = error;
    result_.problems.push_back(error.text() + (fix.empty() ? "" : "; " + fix));
  }
  void denied(const Error& error, const std::string& action) {
    problem({.code = "AccessDenied",
             .message = denied_action(error, action) + " is missing",
             .retryable = false,
             .source = "dynamodb"},
            "switchgear verify aws --print-policy prints all that is needed");
  }
  void refused(const Error& error, const std::string& action) {
    if (is_denied(error)) {
      denied(error, action);
    } else {
      problem(error, "");
    }
  }

  // Whatever is removed at the end must not have been there before, also if the answer to its
  // making is lost.
  bool is_absent() {
    const auto table = waiting_.wait_for<aws::TableDescription>("dynamodb", [&](const auto& done) {
      table_->service().describe_table(options_.table, done);
    });
    if (!table && table.error().code == "ResourceNotFoundException") return true;
    if (table) {
      problem({.code = "ResourceInUseException",
               .message = "there is a table " + options_.table + " already",
               .retryable = false,
               .source = "dynamodb"},
              "it is left as it is; choose another --table");
    } else {
      refused(table.error(), "dynamodb:DescribeTable");
    }
    return false;
  }

  bool make_table() {
    look("making the table " + options_.table);
    if (!is_absent()) return false;
    const auto made = waiting_.wait_for<void>("dynamodb", [&](const auto& done) {
      table_->service().create_table({.name = options_.table,
                                      .key_attribute = kItemKey,
                                      .tags = {{"created-by", "switchgear verify"}}},
                                     done);
    });
    if (!made && made.error().code == "ResourceInUseException") {
      problem(made.error(), "it is left as it is; choose another --table");
      return false;
    }
    result_.made = made || perhaps_done(made.error());
    if (!made) {
      refused(made.error(), "dynamodb:CreateTable");
      return false;
    }
    for (int i = 0; i < kLooksMax; ++i) {
      const auto table = waiting_.wait_for<aws::TableDescription>(
          "dynamodb",
          [&](const auto& done) { table_->service().describe_table(options_.table, done); });
      if (table) result_.seen = true;
      if (table && table->status == "ACTIVE") return true;
      // One that is only just being made may not be known everywhere yet.
      if (!table && table.error().code != "ResourceNotFoundException" && !table.error().retryable) {
        refused(table.error(), "dynamodb:DescribeTable");
        return false;
      }
      if (!waiting_.pause(i == 0 ? kFirstLook : kLook)) return false;
    }
    problem({.code = "timeout",
             .message = "the table is not active after two minutes",
             .retryable = true,
             .source = "dynamodb"},
            "");
    return false;
  }

  void try_behaviours() {
    const auto& all = behaviours();
    for (std::size_t i = 0; i < all.size() && !waiting_.stopped(); ++i) {
      look("behaviour " + std::to_string(i + 1) + " of " + std::to_string(all.size()) + ": " +
           all[i].name);
      auto store = open(true);
      if (!store) return problem(store.error(), "");
      Trial trial(waiting_, std::move(*store), StoreTraits::dynamodb(), all[i].name);
      all[i].run(trial);
      if (waiting_.stopped()) return;
      result_.behaviours.push_back({all[i].name, trial.flaws()});
      if (const auto& failure = trial.failure(); failure && is_denied(*failure)) {
        return denied(*failure, "one of dynamodb:GetItem, UpdateItem, DeleteItem and Scan");
      }
    }
  }

  // Times one operation, as `kind`. Nothing comes back if it failed.
  std::optional<fleet::Answer> timed(const std::string& kind, const fleet::Operation& operation) {
    std::optional<fleet::Answer> out;
    timed_call(kind, [&] {
      auto answer = waiting_.wait_for<fleet::Answer>(
          "dynamodb", [&](auto done) { store_->execute(circuit_, operation, std::move(done)); });
      if (answer) out = *std::move(answer);
      return out.has_value();
    });
    return out;
  }

  template <class Call>
  void timed_call(const std::string& kind, Call call) {
    auto& all = result_.operations;
    auto found = std::ranges::find(all, kind, &OperationFigures::name);
    if (found == all.end()) {
      all.push_back({.name = kind});
      found = all.end() - 1;
    }
    timed_ = &*found;
    const MonoTime before = net::read_clocks().mono;
    const bool done = call();
    if (done) timed_->times.push_back(net::read_clocks().mono - before);
    if (!done && !waiting_.stopped()) ++timed_->failed;
    timed_ = nullptr;
  }

  void measure() {
    if (waiting_.stopped() || !result_.problems.empty()) return;
    auto store = open();
    if (!store) return problem(store.error(), "");
    store_ = std::move(*store);
    look("latency and capacity");
    fleet::Record record = full_record(1, 1);
    auto answer = timed("create", create(record));
    for (int i = 0; i < options_.rounds && !waiting_.stopped(); ++i) {
      const auto token = static_cast<std::uint32_t>(i + 1);
      answer = timed("read", fleet::ReadOp{});
      if (!answer) continue;
      fleet::ReportOp report = adds(1, {.sent = answer->snapshot.time,
                                        .span = 1ms,
                                        .instance = kAnn,
                                        .seq = token,
                                        .failures = 1});
      report.meter = {.calls = 10, .active_ms = 1'000, .members = 1, .hellos = 0};
      timed("report", report);
      fleet::ClaimOp claim = claims(1, 0, kAnn, token);
      if (token > 1) claim.seen = fleet::SlotOwner{.holder = kAnn, .token = token - 1};
      timed("claim", claim);
      timed("settle", settles(1, 0, kAnn, token, fleet::Settlement::success));
      record.revision = token + 1;
      record.swap_id += 1;
      timed("swap", swaps(1, token, record));
    }
    for (int i = 0; i < std::min(kSlowRounds, options_.rounds) && !waiting_.stopped(); ++i) {
      timed_call("list", [&] {
        return waiting_
            .wait_for<std::vector<std::string>>("dynamodb",
                                                [&](auto done) { store_->list(std::move(done)); })
            .has_value();
      });
      timed_call("remove", [&] {
        return waiting_
            .wait_for<void>("dynamodb",
                            [&](auto done) { store_->remove(circuit_, std::move(done)); })
            .has_value();
      });
    }
    for (OperationFigures& figures : result_.operations) std::ranges::sort(figures.times);
  }

  // Also after Ctrl-C, so nothing of this is ended by `waiting_`. Where the answer to its making
  // was lost, the table may turn up only after a while: "not found" then says nothing yet.
  void remove_table() {
    look("removing the table " + options_.table + (result_.seen ? "" : ", once it is to be seen"));
    net::Waiting last(waiting_.loop());
    const MonoTime begin = net::read_clocks().mono;
    MonoTime in_use_at = begin;
    for (Duration pause = kFirstLook;; pause = std::min(2 * pause, kLook)) {
      const auto gone = last.wait_for<void>("dynamodb", [&](const auto& done) {
        table_->service().delete_table(options_.table, done);
      });
      const bool unknown = !gone && gone.error().code == "ResourceNotFoundException";
      // While it is being made it cannot be removed yet.
      const bool in_use = !gone && gone.error().code == "ResourceInUseException";
      result_.seen = result_.seen || gone || in_use;
      // The second time it is on its way, or gone.
      result_.removed = gone || (unknown && result_.seen);
      if (result_.removed) return;
      const MonoTime now = net::read_clocks().mono;
      if (in_use) in_use_at = now;
      const bool passing = unknown || in_use || gone.error().retryable;
      if (!passing || now - in_use_at >= options_.appears_within ||
          now - begin >= kLooksMax * kLook) {
        return left_behind(gone.error());
      }
      last.pause(pause);
    }
  }

  void left_behind(const Error& why) {
    const std::string remove = "aws dynamodb delete-table --table-name " + options_.table +
                               " --region " + table_->endpoint().region;
    if (result_.seen) {
      return problem(why, "the table " + options_.table + " is still there; remove it: " + remove);
    }
    problem(why, "it is not known whether the table " + options_.table +
                     " was made; look again in a few minutes: aws dynamodb describe-table "
                     "--table-name " +
                     options_.table + " --region " + table_->endpoint().region +
                     "; if it is there, remove it: " + remove);
  }

  const VerificationOptions& options_;
  Verification result_;
  net::Waiting waiting_;
  const std::string circuit_ = "verify";
  OperationFigures* timed_ = nullptr;
  std::unique_ptr<DynamoDbStore> table_;  // for the table itself
  std::unique_ptr<DynamoDbStore> store_;  // that is timed
};

}  // namespace

Duration OperationFigures::quantile(double q) const {
  if (times.empty()) return Duration{};
  const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(times.size())));
  return times[std::clamp<std::size_t>(rank, 1, times.size()) - 1];
}

double cost_of(const OperationFigures& figures, const CapacityPrices& prices) {
  // What was not told is charged by the item, which takes a unit or a little more.
  return (figures.read_units * prices.read_units +
          (figures.write_units + figures.untold) * prices.write_units) /
         1e6;
}

double cost_at_most(const CapacityPrices& prices) {
  return kVerificationRequestsMax * kWriteUnitsMax * prices.write_units / 1e6;
}

Verification verify(net::Loop& loop, const std::function<bool()>& stopped,
                    const VerificationOptions& options) {
  return Verifier(loop, stopped, options).run();
}

std::string verification_policy(const std::string& region, const std::string& table) {
  const std::string partition = region.starts_with("cn-")       ? "aws-cn"
                                : region.starts_with("us-gov-") ? "aws-us-gov"
                                                                : "aws";
  return R"({
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": [
        "dynamodb:CreateTable",
        "dynamodb:TagResource",
        "dynamodb:DescribeTable",
        "dynamodb:DeleteTable",
        "dynamodb:GetItem",
        "dynamodb:UpdateItem",
        "dynamodb:DeleteItem",
        "dynamodb:Scan"
      ],
      "Resource": "arn:)" +
         partition + ":dynamodb:" + (region.empty() ? "*" : region) + ":*:table/" + table + R"("
    }
  ]
}
)";
}

std::string without_accounts(std::string text) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  for (auto at = text.find("arn:"); at != std::string::npos; at = text.find("arn:", at + 5)) {
    const auto end = std::min(text.find_first_of(" \"'),;", at), text.size());
    text.replace(at, end - at, "arn:…");
  }
  constexpr std::size_t kAccountDigits = 12;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t run = i;
    while (run < text.size() && digit(text[run])) ++run;
    if (run - i == kAccountDigits) text.replace(i, kAccountDigits, kAccountDigits, '*');
    i = std::max(run, i + 1);
  }
  return text;
}

}  // namespace switchgear::stores
