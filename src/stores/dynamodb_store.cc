#include "stores/dynamodb_store.h"

#include <utility>

#include "aws/error.h"
#include "core/assert.h"
#include "net/clocks.h"
#include "stores/dynamodb_note.h"

namespace switchgear::stores {
namespace {

// Requests that one operation makes, at the most. Each further one means that the item has changed
// in between in a way that matters.
constexpr int kRequestsMax = 8;

// Of an operation; whatever DynamoDB calls its throttling.
Error told(Error error) {
  if (!aws::is_throttling_code(error.code)) return error;
  error.message = error.code + ": " + error.message;
  error.code = kThrottled;
  return error;
}

}  // namespace

// One operation on its way.
struct DynamoDbStore::Work {
  std::string circuit;
  fleet::Operation operation;
  AnswerCallback done;
  int requests = 0;
  // Read, or shown by a failed condition, for this operation: what to decide by.
  std::optional<FoundItem> shown;
};

DynamoDbStore::DynamoDbStore(net::Loop& loop, const aws::Endpoint& endpoint,
                             std::shared_ptr<aws::CredentialsProvider> credentials,
                             const DynamoDbStoreOptions& options)
    : loop_(loop),
      options_(options),
      clock_(net::read_clocks()),
      http_(loop, options.http),
      client_(loop, http_, endpoint, std::move(credentials), core::Random(options.seed),
              aws::AwsClientOptions{.attempts_max = 1,
                                    .credentials_timeout = options.credentials_timeout > 0s
                                                               ? options.credentials_timeout
                                                               : options.timeout}),
      dynamodb_(client_, {.attempt_timeout = options.timeout, .on_consumed = options.on_consumed}) {
}

DynamoDbStore::~DynamoDbStore() { *alive_ = false; }

aws::Item DynamoDbStore::key(const std::string& circuit) const {
  return {{kItemKey, aws::AttributeValue::of_text(options_.name_space + "/" + circuit)}};
}

std::string DynamoDbStore::record_place(const std::string& circuit) const {
  return "item \"" + options_.name_space + "/" + circuit + "\" of table " + options_.table;
}

void DynamoDbStore::execute(const std::string& circuit, const fleet::Operation& operation,
                            AnswerCallback done) {
  last_.try_emplace(circuit);
  next(std::make_shared<Work>(
      Work{.circuit = circuit, .operation = operation, .done = std::move(done)}));
}

const FoundItem* DynamoDbStore::last(const std::string& circuit) const {
  const auto it = last_.find(circuit);
  return it != last_.end() && it->second ? &*it->second : nullptr;
}

void DynamoDbStore::next(std::shared_ptr<Work> work) {
  if (++work->requests > kRequestsMax) {
    // Each time nothing was written: too many write at once.
    return work->done(Error{.code = kThrottled,
                            .message = "the circuit's item changed again and again meanwhile",
                            .retryable = true,
                            .source = "dynamodb"});
  }
  const Now at = net::read_clocks();
  const auto time = clock_.bounds(at);
  const bool reads = std::holds_alternative<fleet::ReadOp>(work->operation);
  const auto* swap = std::get_if<fleet::SwapOp>(&work->operation);
  const bool by_time = std::holds_alternative<fleet::ClaimOp>(work->operation) ||
                       (swap && (swap->not_before || swap->claim));
  if (!time || (by_time && !clock_.fresh(at))) {
    return read(std::move(work), !reads);
  }
  const FoundItem* known = work->shown ? &*work->shown : last(work->circuit);
  ItemStep step = step_of(work->operation, known, work->shown.has_value(), *time);
  if (auto* write = std::get_if<aws::ItemUpdate>(&step)) {
    return update(std::move(work), std::move(*write));
  }
  if (const auto* status = std::get_if<fleet::Status>(&step)) {
    return finish(*work, *status, known->item);
  }
  read(std::move(work), !reads);
}

void DynamoDbStore::read(std::shared_ptr<Work> work, bool consistent) {
  consistent = consistent || options_.consistent_reads;
  const Duration sent = clock_.sent(net::read_clocks());
  const aws::Item of = key(work->circuit);
  dynamodb_.get_item(options_.table, of, consistent,
                     [this, alive = alive_, work = std::move(work), sent,
                      consistent](const Result<aws::ItemAnswer>& answer) mutable {
                       if (!*alive) return;
                       if (!answer) return work->done(told(answer.error()));
                       const FoundItem* known = last(work->circuit);
                       const bool older = known && age_of(answer->item) < age_of(known->item);
                       if (older && !consistent) {
                         if (auto noted = clock_only(sent, *answer); !noted) {
                           return work->done(noted.error());
                         }
                         return read(std::move(work), true);
                       }
                       if (auto noted = note(*work, sent, *answer); !noted) {
                         return work->done(noted.error());
                       }
                       work->shown = FoundItem{answer->item};
                       next(std::move(work));
                     });
}

void DynamoDbStore::update(std::shared_ptr<Work> work, aws::ItemUpdate update) {
  update.table = options_.table;
  update.key = key(work->circuit);
  const Duration sent = clock_.sent(net::read_clocks());
  dynamodb_.update_item(update, [this, alive = alive_, work = std::move(work),
                                 sent](const Result<aws::ItemAnswer>& answer) mutable {
    if (!*alive) return;
    // Somebody may have put a text where a number is to be added: see what is there.
    if (!answer && answer.error().code == "ValidationException" && !work->shown) {
      return read(std::move(work), true);
    }
    if (!answer) return work->done(told(answer.error()));
    if (answer->condition_failed && !answer->item) {
      // There is no item, or the server does not show it.
      return read(std::move(work), true);
    }
    if (auto noted = note(*work, sent, *answer); !noted) return work->done(noted.error());
    if (answer->condition_failed) {
      work->shown = FoundItem{answer->item};
      return next(std::move(work));
    }
    const auto* settle = std::get_if<fleet::SettleOp>(&work->operation);
    const bool late = settle && answer->item && settled_late(*settle, *answer->item);
    finish(*work, late ? fleet::Status::late : fleet::Status::ok, answer->item);
  });
}

Result<void> DynamoDbStore::clock_only(Duration sent, const aws::ItemAnswer& answer) {
  if (!answer.date) {
    return Error{.code = "protocol",
                 .message =
                     "the answer has no Date, by which the time at DynamoDB is told; a proxy "
                     "in between must leave that header alone",
                 .retryable = false,
                 .source = "dynamodb"};
  }
  clock_.answered(sent, *answer.date, net::read_clocks());
  return {};
}

Result<void> DynamoDbStore::note(const Work& work, Duration sent, const aws::ItemAnswer& answer) {
  if (auto noted = clock_only(sent, answer); !noted) return noted;
  // Unless it has been released meanwhile.
  if (const auto it = last_.find(work.circuit); it != last_.end()) {
    it->second = FoundItem{answer.item};
  }
  return {};
}

void DynamoDbStore::finish(const Work& work, fleet::Status status,
                           const std::optional<aws::Item>& item) {
  const auto time = clock_.bounds(net::read_clocks());
  SG_ASSERT(time);
  work.done(fleet::Answer{.status = status, .snapshot = snapshot_of(item, time->at_least)});
}

aws::Item DynamoDbStore::note_key(const std::string& circuit) const {
  return key(circuit + kNoteKeySuffix);
}

void DynamoDbStore::read_note(const std::string& circuit, NoteCallback done) {
  get_note(circuit, {}, std::move(done));
}

void DynamoDbStore::get_note(const std::string& circuit, NoteWrite write, NoteCallback done) {
  const Duration sent = clock_.sent(net::read_clocks());
  dynamodb_.get_item(options_.table, note_key(circuit), true,
                     [this, alive = alive_, write = std::move(write), sent,
                      done = std::move(done)](const Result<aws::ItemAnswer>& answer) {
                       if (!*alive) return;
                       if (!answer) return done(told(answer.error()));
                       done(note_answer(write, sent, *answer));
                     });
}

void DynamoDbStore::write_note(const std::string& circuit, std::uint64_t expected,
                               const std::string& text, NoteCallback done) {
  if (auto problem = problem_with_note(text)) {
    return loop_.post([alive = alive_, done = std::move(done), error = *std::move(problem)] {
      if (*alive) done(error);
    });
  }
  aws::ItemUpdate update = note_update(expected, text);
  update.table = options_.table;
  update.key = note_key(circuit);
  const Duration sent = clock_.sent(net::read_clocks());
  dynamodb_.update_item(update,
                        [this, alive = alive_, circuit, write = NoteWrite{expected, text}, sent,
                         done = std::move(done)](const Result<aws::ItemAnswer>& answer) mutable {
                          if (!*alive) return;
                          if (!answer) return done(told(answer.error()));
                          if (answer->condition_failed && !answer->item) {
                            // There is no note, or the server does not show it.
                            return get_note(circuit, std::move(write), std::move(done));
                          }
                          done(note_answer(write, sent, *answer));
                        });
}

Result<NoteAnswer> DynamoDbStore::note_answer(const NoteWrite& write, Duration sent,
                                              const aws::ItemAnswer& answer) {
  if (auto noted = clock_only(sent, answer); !noted) return noted.error();
  Result<Note> note = note_of(answer.item);
  if (!note) return note.error();
  const auto time = clock_.bounds(net::read_clocks());
  SG_ASSERT(time);
  note->time = time->at_least;
  const bool ours =
      !write.text.empty() && note->revision == write.expected + 1 && note->text == write.text;
  return NoteAnswer{.written = ours, .note = *std::move(note)};
}

void DynamoDbStore::list(NamesCallback done) {
  scan({}, std::make_shared<std::set<std::string>>(), std::move(done));
}

void DynamoDbStore::scan(const aws::Item& after, std::shared_ptr<std::set<std::string>> found,
                         NamesCallback done) {
  const std::string prefix = options_.name_space + "/";
  dynamodb_.scan_keys({.table = options_.table,
                       .key_attribute = kItemKey,
                       .key_prefix = prefix,
                       .having = "ep",  // of a record; sums alone make no circuit
                       .after = after},
                      [this, alive = alive_, prefix, found,
                       done = std::move(done)](const Result<aws::KeysPage>& page) mutable {
                        if (!*alive) return;
                        if (!page) return done(page.error());
                        for (const std::string& name : page->keys) {
                          found->insert(name.substr(prefix.size()));
                        }
                        if (!page->last_key.empty()) {
                          return scan(page->last_key, std::move(found), std::move(done));
                        }
                        done(std::vector<std::string>(found->begin(), found->end()));
                      });
}

void DynamoDbStore::remove(const std::string& circuit, std::function<void(Result<void>)> done) {
  if (const auto it = last_.find(circuit); it != last_.end()) it->second.reset();
  // The note first: as long as anything is left, `circuits list` shows the circuit.
  dynamodb_.delete_item(
      options_.table, note_key(circuit),
      [this, alive = alive_, circuit,
       done = std::move(done)](const Result<aws::ItemAnswer>& note) mutable {
        if (!*alive) return;
        if (!note) return done(note.error());
        dynamodb_.delete_item(
            options_.table, key(circuit),
            [alive, done = std::move(done)](const Result<aws::ItemAnswer>& answer) {
              if (!*alive) return;
              done(answer ? Result<void>{} : Result<void>(answer.error()));
            });
      });
}

}  // namespace switchgear::stores
