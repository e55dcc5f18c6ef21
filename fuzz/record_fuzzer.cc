// Whatever stands in a store: reading a record, a slot or a report neither crashes nor accepts
// what it cannot give back.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "fleet/record.h"
#include "fleet/report.h"

namespace fleet = switchgear::fleet;

namespace {

std::string_view take(std::string_view& bytes, std::size_t size) {
  const std::string_view taken = bytes.substr(0, size);
  bytes.remove_prefix(taken.size());
  return taken;
}

// A good record with fields exchanged, dropped and added as the bytes say: 1 which, 2 how long,
// then the new text.
fleet::Fields spoilt_fields(std::string_view bytes) {
  fleet::Record record;
  record.epoch = 1;
  fleet::Fields fields = fleet::encode_fields(record);
  while (bytes.size() >= 2) {
    const auto which = static_cast<unsigned char>(bytes[0]);
    const auto size = static_cast<unsigned char>(bytes[1]);
    bytes.remove_prefix(2);
    const std::string text(take(bytes, size % 64));
    if (which >= 224) {
      fields.emplace_back("s" + std::to_string(which - 224), text);
    } else if (which >= 200) {
      if (!fields.empty()) fields.erase(fields.begin() + which % static_cast<int>(fields.size()));
    } else if (which >= 190) {
      fields.emplace_back(text, text);
    } else if (!fields.empty()) {
      fields[which % fields.size()].second = text;
    }
  }
  return fields;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);

  if (const auto record = fleet::decode_record(spoilt_fields(bytes))) {
    fleet::Fields fields = fleet::encode_fields(*record);
    for (std::size_t i = 0; i < record->slots.size(); ++i) {
      const auto& slot = record->slots[i];
      if (slot) fields.emplace_back("s" + std::to_string(i), slot->encode());
    }
    const auto again = fleet::decode_record(fields);
    if (!again || *again != *record) std::abort();
  } else if (record.error().code != "unreadable") {
    std::abort();
  }
  if (const auto report = fleet::Report::decode(bytes)) {
    const auto again = fleet::Report::decode(report->encode());
    if (!again || *again != *report || report->encode().size() > 100) std::abort();
  }
  if (const auto slot = fleet::Slot::decode(bytes)) {
    const auto again = fleet::Slot::decode(slot->encode());
    if (!again || *again != *slot) std::abort();
  }
  return 0;
}
