// What the controller reads that others may have written: the note beside a circuit, a mapping's
// tag, a queue's redrive policy, the mark of a parked message. What can be read comes back the same
// when it is written and read again.
#include <cstdint>
#include <string>

#include "controller/ledger.h"
#include "controller/mapping.h"
#include "core/assert.h"
#include "queue/parking.h"
#include "queue/queue_attributes.h"

using namespace switchgear;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      if (const auto ledger = controller::decode_ledger(text)) {
        const auto again = controller::decode_ledger(controller::encode(*ledger));
        SG_ASSERT(again && *again == *ledger);
      }
      break;
    case 1:
      if (const auto settings = controller::decode_settings(text)) {
        SG_ASSERT(controller::decode_settings(controller::encode(*settings)) == settings);
      }
      break;
    case 2:
      if (const auto policy = queue::parse_redrive_policy(text)) {
        const auto again = queue::parse_redrive_policy(queue::redrive_policy_text(*policy));
        SG_ASSERT(again && *again == *policy);
      }
      break;
    default:
      if (const auto parked = queue::decode_parked(text)) {
        const auto again = queue::decode_parked(queue::encode(*parked));
        SG_ASSERT(again && *again == *parked);
      }
      break;
  }
  return 0;
}
