#include "controller/controller.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "guard/identity.h"
#include "net/clocks.h"

namespace switchgear::controller {
namespace {

// How long the end may take: the leases are given up, and trials end as they may.
constexpr Duration kEndMax = 5s;

Result<QueueLook> queue_look(const std::map<std::string, std::string>& attributes) {
  auto read = queue::read_queue_attributes(attributes);
  if (!read) return read.error();
  const auto count = [&attributes](const std::string& name) -> std::int64_t {
    const auto found = attributes.find(name);
    std::int64_t value = 0;
    // What is not told counts as something: nothing is concluded from it.
    if (found == attributes.end()) return 1;
    const char* const end = found->second.data() + found->second.size();
    return std::from_chars(found->second.data(), end, value).ptr == end ? value : 1;
  };
  return QueueLook{.attributes = *std::move(read),
                   .visible = count("ApproximateNumberOfMessages"),
                   .in_flight = count("ApproximateNumberOfMessagesNotVisible"),
                   .delayed = count("ApproximateNumberOfMessagesDelayed")};
}

}  // namespace

// Why a stream's records would be dropped: by Lambda's API reference, those older than
// MaximumRecordAgeInSeconds or tried MaximumRetryAttempts times are.
std::string losses_of(const aws::EventSourceMapping& from) {
  const SourceKind kind = kind_of_source(from.event_source_arn);
  if (kind != SourceKind::kinesis && kind != SourceKind::dynamodb_stream &&
      kind != SourceKind::kafka) {
    return {};
  }
  std::string why;
  const auto add = [&why](const std::string& reason) { why += (why.empty() ? "" : "; ") + reason; };
  if (from.maximum_record_age_s.value_or(-1) > 0) {
    add("MaximumRecordAgeInSeconds is " + std::to_string(*from.maximum_record_age_s) +
        ", and older records are dropped when it is on again");
  }
  if (from.maximum_retry_attempts.value_or(-1) >= 0) {
    add("MaximumRetryAttempts is " + std::to_string(*from.maximum_retry_attempts) +
        ", and records that fail so often while it is tried are dropped");
  }
  if (from.starting_position == "LATEST") {
    add("StartingPosition is LATEST, which may skip what came meanwhile");
  }
  return why;
}

Mapping mapping_of(const aws::EventSourceMapping& from) {
  using enum aws::MappingState;
  return {.uuid = from.uuid,
          .arn = from.arn,
          .function_arn = from.function_arn,
          .source_arn = from.event_source_arn,
          .changing = from.state != enabled && from.state != disabled,
          .settings = {.enabled = from.state != disabled && from.state != disabling &&
                                  from.state != deleting,
                       .limit = from.maximum_concurrency,
                       .batch_size = from.batch_size,
                       .window_s = from.window_s,
                       .parallelization_factor = from.parallelization_factor},
          .filters = !from.filters.empty() || from.filters_hidden,
          .report_batch_item_failures = from.report_batch_item_failures,
          .provisioned = from.provisioned_pollers.has_value(),
          .loses = losses_of(from)};
}

AlarmView alarm_view(const aws::Alarm& from) {
  AlarmView view{.state = AlarmView::State::insufficient_data, .reason = from.state_reason};
  if (from.state == aws::Alarm::State::ok) view.state = AlarmView::State::ok;
  if (from.state == aws::Alarm::State::alarm) view.state = AlarmView::State::alarm;
  // An endpoint that does not tell when the state changed tells when it was last written.
  const auto since = from.state_transitioned ? from.state_transitioned : from.state_updated;
  if (since) view.since_ms = floor_ms(since->time_since_epoch()).count();
  return view;
}

Controller::Service::Service(net::Loop& loop, aws::Access access, std::uint64_t seed,
                             int attempts_max)
    : http(loop, std::move(access.http)),
      client(loop, http, std::move(access.endpoint), std::move(access.credentials),
             core::Random(seed), [&] {
               if (attempts_max > 0) access.client.attempts_max = attempts_max;
               return std::move(access.client);
             }()) {}

Controller::Controller(net::Loop& loop, ControllerSetup setup, ops::Log& log)
    : loop_(loop),
      log_(log),
      options_(std::move(setup.options)),
      run_for_(setup.run_for),
      end_when_quiet_(setup.end_when_quiet),
      listen_(std::move(setup.listen)),
      store_(std::move(setup.store)),
      // The reconcilers try again themselves, and each attempt counts against the budget.
      lambda_service_(std::make_unique<Service>(loop, std::move(setup.lambda),
                                                guard::random_identity().seed, 1)),
      cloudwatch_service_(std::make_unique<Service>(loop, std::move(setup.cloudwatch),
                                                    guard::random_identity().seed, 0)),
      sqs_service_(
          std::make_unique<Service>(loop, std::move(setup.sqs), guard::random_identity().seed, 0)),
      lambda_(lambda_service_->client, call_timeout_of(options_.lease)),
      cloudwatch_(cloudwatch_service_->client),
      sqs_(sqs_service_->client),
      trials_(loop, lambda_, sqs_, run_for_, guard::random_identity().seed),
      mover_(sqs_,
             [this](const std::string& arn, std::function<void(const Result<std::string>&)> use) {
               with_queue_url(arn, std::move(use));
             }),
      budget_(options_.calls_per_second),
      announcer_(loop, std::move(setup.announcer), log, guard::random_identity().seed) {
  const guard::Identity self = guard::random_identity();
  std::uint64_t number = 0;
  for (const CircuitOptions& options : options_.circuits) {
    const auto policy = setup.policies.find(options.name);
    auto circuit =
        std::make_unique<Circuit>(policy == setup.policies.end() ? Policy{} : policy->second);
    circuit->reconciler =
        std::make_unique<Reconciler>(options, circuit->table, options_.lease, self.instance,
                                     core::hash2(self.seed, ++number), now());
    turns_.add(circuit.get());
    circuits_.emplace(options.name, std::move(circuit));
  }
}

Controller::~Controller() { alive_.reset(); }

Now Controller::now() const { return net::read_clocks(); }

template <class Fn>
auto Controller::answer(Fn fn) {
  return [this, fn, alive = std::weak_ptr(alive_)](auto&& result) mutable {
    if (alive.expired()) return;
    fn(std::forward<decltype(result)>(result));
    pump();
  };
}

// ---- Start and end -----------------------------------------------------------------------------

int Controller::run() {
  loop_.on_stop_signal([this](int signal) { stop(signal); });
  if (!serve_ops()) return 1;
  log_.write(ops::LogLevel::info, "controller started",
             {{"circuits", std::to_string(circuits_.size())},
              {"store", store_->backend()},
              {"metrics", ops_->url() + "/metrics"}});
  net::Timer end;
  if (run_for_ > Duration::zero()) end = loop_.call_after(run_for_, [this] { stop(0); });
  pump();
  while (!stopping_) loop_.run_until([this] { return stopping_; }, 1h);
  loop_.run_until(
      [this] {
        return announcer_.idle() && std::ranges::all_of(circuits_, [](const auto& c) {
                 return c.second->reconciler->left();
               });
      },
      kEndMax);
  loop_.on_stop_signal([](int) {});
  log_.write(ops::LogLevel::info, "controller stopped");
  return signal_ == SIGINT ? 130 : 0;
}

void Controller::stop(int signal) {
  if (signal_ == 0) signal_ = signal;
  stopping_ = true;
  for (auto& [name, circuit] : circuits_) circuit->reconciler->leave();
  pump();
}

bool Controller::serve_ops() {
  auto server = ops::OpsServer::start(
      loop_, listen_,
      {.metrics = [this] { return metrics_.text(); },
       .healthy = [] { return ops::Health{}; },
       .ready = [this] { return stopping_ ? ops::Health{false, "stopping"} : ops::Health{}; }});
  if (!server) {
    log_.write(ops::LogLevel::error, server.error().text() + " (--listen)");
    return false;
  }
  ops_ = std::move(*server);
  metrics_.add([this](ops::MetricsText& text) { collect(text); });
  return true;
}

void Controller::collect(ops::MetricsText& text) {
  using Type = ops::MetricsText::Type;
  text.family("switchgear_circuit_state", Type::gauge, "1 for the state that the circuit has.");
  for (const auto& [name, circuit] : circuits_) {
    for (const State state : kStates) {
      text.sample({{"circuit", name}, {"state", to_string(state)}}, circuit->last_state == state);
    }
  }
  text.family("switchgear_controller_in_control", Type::gauge,
              "1 while this process has the lease of the circuit.");
  for (const auto& [name, circuit] : circuits_) {
    text.sample({{"circuit", name}}, circuit->reconciler->in_control(now()));
  }
  text.family("switchgear_source_paused", Type::gauge,
              "1 while the circuit keeps the event source mapping off or limited.");
  for (const auto& [name, circuit] : circuits_) {
    for (const auto& [uuid, entry] : circuit->reconciler->ledger().entries) {
      text.sample({{"source", uuid}}, !entry.left_alone && entry.wanted != entry.before);
    }
  }
  text.family("switchgear_controller_calls_total", Type::counter,
              "Calls of Lambda's control plane.");
  text.sample({}, static_cast<double>(calls_));
  text.family("switchgear_source_oldest_message_age_seconds", Type::gauge,
              "How old the oldest message of the queue may be, at most as far as is known.");
  for (const auto& [name, circuit] : circuits_) {
    for (const auto& [arn, queue] : circuit->reconciler->queue_views(now())) {
      text.sample({{"source", arn}}, to_seconds(queue.oldest));
    }
  }
  text.family("switchgear_source_retention_seconds", Type::gauge,
              "For how long the queue keeps a message.");
  for (const auto& [name, circuit] : circuits_) {
    for (const auto& [arn, queue] : circuit->reconciler->queue_views(now())) {
      text.sample({{"source", arn}}, to_seconds(queue.retention));
    }
  }
  text.family("switchgear_parked_messages_total", Type::counter,
              "Messages that this process has moved to the parking queue, and back.");
  for (const auto& [name, circuit] : circuits_) {
    text.sample({{"circuit", name}, {"direction", "parked"}},
                static_cast<double>(circuit->reconciler->parked_total()));
    text.sample({{"circuit", name}, {"direction", "returned"}},
                static_cast<double>(circuit->reconciler->returned_total()));
  }
  text.family("switchgear_controller_kept_messages", Type::gauge,
              "Messages on their last receive that are kept hidden until they may be tried.");
  text.sample({}, static_cast<double>(trials_.kept()));
}

// ---- Carrying out ------------------------------------------------------------------------------

void Controller::pump() {
  if (std::exchange(pumping_, true)) {
    pump_again_ = true;
    return;
  }
  Duration next = 1s;
  do {
    pump_again_ = false;
    next = 1s;
    for (Circuit* circuit : turns_.order()) {
      Reconciler& reconciler = *circuit->reconciler;
      while (true) {
        const Now at = now();
        const bool may_call = budget_.allows(at.mono);
        const auto action = reconciler.next_action(at, may_call);
        tell(*circuit);
        if (!action) break;
        if (calls_control_plane(*action)) {
          budget_.spend();
          turns_.spent(circuit);
          ++calls_;
        }
        carry_out(reconciler, *action);
      }
      next = std::min(next, reconciler.until_next(now()));
      after_recovery(*circuit);
    }
  } while (pump_again_);
  if (trials_.keeps_some()) trials_.hide_kept();
  pumping_ = false;
  if (end_when_quiet_ && !stopping_ && quiet()) return stop(0);
  timer_ = loop_.call_after(std::max<Duration>(next, 10ms), [this] { pump(); });
}

bool Controller::quiet() const {
  return !trials_.keeps_some() && announcer_.idle() &&
         std::ranges::all_of(circuits_,
                             [](const auto& c) { return c.second->reconciler->quiet(); });
}

void Controller::tell(Circuit& circuit) {
  for (const Notice& notice : circuit.reconciler->take_notices()) {
    ops::LogFields fields{{"circuit", circuit.reconciler->name()}};
    fields.insert(fields.end(), notice.fields.begin(), notice.fields.end());
    log_.write(notice.level, notice.text, fields);
  }
  Reconciler& reconciler = *circuit.reconciler;
  for (const Announcement& announcement : reconciler.take_announcements()) {
    announcer_.announce(announcement,
                        [&reconciler, announcement] { reconciler.announced(announcement); });
  }
}

// What was kept because its next receive would have been one too many is tried by us: a mapping
// that is on again would dead-letter it.
void Controller::after_recovery(Circuit& circuit) {
  const fleet::Record* record = circuit.reconciler->record();
  if (!record) return;
  circuit.last_state = record->state;
  if (!trials_.keeps_some()) return;
  for (const Mapping& mapping : circuit.reconciler->triable()) {
    circuit.reconciler->keeps(mapping.source_arn, trials_.kept_for(mapping.source_arn));
  }
  if (record->state != State::recovering && record->state != State::closed) return;
  for (const Mapping& mapping : circuit.reconciler->triable()) trials_.try_kept(mapping);
}

void Controller::carry_out(Reconciler& to, const Action& action) {
  std::visit([this, &to](const auto& a) { carry_out(to, a); }, action);
}

void Controller::carry_out(Reconciler& to, const CircuitAction& action) {
  store_->execute(to.name(), action.operation, answer([this, &to](const Result<fleet::Answer>& r) {
                    to.circuit_answered(r, now());
                  }));
}
void Controller::carry_out(Reconciler& to, const ReadNoteAction&) {
  store_->read_note(to.name(), answer([this, &to](const Result<stores::NoteAnswer>& r) {
                      to.note_answered(r, now());
                    }));
}
void Controller::carry_out(Reconciler& to, const WriteNoteAction& action) {
  store_->write_note(
      to.name(), action.expected, action.text,
      answer([this, &to](const Result<stores::NoteAnswer>& r) { to.note_answered(r, now()); }));
}

void Controller::carry_out(Reconciler& to, const ReadAlarmsAction& action) {
  cloudwatch_.describe_alarms(
      action.names,
      answer([this, &to, names = action.names](const Result<std::vector<aws::Alarm>>& r) {
        if (!r) return to.alarms_answered(r.error(), now());
        Alarms alarms;
        for (const std::string& name : names) alarms[name].state = AlarmView::State::missing;
        for (const aws::Alarm& alarm : *r) alarms[alarm.name] = alarm_view(alarm);
        to.alarms_answered(alarms, now());
      }));
}

void Controller::carry_out(Reconciler& to, const ListMappingsAction& action) {
  const Selector& selector = action.selector;
  if (selector.by == Selector::By::uuid) {
    lambda_.get_event_source_mapping(
        selector.text, answer([this, &to](const Result<aws::EventSourceMapping>& r) {
          if (r) return to.mappings_listed(std::vector{mapping_of(*r)}, now());
          if (r.error().code == "ResourceNotFoundException") {
            return to.mappings_listed(std::vector<Mapping>{}, now());
          }
          to.mappings_listed(r.error(), now());
        }));
    return;
  }
  aws::ListMappings which;
  (selector.by == Selector::By::source ? which.event_source_arn : which.function_name) =
      selector.text;
  list_page(to, which, {});
}
void Controller::list_page(Reconciler& to, aws::ListMappings which, std::vector<Mapping> so_far) {
  lambda_.list_event_source_mappings(
      which, answer([this, &to, which, so_far](const Result<aws::MappingsPage>& r) mutable {
        if (!r) return to.mappings_listed(r.error(), now());
        for (const auto& mapping : r->mappings) so_far.push_back(mapping_of(mapping));
        if (r->next_marker.empty()) return to.mappings_listed(so_far, now());
        which.marker = r->next_marker;
        next_page(to, which, std::move(so_far));
      }));
}
// Each page counts against the budget like any call.
void Controller::next_page(Reconciler& to, aws::ListMappings which, std::vector<Mapping> so_far) {
  if (budget_.allows(now().mono)) {
    budget_.spend();
    ++calls_;
    return list_page(to, which, std::move(so_far));
  }
  page_timers_[to.name()] =
      loop_.call_after(std::max<Duration>(budget_.wait(), 10ms),
                       [this, &to, which, so_far] { next_page(to, which, so_far); });
}

void Controller::carry_out(Reconciler& to, const GetMappingAction& action) {
  lambda_.get_event_source_mapping(action.uuid,
                                   answer([this, &to](const Result<aws::EventSourceMapping>& r) {
                                     if (r) return to.mapping_answered(mapping_of(*r), now());
                                     to.mapping_answered(r.error(), now());
                                   }));
}
void Controller::carry_out(Reconciler& to, const UpdateMappingAction& action) {
  aws::MappingUpdate update{.uuid = action.uuid,
                            .enabled = action.settings.enabled,
                            .batch_size = action.settings.batch_size,
                            .window_s = action.settings.window_s,
                            .parallelization_factor = action.settings.parallelization_factor};
  if (action.limitable) update.limit = aws::MappingUpdate::Limit{action.settings.limit};
  lambda_.update_event_source_mapping(update,
                                      answer([this, &to](const Result<aws::EventSourceMapping>& r) {
                                        if (r) return to.mapping_answered(mapping_of(*r), now());
                                        to.mapping_answered(r.error(), now());
                                      }));
}

void Controller::carry_out(Reconciler& to, const ReadTagsAction& action) {
  lambda_.list_tags(action.arn,
                    answer([this, &to](const Result<std::map<std::string, std::string>>& r) {
                      to.tags_answered(r, now());
                    }));
}
void Controller::carry_out(Reconciler& to, const TagAction& action) {
  lambda_.tag_resource(action.arn, action.tags,
                       answer([this, &to](const Result<void>& r) { to.tagged(r, now()); }));
}
void Controller::carry_out(Reconciler& to, const UntagAction& action) {
  lambda_.untag_resource(action.arn, action.keys,
                         answer([this, &to](const Result<void>& r) { to.tagged(r, now()); }));
}
void Controller::with_queue_url(const std::string& arn,
                                std::function<void(const Result<std::string>&)> use) {
  const auto known = queue_urls_.find(arn);
  if (known != queue_urls_.end()) return use(known->second);
  sqs_.get_queue_url(arn.substr(arn.rfind(':') + 1),
                     answer([this, arn, use = std::move(use)](const Result<std::string>& url) {
                       if (url) queue_urls_[arn] = *url;
                       use(url);
                     }));
}
void Controller::carry_out(Reconciler& to, const LookAtQueueAction& action) {
  with_queue_url(action.arn, [this, &to](const Result<std::string>& url) {
    if (!url) return to.queue_answered(url.error(), now());
    sqs_.get_queue_attributes(
        *url, {}, answer([this, &to](const Result<std::map<std::string, std::string>>& r) {
          to.queue_answered(r ? queue_look(*r) : Result<QueueLook>(r.error()), now());
        }));
  });
}
void Controller::set_queue_attribute(Reconciler& to, const std::string& arn,
                                     const std::string& name, const std::string& value,
                                     void (Reconciler::*done)(const Result<void>&, const Now&)) {
  with_queue_url(arn, [this, &to, name, value, done](const Result<std::string>& url) {
    if (!url) return (to.*done)(url.error(), now());
    sqs_.set_queue_attributes(
        *url, {{name, value}},
        answer([this, &to, done](const Result<void>& r) { (to.*done)(r, now()); }));
  });
}
void Controller::carry_out(Reconciler& to, const SetRetentionAction& action) {
  set_queue_attribute(to, action.arn, "MessageRetentionPeriod",
                      std::to_string(action.retention.count()), &Reconciler::retention_set);
}
void Controller::carry_out(Reconciler& to, const SetRedriveAction& action) {
  set_queue_attribute(to, action.arn, "RedrivePolicy", action.policy, &Reconciler::redrive_set);
}

void Controller::carry_out(Reconciler& to, const ParkAction& action) {
  // Those that are kept hidden, since they were on their last receive, would expire too.
  trials_.release_kept(action.rule.queue_arn);
  mover_.park(action.rule,
              answer([this, &to](const queue::MoveResult& result) { to.moved(result, now()); }));
}
void Controller::carry_out(Reconciler& to, const ReturnParkedAction& action) {
  mover_.give_back(
      action.parking_arn, to.name(),
      answer([this, &to](const queue::MoveResult& result) { to.moved(result, now()); }));
}

void Controller::carry_out(Reconciler& to, const TrialAction& action) {
  trials_.run(action.mapping, action.rest,
              answer([this, &to](const TrialResult& result) { to.trial_ended(result, now()); }));
}

}  // namespace switchgear::controller
