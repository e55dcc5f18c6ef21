// Switchgear: a circuit breaker that a whole fleet shares.
//
//   #include <switchgear/switchgear.h>
//
//   auto circuits = switchgear::open("redis://127.0.0.1:6379");
//   auto payments = circuits.circuit("payments-api", {.unacceptable_failure_rate = 0.3});
//
// -----------------------------------------------------------------------
// RUNNING A CALL UNDER A CIRCUIT
//
//   Receipt receipt = payments.run(
//       [&] { return charge(card); },
//       [&](const switchgear::Refusal& refusal) {
//         return queue_for_later(card, refusal.retry_after);
//       });
//
// The first function is the call. Its result is returned as it is and what it throws is thrown on;
// both are classified on the way (see OUTCOMES). When the circuit refuses, the call is not made
// and the second function answers instead.
//
// Without a second function a refusal is an exception that carries it:
//
//   try {
//     charge_result = payments.run([&] { return charge(card); });
//   } catch (const switchgear::Refused& refused) {
//     retry_later(refused.refusal().retry_after);
//   }
//
// -----------------------------------------------------------------------
// THE SAME BY HAND
//
// For calls that end elsewhere (callbacks, coroutines, another thread):
//
//   auto permit = payments.try_acquire();            // never blocks on I/O
//   if (!permit) return later(permit.refusal());     // do not call; say why
//   send(request, [permit = std::move(permit)](const Response& response) mutable {
//     permit.finish(switchgear::outcome_of_status(response.status));
//   });
//
// FAILS: a permit serves one call. Asking once and calling twice leaves the second call unguarded:
//   if (payments.try_acquire()) { charge(a); charge(b); }     // wrong
// FAILS: a permit that is dropped without an outcome says nothing about the dependency ("ignored"),
// unless an exception is unwinding, which counts as a failure:
//   if (auto permit = payments.try_acquire()) charge(card);   // wrong: counts nothing
// FAILS: a permit must not outlive the last handle on its circuit and its Circuits.
//
// -----------------------------------------------------------------------
// OUTCOMES
//
//   success    the dependency answered in time; "not found" and "declined" are answers too
//   failure    it is broken: 5xx, no connection, credentials refused
//   overload   it cannot keep up: timeout, 408, 429, 503, 504
//   ignored    says nothing about it: cancelled, or the caller's own fault
//
// run() classifies results by, in this order:
//   1. a function outcome_of(const Result&) in the result type's namespace:
//        switchgear::Outcome outcome_of(const Receipt& r) {
//          return switchgear::outcome_of_status(r.http_status);
//        }
//   2. a result that is a switchgear::Outcome is itself;
//   3. a result with has_value() and error(), such as std::expected: success with a value, else
//      outcome_of(error) if there is one, else failure;
//   4. everything else is a success: void, numbers, bool, std::optional. An empty optional is an
//      answer of a healthy dependency; where it is not, write outcome_of for a type of your own.
// Exceptions are failures; but a std::system_error with the condition std::errc::timed_out is
// overload, and with std::errc::operation_canceled is ignored.
//
// -----------------------------------------------------------------------
// WHAT IT COSTS, AND WHAT IT NEVER DOES
//
// While a circuit is closed, asking and succeeding takes tens of nanoseconds together: no lock, no
// allocation, no system call, no I/O. A background thread does all I/O with the store; it sleeps
// while no calls are made. The first call of a process, or the first after it was frozen or long
// idle, may wait for a view of the circuit, by default at most 10 ms. A store that is slow or gone
// delays nothing else, and calls go on: each process then guards itself. No lock is held while
// your call runs. Only open(), circuit() and a run() that is refused without a fallback throw.
//
// -----------------------------------------------------------------------
// THREADS AND LIFETIME
//
// Everything may be used from any thread, one object of it at a time (handles are cheap to copy).
// Permits may finish on another thread than they were acquired on. Threads do not survive fork():
// open after it.
#pragma once

#include <concepts>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include "core/outcome.h"
#include "core/policy.h"
#include "core/problem.h"
#include "core/refusal.h"
#include "core/state.h"
#include "core/time.h"
#include "guard/leave.h"

namespace switchgear {

namespace guard {
class CircuitCore;
class Listener;
class Runtime;
}  // namespace guard

// A change of a circuit's state, or of the hold that a person laid over it, as this process saw
// it. Identified by circuit and epoch.
struct TransitionEvent {
  std::string circuit;
  std::int64_t epoch = 0;
  State from = State::closed;
  State to = State::closed;
  HoldKind hold = HoldKind::none;  // that lies over `to`
  std::string reason;              // "failure_rate", "probe_failed", "operator", …
  std::string why;                 // the evidence, for a person
  // When, by the store's clock; see to_ms() in core/time.h.
  StoreTime time{};
  // No change: how the circuit stands when it is first seen; `from` and `to` are the same.
  bool first_sight = false;
};

// Settings of a process; what concerns one circuit is in Policy (core/policy.h).
struct Options {
  // How long a call may wait for the first view of a circuit, or for a new one after the process
  // was frozen or long idle; then the circuit decides without. 0 s: never waits. At most 1 s.
  Duration first_view_wait = 10ms;
  // A store operation that is not answered by then counts as failed. No call waits for it.
  // 1 ms to 1 min.
  Duration store_timeout = 1s;
  // Keeps several systems on one store apart. 1 to 64 of A-Z a-z 0-9 . _ : -
  std::string name_space = "switchgear";
  // Circuits that this process may have, keyed ones included, about 20 KB each, so that names which
  // come from outside cannot exhaust its memory. Calls of circuits beyond it are not guarded;
  // on_problem hears of it. 1 to 1,000,000.
  std::size_t circuits_max = 10'000;
  // Keyed circuits ("payments-api/tenant-7") that one parent may have; see Circuit::key().
  // 1 to 1,000,000.
  std::size_t keys_max = 10'000;
  // Failed calls that may wait for the background thread to count them, 48 bytes each; more are
  // dropped and counted. 2 to 1,048,576.
  std::size_t failures_queued_max = 8192;
  // Whether the store may push changes, where it can (Redis): every process that uses a circuit
  // then knows of its opening within a round trip instead of at its next look. Costs a second
  // connection, one message for each change of state or hold, and one read by each process that it
  // is news to. Nothing depends on it: where it fails, views are refreshed as the policy says.
  bool push = true;
  // Called on the background thread: be quick and throw nothing. What they throw is swallowed.
  // The same as Circuits::on_transition(), for as long as the Circuits live.
  std::function<void(const TransitionEvent&)> on_transition{};
  // A sentence that a person should read: the store is gone, or back; too many circuits; a record
  // that cannot be read; settings of a circuit that are not the fleet's; AWS credentials that do
  // not come.
  std::function<void(const std::string&)> on_problem{};

  // Every problem, each with the field's name as place. Empty: valid.
  Problems validate() const;
};

// Thrown by open() and circuit() for arguments that can never work. Never for a store that cannot
// be reached.
class InvalidArgument : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

// Thrown by run() without a fallback when the circuit refuses.
class Refused : public std::runtime_error {
 public:
  Refused(const std::string& circuit, const Refusal& refusal);
  const Refusal& refusal() const { return refusal_; }

 private:
  Refusal refusal_;
};

// The class of an HTTP status of a call: 2xx and 3xx are successes, and so are 404, 409, 410 and
// 412, for the dependency is well and said no; 408, 429, 503 and 504 are overload; 401, 403 and
// other 5xx are failures; every other 4xx is the caller's own fault and ignored.
inline Outcome outcome_of_status(int http_status) { return core::outcome_of_call(http_status); }

// Leave for one call, or the refusal of it. Move-only.
class Permit {
 public:
  Permit(Permit&& other) noexcept
      : circuit_(std::exchange(other.circuit_, nullptr)),
        uncaught_(other.uncaught_),
        admitted_(other.admitted_),
        what_(other.what_),
        keeps_(std::move(other.keeps_)) {}
  Permit& operator=(Permit&& other) noexcept {
    if (this != &other) {
      if (circuit_ != nullptr) abandon();
      circuit_ = std::exchange(other.circuit_, nullptr);
      uncaught_ = other.uncaught_;
      admitted_ = other.admitted_;
      what_ = other.what_;
      keeps_ = std::move(other.keeps_);
    }
    return *this;
  }
  // Unfinished: a failure while an exception unwinds that was not on its way when the permit was
  // acquired, otherwise ignored.
  ~Permit() {
    if (circuit_ != nullptr) abandon();
  }

  // Whether the call may be made.
  explicit operator bool() const { return admitted_; }
  // Why not. Only if the call may not be made.
  const Refusal& refusal() const { return what_.refusal; }

  // How the call ended. The first outcome counts, later ones are without effect; so is any for a
  // permit that was refused or moved from.
  void finish(Outcome outcome);
  // The same for a dependency that said when to come back (Retry-After), counted from now: if the
  // circuit opens, it stays open for at least that long, up to Policy::retry_after_max.
  void finish(Outcome outcome, Duration retry_after);
  void success() { finish(Outcome::success); }
  void failure() { finish(Outcome::failure); }
  void overload() { finish(Outcome::overload); }
  void ignore() { finish(Outcome::ignored); }

  // For a call that had to wait after it was admitted: asked right before it is sent. False: the
  // permit has lost its worth (the circuit has opened, a probe's lease cannot cover the call any
  // more, the process was frozen); ignore() it and ask for another.
  bool may_start() const;

 private:
  friend class Circuit;
  // Left blank, filled by try_acquire: the call path writes nothing twice.
  // NOLINTNEXTLINE(modernize-use-equals-default,clang-analyzer-optin.cplusplus.UninitializedObject)
  Permit() {}
  void abandon() noexcept;

  union What {
    guard::Leave leave;
    Refusal refusal;
    What() {}  // NOLINT(modernize-use-equals-default): left blank, filled by try_acquire
  };
  static_assert(std::is_trivially_copyable_v<guard::Leave> &&
                std::is_trivially_copyable_v<Refusal>);

  guard::CircuitCore* circuit_;  // null: nothing to finish
  unsigned uncaught_;            // exceptions that were unwinding already
  bool admitted_;
  What what_;
  // Of a keyed circuit alone, which is forgotten only while no call of it is out.
  std::shared_ptr<guard::CircuitCore> keeps_;
};

// What a circuit looks like from this process.
struct CircuitStatus {
  State state = State::closed;
  HoldKind hold = HoldKind::none;
  std::int64_t epoch = 0;     // 0: no view of it yet
  Duration view_age{0};       // how old the view is
  bool blind = false;         // the view is too old or missing: this process decides alone
  double evidence_ratio = 0;  // evidence over trip level, 0 to about 1
  std::string unreadable;     // why the record cannot be used; empty: it can
  // Counts since the start.
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;
  std::uint64_t overloaded = 0;
  std::uint64_t ignored = 0;
  std::uint64_t refused = 0;
  std::uint64_t probes = 0;
  std::uint64_t late = 0;              // results of an earlier epoch: changed nothing
  std::uint64_t dropped = 0;           // results for which there was no room
  std::uint64_t evidence_dropped = 0;  // failures counted here, but too old for the fleet
};

// How the keyed circuits of one parent stand, in this process.
struct KeysStatus {
  std::size_t keys = 0;
  std::size_t open = 0;  // OPEN or HALF_OPEN
  std::size_t recovering = 0;
  std::size_t held = 0;
};

namespace detail {

void outcome_of() = delete;  // so that only functions found through the argument's type count

template <class T>
concept HasOutcome = requires(const T& value) {
  { outcome_of(value) } -> std::convertible_to<Outcome>;
};
template <class T>
concept IsExpected = requires(const T& value) {
  { value.has_value() } -> std::convertible_to<bool>;
  value.error();
};

template <class T>
Outcome classify(const T& result) {
  if constexpr (HasOutcome<T>) {
    return outcome_of(result);
  } else if constexpr (std::is_same_v<T, Outcome>) {
    return result;
  } else if constexpr (IsExpected<T>) {
    if (result.has_value()) return Outcome::success;
    if constexpr (HasOutcome<std::remove_cvref_t<decltype(result.error())>>) {
      return outcome_of(result.error());
    } else {
      return Outcome::failure;
    }
  } else {
    return Outcome::success;
  }
}

// Of the exception that is being handled.
Outcome classify_exception() noexcept;

// The call under a permit that was given.
template <class Call>
std::invoke_result_t<Call> run_under(Permit& permit, Call&& call) {
  using R = std::invoke_result_t<Call>;
  const auto guarded = [&]() -> R {
    try {
      return std::invoke(std::forward<Call>(call));
    } catch (...) {
      permit.finish(classify_exception());
      throw;
    }
  };
  if constexpr (std::is_void_v<R>) {
    guarded();
    permit.success();
  } else {
    R result = guarded();
    // A classification that throws must not replace the result.
    try {
      permit.finish(classify<std::remove_cvref_t<R>>(result));
    } catch (...) {
      permit.ignore();
    }
    return static_cast<R&&>(result);
  }
}

}  // namespace detail

// A handle on one circuit. Cheap to copy; copies share the circuit. Usable after its Circuits has
// ended: then every call passes.
class Circuit {
 public:
  // Makes the call if the circuit lets it, else returns what fallback(refusal) returns.
  template <class Call, class Fallback>
    requires std::invocable<Call> && std::invocable<Fallback, const Refusal&>
  std::invoke_result_t<Call> run(Call&& call, Fallback&& fallback) const {
    Permit permit = try_acquire();
    if (!permit) return std::invoke(std::forward<Fallback>(fallback), permit.refusal());
    return detail::run_under(permit, std::forward<Call>(call));
  }
  // The same; throws Refused if the circuit does not let it.
  template <class Call>
    requires std::invocable<Call>
  std::invoke_result_t<Call> run(Call&& call) const {
    Permit permit = try_acquire();
    if (!permit) throw Refused(std::string(name()), permit.refusal());
    return detail::run_under(permit, std::forward<Call>(call));
  }

  // Whether a call may go out. Waits for nothing but, within Options::first_view_wait, the first
  // view of the circuit. Throws nothing.
  [[nodiscard]] Permit try_acquire() const noexcept;

  // The circuit of one key of what this circuit guards, such as a tenant or a shard, made when it
  // is first asked for, with this circuit's settings: what is wrong with one key stops that key
  // alone. The same as asking the Circuits for "name/key". Throws InvalidArgument for a bad key.
  //
  //   payments.key(tenant).run([&] { return charge(card); }, later);
  //
  // Keys may come from outside. A process keeps at most Options::keys_max of each parent; beyond
  // that it forgets the one that was asked for longest ago, if nothing is lost with it: closed, not
  // held, no call or handle out, nothing left to report. One that is open, probing, recovering or
  // held is never forgotten. Where none can be forgotten, calls of a new key are not guarded; see
  // Circuits::unguarded(). Asking for a key that is there takes a lock for less than a microsecond
  // and no I/O; asking for a new one builds it. Whoever calls one key often keeps what this
  // returns: that costs nothing per call.
  //
  // With its circuit a process forgets the policy that a key was given by name, and what its calls
  // were counted as; the record stays in the store, except in "memory:".
  Circuit key(std::string_view key) const;

  // "(beyond circuits_max)" for a circuit that is one too many.
  std::string_view name() const;
  // Takes the circuit's lock for a moment: for metrics and people, not for every call.
  CircuitStatus status() const;

 private:
  friend class Circuits;
  Circuit(std::shared_ptr<guard::Runtime> runtime, std::shared_ptr<guard::CircuitCore> core)
      : runtime_(std::move(runtime)), core_(std::move(core)) {}

  std::shared_ptr<guard::Runtime> runtime_;
  std::shared_ptr<guard::CircuitCore> core_;  // ends before the runtime does
};

// Goes on until its end. Move-only.
class Subscription {
 public:
  Subscription() = default;  // to nothing
  Subscription(Subscription&&) noexcept = default;
  Subscription& operator=(Subscription&& other) noexcept;
  // Once it returns the callback is not running and will not be called again (except for the call
  // that it is ended from).
  ~Subscription();

 private:
  friend class Circuits;
  explicit Subscription(std::shared_ptr<guard::Listener> listener)
      : listener_(std::move(listener)) {}
  std::shared_ptr<guard::Listener> listener_;
};

// The circuits of a process on one store, and the thread that keeps them. Move-only. Its end stops
// the thread.
class Circuits {
 public:
  Circuits(Circuits&&) noexcept = default;
  Circuits& operator=(Circuits&& other) noexcept;
  ~Circuits();

  // The circuit of this name, 1 to 256 of A-Z a-z 0-9 . _ : - and optionally a slash and a key of
  // the same kind. The same name is the same circuit, in every process that uses the store. Without
  // a policy: the one it was first asked for with, or that of its parent if it has a key, or the
  // default. Throws InvalidArgument for a bad name or policy (with all problems), and for a name in
  // use with another policy.
  //
  // FAILS: settings of one circuit that differ between processes; the fleet goes by whoever writes:
  //   circuits.circuit("payments-api", {.probes = is_canary ? 5 : 1});   // wrong
  Circuit circuit(std::string_view name);
  Circuit circuit(std::string_view name, const Policy& policy);

  // Calls back on the background thread, first with how each circuit stands (first_sight), then
  // with each of its transitions in order. Be quick and throw nothing.
  //
  // Every instance of the fleet tells of the transitions that it sees, and whoever starts tells how
  // it finds the circuits, so that across the fleet each is told at least once, though its author
  // may die: forget what you know already by circuit and epoch. An instance that makes no calls
  // for a while looks seldom and may skip epochs; its `from` is then what it saw last.
  //
  //   auto events = circuits.on_transition([](const switchgear::TransitionEvent& e) {
  //     if (seen.insert({e.circuit, e.epoch}).second) page_somebody(e);
  //   });
  //
  // FAILS: a subscription that nobody keeps ends at once:
  //   (void)circuits.on_transition(page_somebody);   // wrong
  [[nodiscard]] Subscription on_transition(std::function<void(const TransitionEvent&)> callback);

  // The keys of a parent, rolled up; for metrics and people.
  KeysStatus keys_of(std::string_view parent) const;
  // Times that circuit() or key() had no room for a new circuit and gave one that guards nothing.
  std::uint64_t unguarded() const;

  // False while the last operation on the store has failed.
  bool store_up() const;

 private:
  friend Circuits open(std::string_view url, Options options);
  explicit Circuits(std::shared_ptr<guard::Runtime> runtime);
  std::shared_ptr<guard::Runtime> runtime_;
};

// Opens the circuits on a store:
//   memory:                                            this process alone
//   redis://[[user]:password@]host[:port][/database]   Redis 7 or Valkey; rediss:// for TLS
//   redis+sentinel://[[user]:password@]host[:port]/primary[/database]   the primary that Sentinels
//                                                      name; rediss+sentinel:// for TLS
// Makes no connection yet and succeeds whether or not the store can be reached. Throws
// InvalidArgument for a URL or options that can never work; its text never shows a password.
Circuits open(std::string_view url, Options options = {});

}  // namespace switchgear
