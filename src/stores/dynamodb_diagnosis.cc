#include "stores/dynamodb_diagnosis.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "net/clocks.h"

namespace switchgear::stores {
namespace {

// Long enough to see the second of the answers' Date change.
constexpr Duration kClockSamplesFor = 1100ms;
constexpr Duration kClockPause = 20ms;

const std::string kLoginFix =
    "check the credentials of this process (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, and "
    "AWS_SESSION_TOKEN if they are temporary): aws sts get-caller-identity shows whose they are";

class DynamoDbExamination {
 public:
  DynamoDbExamination(Examination& e, DynamoDbStore& store) : e_(e), store_(store) {}

  void run() {
    e_.look("table");
    if (!look_at_table()) return;
    look_at_time_to_live();
    try_rights();
    compare_clocks();
    if (!may_read_) {
      return e_.not_checked("latency, circuits", "nothing can be read without dynamodb:GetItem");
    }
    e_.measure_latency();
    e_.look_at_circuits(
        [this](const std::string& circuit) -> Result<std::size_t> {
          const auto answer = get(circuit);
          if (!answer) return answer.error();
          return answer->item ? aws::item_bytes(*answer->item) : 0;
        },
        kItemBytesMax);
  }

 private:
  template <class T, class Start>
  Result<T> ask(Start start) {
    return e_.waiting().wait_for<T>("dynamodb", start);
  }
  Result<aws::ItemAnswer> get(const std::string& circuit) {
    return ask<aws::ItemAnswer>([&](const auto& done) {
      store_.service().get_item(store_.table(), store_.key(circuit), false, done);
    });
  }

  std::string region() const { return store_.endpoint().region; }
  std::string make_it() const {
    return "switchgear init dynamodb --create --table " + store_.table() + " --region " + region();
  }
  static std::string grant(const std::string& action) {
    return "allow " + action +
           " on the table in the role's or user's policy (switchgear init dynamodb prints the "
           "policies)";
  }

  // Whether there is a table to look at further.
  bool look_at_table() {
    const auto table = ask<aws::TableDescription>(
        [&](const auto& done) { store_.service().describe_table(store_.table(), done); });
    const std::string place = store_.table() + " in " + region();
    if (!table && table.error().code == "interrupted") return false;
    if (!table && table.error().code == "ResourceNotFoundException") {
      e_.ok("connection", store_.endpoint().url.host_port() + " answers");
      e_.error("table", "there is no table " + place + " in this account",
               "make it: " + make_it() + "; or correct the name, AWS_REGION or the account");
      return false;
    }
    if (!table && is_denied(table.error())) {
      e_.ok("connection", store_.endpoint().url.host_port() + " answers");
      const std::string action = denied_action(table.error(), "dynamodb:DescribeTable");
      e_.not_checked("table", "only for looking is " + action +
                                  " needed, which these credentials lack; what is below was tried "
                                  "all the same");
      return true;
    }
    if (!table) {
      Error error = table.error();
      if (is_login_trouble(error)) error.code = "auth";
      e_.not_reached(error, kLoginFix);
      return false;
    }
    e_.ok("connection", store_.endpoint().url.host_port() + " answers, the credentials are good");
    if (table->key_attribute != kItemKey || table->key_type != "S" || !table->sort_key.empty()) {
      e_.error(
          "key",
          "the key of " + place + " is \"" + table->key_attribute + "\" of type " +
              table->key_type +
              (table->sort_key.empty() ? "" : " with the sort key \"" + table->sort_key + "\"") +
              "; circuits need the text (S) \"" + std::string(kItemKey) + "\" alone",
          "a key cannot be changed: make another table: switchgear init dynamodb --create "
          "--table NAME --region " +
              region());
      return false;
    }
    if (table->status == "ACTIVE") {
      e_.ok("table", place + " is ACTIVE, its key is as it should be");
    } else if (table->status == "UPDATING") {
      e_.warning("table", place + " is UPDATING", "it can be used meanwhile; look again later");
    } else {
      e_.error("table", place + " is " + table->status,
               table->status == "CREATING"
                   ? "wait until it is ACTIVE"
                   : "see the table in the console; to make one: " + make_it());
      if (table->status != "CREATING") return false;
    }
    if (table->billing_mode == "PAY_PER_REQUEST") {
      e_.ok("billing", "on demand: one circuit bears 1,000 small writes a second");
    } else {
      e_.warning("billing",
                 "provisioned, " + std::to_string(table->read_units) + " reads and " +
                     std::to_string(table->write_units) +
                     " writes a second: trouble of a dependency comes with a burst of writes, "
                     "which is then throttled",
                 "aws dynamodb update-table --table-name " + store_.table() +
                     " --billing-mode PAY_PER_REQUEST --region " + region());
    }
    return true;
  }

  void look_at_time_to_live() {
    const auto ttl = ask<aws::TimeToLive>(
        [&](const auto& done) { store_.service().describe_time_to_live(store_.table(), done); });
    if (!ttl) {
      if (ttl.error().code == "interrupted") return;
      const std::string action = denied_action(ttl.error(), "dynamodb:DescribeTimeToLive");
      return e_.not_checked("time to live", is_denied(ttl.error())
                                                ? action + " is missing, needed only for looking"
                                                : ttl.error().text());
    }
    const std::string attribute = kItemTtl;
    const std::string enable =
        "aws dynamodb update-time-to-live --table-name " + store_.table() +
        " --time-to-live-specification Enabled=true,AttributeName=" + attribute + " --region " +
        region();
    if (ttl->status != "ENABLED" && ttl->status != "ENABLING") {
      e_.warning("time to live", "off: circuits that nobody uses any more stay for ever", enable);
    } else if (ttl->attribute != attribute) {
      e_.error("time to live",
               "goes by the attribute \"" + ttl->attribute + "\" instead of \"" + attribute +
                   "\": unused circuits stay, and what carries that attribute may vanish",
               "switch it off for \"" + ttl->attribute + "\" (Enabled=false), wait an hour, then " +
                   enable);
    } else {
      e_.ok("time to live", "by \"" + attribute + "\": unused circuits go after 14 days");
    }
  }

  // Each request that Switchgear makes, once. The throw-away item has no record, so that a list
  // does not show it; it has an end, should nobody be able to remove it.
  void try_rights() {
    e_.look("rights");
    const aws::Item key = store_.key(e_.circuit());
    const auto read = get(e_.circuit());
    may_read_ = read.has_value();
    tried("dynamodb:GetItem", "every process that uses circuits", read);
    const WallTime now = net::read_clocks().wall;
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
    e_.will_write(e_.circuit());
    const auto written = ask<aws::ItemAnswer>([&](const auto& done) {
      store_.service().update_item(
          {.table = store_.table(),
           .key = key,
           .update = "SET #ttl = :end ADD #sum :one",
           .condition = "attribute_not_exists(#ep)",
           .names = {{"#ttl", kItemTtl}, {"#sum", "doctor"}, {"#ep", "ep"}},
           .values = {{":end", aws::AttributeValue::of_number(seconds + 3'600)},
                      {":one", aws::AttributeValue::of_number(1)}}},
          done);
    });
    if (!written && is_denied(written.error())) e_.has_removed(e_.circuit());
    tried("dynamodb:UpdateItem", "every process that uses circuits", written);
    tried("dynamodb:DeleteItem", "circuits reset --forget",
          ask<aws::ItemAnswer>(
              [&](const auto& done) { store_.service().delete_item(store_.table(), key, done); }));
    tried("dynamodb:Scan", "circuits list", ask<aws::KeysPage>([&](const auto& done) {
            store_.service().scan_keys({.table = store_.table(),
                                        .key_attribute = kItemKey,
                                        .key_prefix = e_.circuit(),
                                        .having = "ep"},
                                       done);
          }));
    if (!allowed_.empty()) e_.ok("rights", allowed_ + " work");
  }

  template <class T>
  void tried(const std::string& action, const std::string& who, const Result<T>& result) {
    if (result) {
      if (action == "dynamodb:DeleteItem") e_.has_removed(e_.circuit());
      allowed_ += (allowed_.empty() ? "" : ", ") + action;
      return;
    }
    const Error& error = result.error();
    if (error.code == "interrupted") return;
    // People's commands need more than processes do.
    const bool for_people = action == "dynamodb:DeleteItem" || action == "dynamodb:Scan";
    if (!is_denied(error)) {
      e_.error(
          "rights", action + " fails: " + error.text(),
          "see what the words of DynamoDB say; throttling passes, or needs on-demand capacity");
    } else if (for_people) {
      e_.warning("rights", denied_action(error, action) + " is missing; only " + who + " needs it",
                 grant(action) + ", if this is to be done with these credentials");
    } else {
      e_.error("rights", denied_action(error, action) + " is missing, which " + who + " needs",
               grant(action) + ", with the condition dynamodb:LeadingKeys on switchgear/*");
    }
  }

  // The Date of an answer is cut off to seconds, so the service's time is known to within one, and
  // better once the Date has been seen to change.
  void compare_clocks() {
    e_.look("clock");
    std::optional<Duration> least, most;  // how far theirs is ahead
    std::string failure;
    const MonoTime end = net::read_clocks().mono + kClockSamplesFor;
    do {
      const Now sent = net::read_clocks();
      const auto answer = get(e_.circuit());
      const Now received = net::read_clocks();
      if (!answer || !answer->date) {
        failure = answer ? "the answers have no Date" : answer.error().text();
        break;
      }
      const Duration date = answer->date->time_since_epoch();
      const Duration at_least = date - received.wall.time_since_epoch();
      const Duration at_most = date + 1s - sent.wall.time_since_epoch();
      least = std::max(least.value_or(at_least), at_least);
      most = std::min(most.value_or(at_most), at_most);
    } while (net::read_clocks().mono < end && e_.waiting().pause(kClockPause));
    if (!least || *least > *most) {
      return e_.not_checked("clock", least ? "one of the clocks was set meanwhile" : failure);
    }
    e_.judge_clock((*least + *most) / 2, (*most - *least) / 2, true);
  }

  Examination& e_;
  DynamoDbStore& store_;
  bool may_read_ = false;
  std::string allowed_;
};

}  // namespace

bool is_denied(const Error& error) {
  return error.code == "AccessDenied" || error.code == "AccessDeniedException";
}

bool is_login_trouble(const Error& error) {
  constexpr std::string_view kCodes[] = {"UnrecognizedClientException",
                                         "InvalidClientTokenId",
                                         "SignatureDoesNotMatch",
                                         "InvalidSignatureException",
                                         "ExpiredToken",
                                         "ExpiredTokenException",
                                         "MissingAuthenticationToken",
                                         "IncompleteSignature",
                                         "InvalidAccessKeyId",
                                         "MissingAuthenticationTokenException",
                                         "IncompleteSignatureException"};
  return std::ranges::find(kCodes, error.code) != std::end(kCodes);
}

std::string denied_action(const Error& error, const std::string& assumed) {
  constexpr std::string_view kBefore = "not authorized to perform: ";
  const auto at = error.message.find(kBefore);
  if (at == std::string::npos) return assumed;
  const auto begin = at + kBefore.size();
  const auto end = error.message.find_first_not_of(
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ:", begin);
  const std::string action = error.message.substr(begin, end - begin);
  return action.starts_with("dynamodb:") ? action : assumed;
}

void examine(Examination& examination, DynamoDbStore& store) {
  DynamoDbExamination(examination, store).run();
}

}  // namespace switchgear::stores
