// hold, release, reset: a person's hand. Each reads the circuit, makes the next record by the
// fleet's own pure function, and writes it if nobody was quicker.
#include <unistd.h>

#include <array>
#include <ostream>

#include "cli/circuit_view.h"
#include "cli/circuits.h"
#include "cli/powertools_circuits.h"
#include "core/suggest.h"
#include "fleet/transition.h"
#include "guard/identity.h"

namespace switchgear::cli {
namespace {

constexpr int kAttemptsMax = 8;

struct HoldOptions {
  CircuitOptions circuit;
  bool open = false;
  bool closed = false;
  bool metrics_only = false;
  Duration duration{0};  // 0: until released
  std::string reason;
  std::string who;
};
struct ReleaseOptions {
  CircuitOptions circuit;
  std::string who;
};
struct ResetOptions {
  CircuitOptions circuit;
  std::string who;
  bool forget = false;
};

using Change = std::function<fleet::SwapOp(const fleet::PolicyTable&, const fleet::Snapshot&,
                                           const fleet::Decider&)>;

std::string user_and_host(const Context& context) {
  std::string user = context.variable("USER");
  if (user.empty()) user = "uid " + std::to_string(::getuid());
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) return user;
  return user + "@" + host.data();
}

int write_change(Context& context, CircuitSession& opened, const CircuitOptions& options,
                 fleet::Snapshot snapshot, const Change& change) {
  const fleet::PolicyTable table(policy_for(opened.config, options.name));
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    if (snapshot.record && !snapshot.record->has_value()) {
      context.err << "switchgear: the record of " << options.name << " ("
                  << opened.session->record_place(options.name)
                  << ") cannot be read, so it is left "
                  << "alone: " << snapshot.record->error().message
                  << "; use the version that wrote it, or remove it: switchgear circuits reset "
                  << options.name << " --forget\n";
      return kFailed;
    }
    const guard::Identity identity = guard::random_identity();
    const fleet::SwapOp op = change(table, snapshot, {identity.instance, identity.seed});
    auto answer = opened.session->execute(options.name, op);
    if (!answer && answer.error().retryable) {
      // The same swap again: the store knows one that it has applied already.
      answer = opened.session->execute(options.name, op);
    }
    if (!answer) {
      const int code = report_store_error(context, answer.error());
      context.err << "Whether the change was made is not known; see: switchgear circuits show "
                  << options.name << '\n';
      return code;
    }
    snapshot = std::move(answer->snapshot);
    if (answer->status == fleet::Status::ok) {
      print_circuit(context, opened, options, std::move(snapshot));
      return kDone;
    }
  }
  context.err << "switchgear: " << options.name << " changed " << kAttemptsMax
              << " times while this was being written; try again\n";
  return kFailed;
}

int hold(Context& context, const HoldOptions& options) {
  const int kinds = int{options.open} + int{options.closed} + int{options.metrics_only};
  if (kinds != 1) {
    context.err << "switchgear circuits hold: write exactly one of --open, --closed and "
                   "--metrics-only\n";
    return kUsage;
  }
  const std::string who = options.who.empty() ? user_and_host(context) : options.who;
  CircuitSession opened = open_circuit(context, options.circuit);
  if (opened.powertools) {
    return hold_powertools(
        context, *opened.powertools, options.circuit,
        {.open = options.open, .duration = options.duration, .reason = options.reason, .who = who});
  }
  if (!opened.session) return opened.exit_code;
  auto answer = opened.session->execute(options.circuit.name, fleet::ReadOp{});
  if (!answer) return report_store_error(context, answer.error());
  if (!answer->snapshot.record) {
    const auto names = opened.session->names();
    context.err << "switchgear: warning: nobody has used the circuit " << options.circuit.name
                << " yet; it is made now, with the hold"
                << (names ? core::did_you_mean(options.circuit.name, *names) : "") << '\n';
  }
  const HoldKind kind = options.open     ? HoldKind::forced_open
                        : options.closed ? HoldKind::forced_closed
                                         : HoldKind::metrics_only;
  return write_change(context, opened, options.circuit, std::move(answer->snapshot),
                      [&](const auto& table, const fleet::Snapshot& snapshot, const auto& decider) {
                        const StoreTime until = options.duration == Duration::zero()
                                                    ? StoreTime{}
                                                    : snapshot.time + ceil_ms(options.duration);
                        return fleet::set_hold(
                            table, snapshot, decider,
                            {.kind = kind, .who = who, .why = options.reason, .until = until});
                      });
}

int release(Context& context, const ReleaseOptions& options) {
  const std::string who = options.who.empty() ? user_and_host(context) : options.who;
  CircuitSession opened = open_circuit(context, options.circuit);
  if (opened.powertools) {
    return release_powertools(context, *opened.powertools, options.circuit);
  }
  if (!opened.session) return opened.exit_code;
  auto answer = opened.session->execute(options.circuit.name, fleet::ReadOp{});
  if (!answer) return report_store_error(context, answer.error());
  const fleet::Snapshot& snapshot = answer->snapshot;
  if (!snapshot.record) return report_no_such_circuit(context, opened, options.circuit.name);
  if (const fleet::Record* record = snapshot.readable();
      record != nullptr && !record->hold.in_force(snapshot.time)) {
    context.err << "switchgear: " << options.circuit.name << " is not held; nothing to release\n";
    print_circuit(context, opened, options.circuit, std::move(answer->snapshot));
    return kDone;
  }
  return write_change(context, opened, options.circuit, std::move(answer->snapshot),
                      [&](const auto& table, const auto& seen, const auto& decider) {
                        return fleet::release_hold(table, seen, decider, who);
                      });
}

// Whether a note outlived its circuit's record, also one that cannot be read.
Result<bool> has_note(StoreSession& session, const std::string& circuit) {
  const auto answer = session.read_note(circuit);
  if (answer) return answer->note.revision != 0;
  if (answer.error().code == "unreadable") return true;
  return answer.error();
}

int reset(Context& context, const ResetOptions& options) {
  const std::string who = options.who.empty() ? user_and_host(context) : options.who;
  CircuitSession opened = open_circuit(context, options.circuit);
  if (opened.powertools) {
    return reset_powertools(context, *opened.powertools, options.circuit, options.forget);
  }
  if (!opened.session) return opened.exit_code;
  auto answer = opened.session->execute(options.circuit.name, fleet::ReadOp{});
  if (!answer) return report_store_error(context, answer.error());
  Result<bool> there = answer->snapshot.record.has_value();
  if (!*there && options.forget) there = has_note(*opened.session, options.circuit.name);
  if (!there) return report_store_error(context, there.error());
  if (!*there) return report_no_such_circuit(context, opened, options.circuit.name);
  if (options.forget) {
    const auto removed = opened.session->remove(options.circuit.name);
    if (!removed) return report_store_error(context, removed.error());
    context.err << "switchgear: " << options.circuit.name
                << " is forgotten; the next call makes it anew, closed\n";
    return kDone;
  }
  return write_change(context, opened, options.circuit, std::move(answer->snapshot),
                      [&](const auto& table, const auto& seen, const auto& decider) {
                        return fleet::reset(table, seen, decider, who);
                      });
}

void add_who(CLI::App& command, std::string& who) {
  command.add_option("--who", who, "Who does this (default: user@host)")->type_name("NAME");
}

}  // namespace

void add_hold(CLI::App& parent, Chosen& chosen) {
  CLI::App* command = add_command(
      parent, "hold", "hold a circuit open or closed by hand",
      {"switchgear circuits hold payments-api --open --for 30m --reason \"planned maintenance\"",
       "switchgear circuits hold payments-api --closed --for 10m",
       "switchgear circuits hold payments-api --metrics-only    # watch, refuse nothing"});
  const auto options = std::make_shared<HoldOptions>();
  add_circuit_options(*command, options->circuit);
  command->add_flag("--open", options->open, "Refuse all calls");
  command->add_flag("--closed", options->closed, "Admit all calls");
  command->add_flag("--metrics-only", options->metrics_only, "Admit all calls, and go on counting");
  add_duration_option(*command, "--for", options->duration,
                      "How long, for example 30m (default: until released)");
  command->add_option("--reason", options->reason, "Why, for whoever looks later")
      ->type_name("TEXT");
  add_who(*command, options->who);
  command->callback([&chosen, options, command] {
    // Zero stands for "until released", which is not what somebody means who writes it.
    if (command->count("--for") > 0 && options->duration == Duration::zero()) {
      throw CLI::ValidationError(
          "--for", "must be longer than 0s; leave it out to hold the circuit until it is released");
    }
    chosen = [options](Context& context) { return hold(context, *options); };
  });
}

void add_release(CLI::App& parent, Chosen& chosen) {
  CLI::App* command =
      add_command(parent, "release", "end a hold", {"switchgear circuits release payments-api"});
  const auto options = std::make_shared<ReleaseOptions>();
  add_circuit_options(*command, options->circuit);
  add_who(*command, options->who);
  command->callback([&chosen, options] {
    chosen = [options](Context& context) { return release(context, *options); };
  });
}

void add_reset(CLI::App& parent, Chosen& chosen) {
  CLI::App* command =
      add_command(parent, "reset", "close a circuit and forget its evidence and its hold",
                  {"switchgear circuits reset payments-api",
                   "switchgear circuits reset old-api --forget    # remove it from the store"});
  const auto options = std::make_shared<ResetOptions>();
  add_circuit_options(*command, options->circuit);
  add_who(*command, options->who);
  command->add_flag("--forget", options->forget, "Remove the circuit from the store");
  command->callback([&chosen, options] {
    chosen = [options](Context& context) { return reset(context, *options); };
  });
}

}  // namespace switchgear::cli
