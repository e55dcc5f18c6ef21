#include "fleet/store_ops.h"

namespace switchgear::fleet {

std::string_view name_of(const Operation& operation) {
  constexpr std::string_view names[] = {"read", "report", "claim", "settle", "swap"};
  static_assert(std::variant_size_v<Operation> == std::size(names));
  return names[operation.index()];
}

std::string_view to_string(Status status) {
  switch (status) {
    case Status::ok:
      return "ok";
    case Status::duplicate:
      return "duplicate";
    case Status::late:
      return "late";
    case Status::out_of_range:
      return "out_of_range";
    case Status::taken:
      return "taken";
    case Status::gone:
      return "gone";
    case Status::conflict:
      return "conflict";
    case Status::not_due:
      return "not_due";
  }
  return "unknown";
}

}  // namespace switchgear::fleet
