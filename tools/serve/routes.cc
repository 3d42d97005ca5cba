#include "tools/serve/routes.h"

#include <algorithm>

#include "tools/serve/http/head.h"
#include "tools/serve/wire/error_shape.h"

namespace kedge::tools::serve {
namespace {

std::vector<std::string> segments(std::string_view path) {
  std::vector<std::string> out;
  if (path.starts_with('/')) path.remove_prefix(1);
  while (true) {
    const size_t end = std::min(path.find('/'), path.size());
    out.emplace_back(path.substr(0, end));
    if (end == path.size()) return out;
    path.remove_prefix(end + 1);
  }
}

// What a segment of a pattern captures as; empty: it is a text.
std::string_view captured_as(std::string_view segment) {
  const bool names = segment.size() > 2 && segment.front() == '{' && segment.find('}') != std::string_view::npos;
  return names ? segment.substr(1, segment.find('}') - 1) : std::string_view();
}

// "{alias}:swap": the name, and what has to follow it in the segment.
bool fits_segment(std::string_view pattern, std::string_view segment, Fields& captures) {
  const std::string_view name = captured_as(pattern);
  std::string text;
  if (name.empty()) return percent_decode(segment, false, text) && text == pattern;
  const std::string_view after = pattern.substr(name.size() + 2);
  if (segment.size() <= after.size() || !segment.ends_with(after)) return false;
  segment.remove_suffix(after.size());
  if (!percent_decode(segment, false, text)) return false;
  captures.emplace_back(name, std::move(text));
  return true;
}

bool fits(const std::vector<std::string>& pattern, const std::vector<std::string>& path, Fields& captures) {
  captures.clear();
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (i >= path.size()) return false;
    std::string_view name = captured_as(pattern[i]);
    if (name.ends_with("...")) {
      std::string rest = path[i];
      for (size_t k = i + 1; k < path.size(); ++k) rest += "/" + path[k];
      std::string text;
      if (rest.empty() || !percent_decode(rest, false, text)) return false;
      name.remove_suffix(3);
      captures.emplace_back(name, std::move(text));
      return true;
    }
    if (!fits_segment(pattern[i], path[i], captures)) return false;
  }
  return pattern.size() == path.size();
}

}  // namespace

std::string_view Call::capture(std::string_view name) const {
  for (const auto& [key, value] : captures) {
    if (key == name) return value;
  }
  return {};
}

void Call::send_json(const Json& body, int status, Fields headers) const {
  headers.emplace_back("content-type", "application/json");
  reply->send(status, std::move(headers), body.dump() + "\n");
}

void Call::send_error(const ApiError& error) const {
  serve::send_error(*reply, error_shape(request.path), error, request.id);
}

void Routes::add(std::string method, std::string_view pattern, Role role, RouteHandler handler, Where where) {
  routes_.push_back({std::move(method), segments(pattern), role, where, std::move(handler)});
}

Answer<Routes::Match> Routes::find(std::string_view method, std::string_view raw_path, std::string* allow) const {
  const std::vector<std::string> path = segments(raw_path);
  Match match;
  for (const Route& route : routes_) {
    if (route.method != method && !(method == "HEAD" && route.method == "GET")) continue;
    if (!fits(route.pattern, path, match.captures)) continue;
    match.route = &route;
    return match;
  }
  const std::string there = methods(raw_path);
  if (allow != nullptr) *allow = there;
  std::string shown;
  if (!percent_decode(raw_path, false, shown)) shown = raw_path;
  if (there.empty()) return ApiError{.status = 404, .code = "not_found", .message = "there is nothing at " + shown};
  return ApiError{.status = 405,
                  .code = "method_not_allowed",
                  .message = std::string(method) + " is not served at " + shown + ", " + there + " is"};
}

std::string Routes::methods(std::string_view raw_path) const {
  const std::vector<std::string> path = segments(raw_path);
  std::vector<std::string> found;
  const auto add_once = [&](const std::string& method) {
    if (std::find(found.begin(), found.end(), method) == found.end()) found.push_back(method);
  };
  Fields captures;
  for (const Route& route : routes_) {
    if (!fits(route.pattern, path, captures)) continue;
    add_once(route.method);
    if (route.method == "GET") add_once("HEAD");
  }
  std::string out;
  for (const std::string& method : found) out += (out.empty() ? "" : ", ") + method;
  return out;
}

}  // namespace kedge::tools::serve
