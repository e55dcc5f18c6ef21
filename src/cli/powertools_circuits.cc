#include "cli/powertools_circuits.h"

#include <ostream>

#include "cli/powertools_view.h"
#include "core/suggest.h"

namespace switchgear::cli {
namespace {

using stores::PowertoolsReading;
using stores::PowertoolsWrite;

int report_no_item(Context& context, PowertoolsSession& session, const std::string& name) {
  const auto listing = session.list();
  std::vector<std::string> names;
  if (listing) {
    for (const PowertoolsReading& reading : listing->circuits) names.push_back(reading.name);
  }
  context.err << "switchgear: there is no item of a circuit " << name << " in table "
              << session.address().table << core::did_you_mean(name, names)
              << "; Powertools writes one when a circuit first opens\n";
  return kFailed;
}

void print(Context& context, const CircuitOptions& options, PowertoolsReading reading) {
  const PowertoolsView view(std::move(reading));
  if (options.output == Output::table) {
    view.print(context);
    return;
  }
  config::JsonWriter json;
  view.write(json);
  context.out << json.text();
}

bool is_unreadable(Context& context, const PowertoolsReading& reading) {
  if (!reading.item || reading.circuit) return false;
  context.err << "switchgear: the item of " << reading.name
              << " is not as Powertools writes it, so it is left alone: "
              << reading.circuit.error().message << '\n';
  return true;
}

int write(Context& context, PowertoolsSession& session, const CircuitOptions& options,
          const stores::PowertoolsChange& change) {
  const auto written = session.write(change);
  if (!written) {
    const int code = report_store_error(context, written.error());
    context.err << "Whether the change was made is not known; see: switchgear circuits show "
                << options.name << '\n';
    return code;
  }
  if (*written == PowertoolsWrite::changed_meanwhile) {
    context.err
        << "switchgear: " << options.name
        << " changed while this was being written, and nothing was written; look again with: "
           "switchgear circuits show "
        << options.name << '\n';
    return kFailed;
  }
  auto now = session.read(options.name);
  if (!now) return report_store_error(context, now.error());
  if (now->item) print(context, options, std::move(*now));
  return kDone;
}

void tell_the_delay(Context& context, const std::string& name, const char* what) {
  context.err << "switchgear: environments go by this once their copy is older than "
                 "local_cache_max_age, 5 s unless set otherwise. A probe that ends, or a circuit "
                 "that an environment opens, before then writes over "
              << what << ": look again with: switchgear circuits show " << name << '\n';
}

}  // namespace

int list_powertools(Context& context, PowertoolsSession& session, Output output, bool exit_code) {
  auto listing = session.list();
  if (!listing) return report_store_error(context, listing.error());
  bool any_open = false;
  Table table = PowertoolsView::list_header();
  config::JsonWriter json;
  json.begin_object().key("circuits").begin_array();
  for (PowertoolsReading& reading : listing->circuits) {
    const PowertoolsView view(std::move(reading));
    any_open = any_open || view.is_open();
    view.add_to(table);
    view.write(json);
  }
  json.end_array().key("keys").begin_array().end_array().end_object();
  if (output == Output::json) {
    context.out << json.text();
  } else if (listing->circuits.empty()) {
    context.err << "switchgear: no circuit of table " << session.address().table
                << " has an item; Powertools writes one when a circuit first opens\n";
  } else {
    table.print(context.out, context.colour);
  }
  return exit_code && any_open ? kFoundOpen : kDone;
}

int show_powertools(Context& context, PowertoolsSession& session, const CircuitOptions& options) {
  auto reading = session.read(options.name);
  if (!reading) return report_store_error(context, reading.error());
  if (!reading->item) return report_no_item(context, session, options.name);
  print(context, options, std::move(*reading));
  return kDone;
}

int explain_powertools(Context& context, PowertoolsSession& session,
                       const CircuitOptions& options) {
  const auto reading = session.read(options.name);
  if (!reading) return report_store_error(context, reading.error());
  if (!reading->item) return report_no_item(context, session, options.name);
  const Explanation explanation = explain(*reading);
  if (options.output == Output::table) {
    print(options.name, explanation, reading->time, context);
    return kDone;
  }
  config::JsonWriter json;
  json.begin_object();
  write_members(options.name, explanation, reading->time, json);
  json.end_object();
  context.out << json.text();
  return kDone;
}

int hold_powertools(Context& context, PowertoolsSession& session, const CircuitOptions& options,
                    const PowertoolsHoldOptions& hold) {
  if (!hold.open) {
    context.err << "switchgear: a circuit of Powertools can only be held open: each environment "
                   "counts failures in its memory and writes OPEN without a condition, whatever "
                   "the item says. The functions alone can let all calls through, by "
                   "POWERTOOLS_CIRCUIT_BREAKER_DISABLED=true, which is meant for development\n";
    return kUsage;
  }
  const auto reading = session.read(options.name);
  if (!reading) return report_store_error(context, reading.error());
  if (is_unreadable(context, *reading)) return kFailed;
  if (!reading->item) {
    context.err
        << "switchgear: warning: there is no item of " << options.name
        << ", which is so until a circuit first opens; it is made now, with the hold, whether "
           "or not any function uses that name\n";
  }
  stores::PowertoolsHold wanted{.who = hold.who, .reason = hold.reason};
  if (hold.duration > Duration::zero()) {
    wanted.until = reading->time + std::chrono::ceil<std::chrono::seconds>(hold.duration);
  }
  const int code = write(
      context, session, options,
      powertools_hold(session.address().names, options.name, reading->item, wanted, reading->time));
  if (code == kDone) tell_the_delay(context, options.name, "the hold");
  return code;
}

int release_powertools(Context& context, PowertoolsSession& session,
                       const CircuitOptions& options) {
  auto reading = session.read(options.name);
  if (!reading) return report_store_error(context, reading.error());
  if (!reading->item) return report_no_item(context, session, options.name);
  if (is_unreadable(context, *reading)) return kFailed;
  if (!reading->circuit->held(reading->time)) {
    context.err << "switchgear: " << options.name << " is not held; nothing to release\n";
    print(context, options, std::move(*reading));
    return kDone;
  }
  return write(
      context, session, options,
      powertools_release(session.address().names, options.name, *reading->item, reading->time));
}

int reset_powertools(Context& context, PowertoolsSession& session, const CircuitOptions& options,
                     bool forget) {
  if (forget) {
    context.err
        << "switchgear: items of Powertools are not removed: reset the circuit, and the item "
           "goes by its time to live\n";
    return kUsage;
  }
  auto reading = session.read(options.name);
  if (!reading) return report_store_error(context, reading.error());
  if (!reading->item) return report_no_item(context, session, options.name);
  if (is_unreadable(context, *reading)) return kFailed;
  if (reading->circuit->state == State::closed) {
    context.err
        << "switchgear: " << options.name
        << " is CLOSED already; what environments have counted is in their memory, where no "
           "write reaches it\n";
    print(context, options, std::move(*reading));
    return kDone;
  }
  const int code =
      write(context, session, options,
            powertools_reset(session.address().names, options.name, *reading->item, reading->time));
  if (code == kDone) tell_the_delay(context, options.name, "the reset");
  return code;
}

}  // namespace switchgear::cli
