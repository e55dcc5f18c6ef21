// The body of a call in AWS's query protocol. Pure.
#pragma once

#include <string>
#include <string_view>

#include "net/url.h"

namespace switchgear::aws {

class QueryForm {
 public:
  static constexpr std::string_view kContentType =
      "application/x-www-form-urlencoded; charset=utf-8";

  QueryForm(std::string_view action, std::string_view version) {
    add("Action", action);
    add("Version", version);
  }
  void add(std::string_view name, std::string_view value) {
    if (!text_.empty()) text_ += '&';
    text_ += name;
    text_ += '=';
    text_ += net::percent_encode(value);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace switchgear::aws
