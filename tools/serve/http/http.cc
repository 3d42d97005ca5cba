#include "tools/serve/http/http.h"

#include <algorithm>

namespace kedge::tools::serve {

namespace {

std::string_view first(const Fields& fields, std::string_view name) {
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const auto& f) { return f.first == name; });
  return found == fields.end() ? std::string_view() : std::string_view(found->second);
}

}  // namespace

std::string_view HttpRequest::header(std::string_view name) const { return first(headers, name); }
std::string_view HttpRequest::parameter(std::string_view name) const { return first(query, name); }

}  // namespace kedge::tools::serve
