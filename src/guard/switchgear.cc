#include "switchgear/switchgear.h"

#include "guard/runtime.h"
#include "guard/thread_context.h"
#include "stores/open.h"

namespace switchgear {
namespace {

template <class T>
T value_or_throw(Result<T> result) {
  if (!result) throw InvalidArgument(result.error().text());
  return std::move(*result);
}

std::string all_of(const Problems& problems) {
  std::string text = "invalid options";
  for (const Problem& problem : problems) text += "; " + problem.place + ": " + problem.message;
  return text;
}

std::shared_ptr<guard::Listener> listener_for(
    std::function<void(const TransitionEvent&)> callback) {
  return std::make_shared<guard::Listener>(
      [tell = std::move(callback)](const std::string& circuit, const fleet::Transition& transition,
                                   bool first_sight) {
        tell({.circuit = circuit,
              .epoch = transition.epoch,
              .from = transition.from,
              .to = transition.to,
              .hold = transition.hold,
              .reason = transition.reason,
              .why = transition.why,
              .time = transition.at,
              .first_sight = first_sight});
      });
}

aws::CredentialsListener credentials_listener(const Options& options) {
  if (!options.on_problem) return {};
  return [tell = options.on_problem](const aws::CredentialsNews& news) {
    try {
      tell(news.text());
    } catch (...) {  // NOLINT(bugprone-empty-catch): the user's, see header
    }
  };
}

}  // namespace

Subscription& Subscription::operator=(Subscription&& other) noexcept {
  if (this != &other) {
    if (listener_) listener_->end();
    listener_ = std::move(other.listener_);
  }
  return *this;
}

Subscription::~Subscription() {
  if (listener_) listener_->end();
}

Problems Options::validate() const {
  Problems problems;
  const auto expect = [&](bool good, const char* place, const char* message) {
    if (!good) problems.push_back({.place = place, .message = message});
  };
  expect(first_view_wait >= 0s && first_view_wait <= 1s, "first_view_wait",
         "must be from 0 s to 1 s");
  expect(store_timeout >= 1ms && store_timeout <= 1min, "store_timeout",
         "must be from 1 ms to 1 min");
  expect(circuits_max >= 1 && circuits_max <= 1'000'000, "circuits_max",
         "must be from 1 to 1,000,000");
  expect(keys_max >= 1 && keys_max <= 1'000'000, "keys_max", "must be from 1 to 1,000,000");
  expect(failures_queued_max >= 2 && failures_queued_max <= 1'048'576, "failures_queued_max",
         "must be from 2 to 1,048,576");
  return problems;
}

Refused::Refused(const std::string& circuit, const Refusal& refusal)
    : std::runtime_error("the circuit " + circuit + " is " + std::string(to_string(refusal.state)) +
                         " and refuses the call (" + std::string(to_string(refusal.reason)) +
                         "); ask again in " + std::to_string(ceil_ms(refusal.retry_after).count()) +
                         " ms"),
      refusal_(refusal) {}

namespace detail {

Outcome classify_exception() noexcept {
  try {
    throw;
  } catch (const std::system_error& error) {
    if (error.code() == std::errc::timed_out) return Outcome::overload;
    if (error.code() == std::errc::operation_canceled) return Outcome::ignored;
    return Outcome::failure;
  } catch (...) {
    return Outcome::failure;
  }
}

}  // namespace detail

void Permit::finish(Outcome outcome) {
  guard::CircuitCore* const circuit = std::exchange(circuit_, nullptr);
  if (circuit != nullptr) circuit->finish(what_.leave, outcome);
  if (keeps_) keeps_.reset();
}

void Permit::finish(Outcome outcome, Duration retry_after) {
  if (circuit_ != nullptr) circuit_->asked_to_wait(retry_after);
  finish(outcome);
}

void Permit::abandon() noexcept {
  finish(*guard::thread_context().uncaught > uncaught_ ? Outcome::failure : Outcome::ignored);
}

bool Permit::may_start() const { return circuit_ != nullptr && circuit_->may_start(what_.leave); }

Permit Circuit::try_acquire() const noexcept {
  Permit permit;
  permit.admitted_ = core_->admit(permit.what_.leave, permit.what_.refusal);
  permit.circuit_ = permit.admitted_ ? core_.get() : nullptr;
  if (permit.admitted_ && core_->keyed()) permit.keeps_ = core_;
  permit.uncaught_ = *guard::thread_context().uncaught;
  return permit;
}

Circuit Circuit::key(std::string_view key) const {
  if (core_->name().front() == '(') return *this;  // beyond the limits
  if (core_->name().find('/') != std::string::npos) {
    throw InvalidArgument("the circuit " + core_->name() + " has a key already, and can have no '" +
                          std::string(key) + "'");
  }
  return {runtime_, value_or_throw(runtime_->circuit(core_->name() + "/" + std::string(key)))};
}

std::string_view Circuit::name() const { return core_->name(); }

CircuitStatus Circuit::status() const {
  CircuitStatus status;
  guard::Seat* const seat = core_->seat();
  if (seat == nullptr) return status;
  const guard::CircuitCounts counts = core_->counts();
  seat->touch([&](fleet::Member& member, const Now& now) {
    status.state = member.state();
    status.hold = member.hold_in_force();
    status.epoch = member.record() != nullptr ? member.record()->epoch : 0;
    status.view_age = member.view_age(now);
    status.blind = member.blind(now);
    status.evidence_ratio = member.evidence_ratio();
    status.unreadable = member.unreadable();
  });
  status.succeeded = counts.outcomes[static_cast<int>(Outcome::success)];
  status.failed = counts.outcomes[static_cast<int>(Outcome::failure)];
  status.overloaded = counts.outcomes[static_cast<int>(Outcome::overload)];
  status.ignored = counts.outcomes[static_cast<int>(Outcome::ignored)];
  for (const std::uint64_t count : counts.refused) status.refused += count;
  for (const std::uint64_t count : counts.probes) status.probes += count;
  status.late = counts.late;
  status.dropped = counts.dropped;
  status.evidence_dropped = counts.evidence_dropped;
  return status;
}

Circuits::Circuits(std::shared_ptr<guard::Runtime> runtime) : runtime_(std::move(runtime)) {}

Circuits& Circuits::operator=(Circuits&& other) noexcept {
  if (this != &other) {
    if (runtime_) runtime_->close();
    runtime_ = std::move(other.runtime_);
  }
  return *this;
}

Circuits::~Circuits() {
  if (runtime_) runtime_->close();
}

Circuit Circuits::circuit(std::string_view name) {
  return {runtime_, value_or_throw(runtime_->circuit(std::string(name)))};
}

Circuit Circuits::circuit(std::string_view name, const Policy& policy) {
  return {runtime_, value_or_throw(runtime_->circuit(std::string(name), policy))};
}

Subscription Circuits::on_transition(std::function<void(const TransitionEvent&)> callback) {
  auto listener = listener_for(std::move(callback));
  runtime_->listen(listener);
  return Subscription(std::move(listener));
}

KeysStatus Circuits::keys_of(std::string_view parent) const {
  KeysStatus status;
  for (const auto& core : runtime_->keys_of(parent)) {
    ++status.keys;
    guard::Seat* const seat = core->seat();
    if (seat == nullptr) continue;
    seat->touch([&](const fleet::Member& member, const Now&) {
      const State state = member.state();
      status.open += state == State::open || state == State::half_open;
      status.recovering += state == State::recovering;
      status.held += member.hold_in_force() != HoldKind::none;
    });
  }
  return status;
}

std::uint64_t Circuits::unguarded() const { return runtime_->circuits_refused(); }

bool Circuits::store_up() const { return runtime_->store_up(); }

Circuits open(std::string_view url, Options options) {
  if (const Problems problems = options.validate(); !problems.empty()) {
    throw InvalidArgument(all_of(problems));
  }
  guard::RuntimeOptions runtime_options;
  runtime_options.engine.circuits_max = options.circuits_max;
  runtime_options.keys_max = options.keys_max;
  runtime_options.engine.push = options.push;
  runtime_options.engine.member.store_budget = std::max<Duration>(options.first_view_wait, 1ms);
  runtime_options.circuit.first_view_wait = options.first_view_wait;
  runtime_options.notes_max = options.failures_queued_max;
  guard::RuntimeEvents events{.transition = {}, .problem = options.on_problem};
  const stores::StoreOptions store_options{.name_space = options.name_space,
                                           .timeout = options.store_timeout,
                                           .seed = runtime_options.engine.identity.seed,
                                           .on_credentials = credentials_listener(options)};
  std::shared_ptr<guard::Runtime> runtime = value_or_throw(guard::Runtime::start(
      [&](net::Loop& loop) { return stores::open_store(loop, url, store_options); },
      std::move(runtime_options), std::move(events)));
  if (options.on_transition) runtime->listen(listener_for(std::move(options.on_transition)));
  return Circuits(std::move(runtime));
}

}  // namespace switchgear
