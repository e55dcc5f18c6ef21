// Any item as one of AWS Powertools' circuit breaker: it is read or it is not; and what can be read
// can be held, released and reset, after which it says what was written.
#include <cstddef>
#include <cstdint>
#include <string>

#include "aws/dynamodb_codec.h"
#include "core/assert.h"
#include "stores/powertools_item.h"

namespace {

using namespace switchgear;
using aws::Item;

Item after(Item item, const stores::PowertoolsChange& change) {
  SG_ASSERT(!aws::dynamodb_codec::update_item_request(change.update).empty());
  for (const auto& [name, value] : change.result) {
    item.erase(name);
    if (value) item[name] = *value;
  }
  SG_ASSERT(change.done(item));
  return item;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto read = aws::dynamodb_codec::read_item(
      std::string(reinterpret_cast<const char*>(data), size), "Item");
  if (!read || !*read) return 0;
  const Item& item = **read;
  const stores::PowertoolsNames names;
  const StoreTime now{std::chrono::seconds{1'700'000'000}};
  const auto circuit = stores::read_powertools(names, "c", item);
  if (!circuit) {
    SG_ASSERT(circuit.error().code == "unreadable" && !circuit.error().message.empty());
    return 0;
  }
  const bool finds = circuit->probes_at().has_value() && circuit->held(now);
  SG_ASSERT(!finds || circuit->state == State::half_open);
  const stores::PowertoolsHold hold{
      .who = "w", .reason = "r", .until = now + std::chrono::seconds{60}};
  const Item held = after(item, powertools_hold(names, "c", item, hold, now));
  const auto seen = stores::read_powertools(names, "c", held);
  SG_ASSERT(seen && seen->held(now) && seen->hold->who == "w" && seen->hold->until == hold.until);
  const auto released =
      stores::read_powertools(names, "c", after(held, powertools_release(names, "c", held, now)));
  SG_ASSERT(released && !released->hold && !released->hold_overwritten);
  const auto reset =
      stores::read_powertools(names, "c", after(held, powertools_reset(names, "c", held, now)));
  SG_ASSERT(reset && reset->state == State::closed && !reset->opened_at);
  return 0;
}
