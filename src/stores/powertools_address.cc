#include "stores/powertools_address.h"

#include <set>

#include "fleet/text.h"
#include "net/url.h"
#include "stores/table_name.h"

namespace switchgear::stores {
namespace {

Error refused(const std::string& what) {
  return Error{.code = "url",
               .message = what +
                          "; write powertools://TABLE or powertools://TABLE?region=REGION, and the "
                          "attributes of CircuitBreakerDynamoDBPersistence if they are not its "
                          "defaults, such as key_attr=pk&sort_key_attr=sk&static_pk_value=VALUE",
               .retryable = false,
               .source = "store"};
}

// Where a parameter goes; null for one that is not known.
std::string* place_of(PowertoolsAddress& address, std::string_view parameter) {
  PowertoolsNames& names = address.names;
  if (parameter == "region") return &address.region;
  if (parameter == "key_attr") return &names.key;
  if (parameter == "sort_key_attr") return &names.sort_key;
  if (parameter == "static_pk_value") return &names.partition;
  if (parameter == "state_attr") return &names.state;
  if (parameter == "failure_count_attr") return &names.failure_count;
  if (parameter == "opened_at_attr") return &names.opened_at;
  if (parameter == "half_open_owner_attr") return &names.owner;
  if (parameter == "probe_lease_expiry_attr") return &names.lease;
  if (parameter == "expiry_attr") return &names.expiry;
  return nullptr;
}

Result<void> read_query(std::string_view query, PowertoolsAddress& address) {
  std::set<std::string_view> given;
  for (const std::string_view part : fleet::split(query, '&')) {
    const auto equals = part.find('=');
    const std::string_view parameter = part.substr(0, equals);
    std::string* place = place_of(address, parameter);
    if (place == nullptr) {
      return refused("'" + std::string(parameter.substr(0, 80)) + "' is no parameter of this URL");
    }
    if (!given.insert(parameter).second) {
      return refused(std::string(parameter) + " is given twice");
    }
    if (equals == std::string_view::npos || !net::percent_decode(part.substr(equals + 1), *place) ||
        place->empty()) {
      return refused(std::string(parameter) + " has no value, or one that is wrongly encoded");
    }
  }
  return {};
}

}  // namespace

bool is_powertools_url(std::string_view url) { return net::has_scheme(url, "powertools"); }

Result<PowertoolsAddress> powertools_address(std::string_view url) {
  if (url.find('#') != std::string_view::npos) {
    return refused("the URL holds a #, which is written %23 there");
  }
  const auto parsed = net::parse_url(url);
  if (!parsed) return refused("'" + net::redact_url(url) + "' names no table");
  if (!parsed->user.empty() || !parsed->password.empty()) {
    return refused(
        "the URL of a table holds no user or password: credentials come from the "
        "environment");
  }
  if (parsed->port != 0 || (!parsed->path.empty() && parsed->path != "/")) {
    return refused(
        "a table has no port and no path; another endpoint is given by "
        "AWS_ENDPOINT_URL_DYNAMODB");
  }
  if (!is_table_name(parsed->host)) {
    return refused("'" + parsed->host.substr(0, 80) +
                   "' is no name of a DynamoDB table: " + kTableNameRule);
  }
  PowertoolsAddress address{.table = parsed->host};
  if (!parsed->query.empty()) {
    if (const auto read = read_query(parsed->query, address); !read) return read.error();
  }
  const PowertoolsNames& names = address.names;
  if (names.sort_key.empty() != names.partition.empty()) {
    return refused(
        "sort_key_attr and static_pk_value come together; Powertools' own value is "
        "circuit_breaker#FUNCTION, written circuit_breaker%23FUNCTION");
  }
  std::set<std::string> different{names.key,   names.state, names.failure_count, names.opened_at,
                                  names.owner, names.lease, names.expiry};
  std::size_t wanted = 7;
  if (!names.sort_key.empty()) {
    different.insert(names.sort_key);
    ++wanted;
  }
  if (different.size() < wanted) return refused("two attributes have the same name");
  return address;
}

}  // namespace switchgear::stores
