// The store on one table of Amazon DynamoDB: a circuit is one item (dynamodb_item.h), each
// operation one conditional update, so it is atomic on its circuit. A condition that fails answers
// with the item, so that losers need not read. The circuit's note is another item
// (dynamodb_note.h), written likewise. Time is the service's, known to within a second or
// so (dynamodb_clock.h).
//
// Reads of circuits are eventually consistent, but for two cases: an answer older than one that
// this process has seen is read again with consistency; and so is an item before a claim, or a swap
// that waits for a time, if there was no answer for two seconds.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "aws/client.h"
#include "aws/dynamodb.h"
#include "net/http_client.h"
#include "stores/dynamodb_clock.h"
#include "stores/dynamodb_item.h"
#include "stores/store.h"

namespace switchgear::stores {

struct DynamoDbStoreOptions {
  std::string table;
  // Keeps several systems on one table apart: 1 to 64 of A-Z a-z 0-9 . _ : -
  std::string name_space = "switchgear";
  Duration timeout = 1s;  // for each request; an operation makes one or two, seldom more
  std::uint64_t seed = 0;
  // For AWS credentials that are not at hand; 0: as `timeout`.
  Duration credentials_timeout{0};
  net::HttpClientOptions http = {};
  // Every read with consistency, for whoever judges an operation by the read after it.
  bool consistent_reads = false;
  // See aws::DynamoDbOptions.
  std::function<void(const aws::Consumed&)> on_consumed = {};
};

// No request is repeated here: members do that, and know what they sent. Destroying the store drops
// what is pending without calling back.
class DynamoDbStore final : public Store {
 public:
  // `loop` outlives the store.
  DynamoDbStore(net::Loop& loop, const aws::Endpoint& endpoint,
                std::shared_ptr<aws::CredentialsProvider> credentials,
                const DynamoDbStoreOptions& options);
  ~DynamoDbStore() override;

  void execute(const std::string& circuit, const fleet::Operation& operation,
               AnswerCallback done) override;
  void read_note(const std::string& circuit, NoteCallback done) override;
  void write_note(const std::string& circuit, std::uint64_t expected, const std::string& text,
                  NoteCallback done) override;
  void list(NamesCallback done) override;
  void remove(const std::string& circuit, std::function<void(Result<void>)> done) override;
  void release(const std::string& circuit) override { last_.erase(circuit); }
  std::string record_place(const std::string& circuit) const override;
  fleet::StoreLimits limits() const override { return kLimits; }
  // An item takes 1,000 writes of 1 KB a second and 6,000 eventually consistent reads of 4 KB, and
  // the writes of a recovery step come within a second.
  static constexpr fleet::StoreLimits kLimits{
      .thinning_rate = 500, .step_sample = 100, .reads_per_second = 2'000};
  std::string backend() const override { return "dynamodb"; }

  // For a diagnosis of the table.
  aws::DynamoDb& service() { return dynamodb_; }
  const aws::Endpoint& endpoint() const { return client_.endpoint(); }
  const std::string& table() const { return options_.table; }
  // No proxy is in between.
  bool is_direct() const {
    return net::proxy_for(options_.http.proxies, client_.endpoint().url) == nullptr;
  }
  aws::Item key(const std::string& circuit) const;

 private:
  struct Work;
  struct NoteWrite {
    std::uint64_t expected = 0;
    std::string text;
  };

  void next(std::shared_ptr<Work> work);
  void read(std::shared_ptr<Work> work, bool consistent);
  void update(std::shared_ptr<Work> work, aws::ItemUpdate update);
  // Takes note of the time of an answer, or of all of it. An error: it has no time.
  Result<void> clock_only(Duration sent, const aws::ItemAnswer& answer);
  Result<void> note(const Work& work, Duration sent, const aws::ItemAnswer& answer);
  const FoundItem* last(const std::string& circuit) const;
  // `write` is empty where the note is only read.
  void get_note(const std::string& circuit, NoteWrite write, NoteCallback done);
  Result<NoteAnswer> note_answer(const NoteWrite& write, Duration sent,
                                 const aws::ItemAnswer& answer);
  aws::Item note_key(const std::string& circuit) const;
  void finish(const Work& work, fleet::Status status, const std::optional<aws::Item>& item);
  void scan(const aws::Item& after, std::shared_ptr<std::set<std::string>> found,
            NamesCallback done);

  net::Loop& loop_;
  const DynamoDbStoreOptions options_;
  DynamoDbClock clock_;
  // The newest answer about each circuit in use, once there was one.
  std::map<std::string, std::optional<FoundItem>> last_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  // Last, so that they go first.
  net::HttpClient http_;
  aws::AwsClient client_;
  aws::DynamoDb dynamodb_;
};

}  // namespace switchgear::stores
