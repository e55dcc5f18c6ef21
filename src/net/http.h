// HTTP messages as plain values, for client and server alike.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace switchgear::net {

// Header fields in the order they came; a name may come more than once. Names are compared
// without regard to case and kept as written.
class Headers {
 public:
  using Field = std::pair<std::string, std::string>;
  Headers() = default;
  Headers(std::initializer_list<Field> fields) : fields_(fields) {}

  // The value of the first field of that name.
  std::optional<std::string_view> get(std::string_view name) const;
  bool has(std::string_view name) const { return get(name).has_value(); }
  // Replaces every field of that name by this one.
  void set(std::string_view name, std::string_view value);
  void add(std::string_view name, std::string_view value);
  void remove(std::string_view name);

  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }
  std::size_t size() const { return fields_.size(); }
  bool empty() const { return fields_.empty(); }
  friend bool operator==(const Headers&, const Headers&) = default;

 private:
  std::vector<Field> fields_;
};

struct HttpRequest {
  std::string method = "GET";
  // Path and query as they go over the wire, percent-encoded: "/orders?id=7".
  std::string target = "/";
  Headers headers = {};
  std::string body = {};
  friend bool operator==(const HttpRequest&, const HttpRequest&) = default;
};

struct HttpResponse {
  int status = 200;
  Headers headers = {};
  std::string body = {};
  friend bool operator==(const HttpResponse&, const HttpResponse&) = default;
};

// Equal but for the case of ASCII letters.
bool equal_ignoring_case(std::string_view a, std::string_view b);

// What may stand in a header without changing the message around it: a name is a token, a value
// holds no control character but tab. Whoever makes headers out of outside data asks these first;
// client and server refuse to send anything else.
bool is_header_name(std::string_view name);
bool is_header_value(std::string_view value);
// A method is a token; a target has no space, control or non-ASCII character and is not empty.
bool is_method(std::string_view method);
bool is_target(std::string_view target);

}  // namespace switchgear::net
