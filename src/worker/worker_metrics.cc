// The worker's own metrics; those of its circuit and store are in ops/circuit_metrics.cc.
#include "worker/worker.h"

namespace switchgear::worker {

void Worker::collect(ops::MetricsText& text) {
  using Type = ops::MetricsText::Type;
  const ConsumerCounters& c = consumer_->counters();
  const std::string& queue = queue_name_;
  const auto value = [&](ops::Labels labels, std::uint64_t count) {
    text.sample(labels, static_cast<double>(count));
  };

  text.family("switchgear_source_paused", Type::gauge,
              "1 while the circuit keeps the source from being received.");
  text.sample({{"source", queue}}, consumer_->paused());
  text.family("switchgear_source_retention_seconds", Type::gauge,
              "How long the source keeps a message.");
  text.sample({{"source", queue}}, static_cast<double>(consumer_->attributes().retention.count()));

  text.family("switchgear_source_oldest_message_age_seconds", Type::gauge,
              "Age of the oldest message that this worker had and that is not done; 0 for none.");
  text.sample({{"source", queue}}, to_seconds(ages_.oldest(now(), consumer_->paused())));

  text.family("switchgear_worker_received_total", Type::counter, "Messages received.");
  value({{"source", queue}}, c.received);
  text.family("switchgear_worker_receives_total", Type::counter, "Requests for messages.");
  value({{"source", queue}, {"result", "sent"}}, c.receives);
  value({{"source", queue}, {"result", "empty"}}, c.empty_receives);
  value({{"source", queue}, {"result", "failed"}}, c.receive_errors);
  text.family("switchgear_worker_calls_total", Type::counter,
              "Calls of the handler that ended, by what they say of the dependency.");
  for (const Outcome outcome :
       {Outcome::success, Outcome::failure, Outcome::overload, Outcome::ignored}) {
    value({{"source", queue}, {"outcome", to_string(outcome)}},
          c.outcomes[static_cast<std::size_t>(outcome)]);
  }
  text.family("switchgear_worker_call_timeouts_total", Type::counter,
              "Calls that the handler did not answer in time.");
  value({{"source", queue}}, c.timeouts);
  text.family("switchgear_worker_call_connection_errors_total", Type::counter,
              "Calls that found no handler or lost it.");
  value({{"source", queue}}, c.connection_errors);
  text.family("switchgear_worker_deleted_total", Type::counter, "Messages done and deleted.");
  value({{"source", queue}}, c.deleted);
  text.family("switchgear_worker_delete_failures_total", Type::counter,
              "Deletes that the queue did not carry out; most are tried again.");
  value({{"source", queue}}, c.delete_failures);
  text.family("switchgear_worker_deletes_given_up_total", Type::counter,
              "Messages done that will come again, since they could not be deleted.");
  value({{"source", queue}}, c.deletes_given_up);
  text.family("switchgear_worker_given_back_total", Type::counter,
              "Messages given back to the source, by reason.");
  value({{"source", queue}, {"reason", "failed"}}, c.given_back_failed);
  value({{"source", queue}, {"reason", "refused"}}, c.given_back_refused);
  value({{"source", queue}, {"reason", "scouted"}}, c.given_back_scouted);
  value({{"source", queue}, {"reason", "stopping"}}, c.given_back_stopping);
  text.family("switchgear_worker_scouts_total", Type::counter, "Messages sent to try it out.");
  value({{"source", queue}}, c.scouts);
  text.family("switchgear_worker_pauses_total", Type::counter, "Pauses begun.");
  value({{"source", queue}}, c.pauses);
  text.family("switchgear_worker_parked_lost_total", Type::counter,
              "Messages on their last receive that could not be kept until they were called.");
  value({{"source", queue}}, c.parked_lost);
  text.family("switchgear_worker_permits_unused_total", Type::counter,
              "Permits returned because no message was there for them.");
  value({{"source", queue}}, c.permits_unused);
  text.family("switchgear_worker_attributes_left_out_total", Type::counter,
              "Message attributes that no header can carry.");
  value({{"source", queue}}, attributes_left_out_);
  text.family("switchgear_worker_damaged_total", Type::counter,
              "Messages that did not match their checksum.");
  value({{"source", queue}}, corrupt_);

  text.family("switchgear_worker_in_flight", Type::gauge, "Calls of the handler in flight.");
  text.sample({{"source", queue}}, consumer_->in_flight());
  text.family("switchgear_worker_parked", Type::gauge,
              "Messages kept in hand until the circuit lets them be called.");
  text.sample({{"source", queue}}, consumer_->parked());
}

}  // namespace switchgear::worker
