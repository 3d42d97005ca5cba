#include "tools/serve/http/head.h"

#include <algorithm>
#include <array>

#include "kernels/base/utf8.h"

namespace kedge::tools::serve {
namespace {

constexpr std::array kMethods = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_token(char c) {
  return is_digit(c) || is_alpha(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return lower(c); });
  return out;
}

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  const char l = lower(c);
  return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// For a message: what came, cut short and without what a terminal would obey.
std::string shown(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 60)) out += c >= ' ' && c < 0x7f ? c : '?';
  return out + (text.size() > 60 ? "..." : "");
}

HeadError bad(std::string message) { return {400, "bad_request", std::move(message)}; }

// "name[:port]" or "[address][:port]", and nothing a URL has elsewhere.
bool is_host(std::string_view host) {
  const size_t bracket = host.starts_with('[') ? host.find(']') : std::string_view::npos;
  if (host.starts_with('[') && bracket == std::string_view::npos) return false;
  const size_t from = bracket == std::string_view::npos ? 0 : bracket + 1;
  const size_t colon = host.find(':', from);
  const std::string_view name = host.substr(0, std::min(colon, host.size()));
  const std::string_view port = colon == std::string_view::npos ? std::string_view() : host.substr(colon + 1);
  if (name.empty() || port.size() > 5 || !std::all_of(port.begin(), port.end(), is_digit)) return false;
  if (bracket != std::string_view::npos) {
    const std::string_view address = host.substr(1, bracket - 1);
    const auto ok = [](char c) { return hex_digit(c) >= 0 || c == ':' || c == '.'; };
    return name.size() == bracket + 1 && !address.empty() && std::all_of(address.begin(), address.end(), ok);
  }
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return is_digit(c) || is_alpha(c) || c == '-' || c == '.' || c == '_'; });
}

std::optional<HeadError> split_query(std::string_view text, Fields& query) {
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    if (part.empty()) continue;
    const size_t equals = std::min(part.find('='), part.size());
    auto& [name, value] = query.emplace_back();
    if (!percent_decode(part.substr(0, equals), true, name) ||
        !percent_decode(part.substr(std::min(equals + 1, part.size())), true, value)) {
      return bad("the query has a % that is no encoding of text: " + shown(part));
    }
  }
  return {};
}

// Origin form; absolute form when it names the host that Host names, which is looked at when the fields are there.
std::optional<HeadError> read_target(std::string_view target, RequestHead& head, std::string& authority) {
  HttpRequest& request = head.request;
  head.target = target;
  if (target == "*") {
    if (request.method != "OPTIONS") return bad("the target * is for OPTIONS only");
    request.path = request.raw_path = "*";
    return {};
  }
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (lower(target.substr(0, scheme.size())) != scheme) continue;
    target.remove_prefix(scheme.size());
    const size_t end = std::min(target.find_first_of("/?"), target.size());
    authority = lower(target.substr(0, end));
    target.remove_prefix(end);
    if (!is_host(authority)) return bad("the target names no host: " + shown(head.target));
    if (target.empty()) target = "/";
    break;
  }
  if (!target.starts_with('/')) return bad("the target is no path: " + shown(head.target));
  if (target.find('#') != std::string_view::npos) return bad("the target has a fragment: " + shown(head.target));
  const size_t mark = std::min(target.find('?'), target.size());
  request.raw_path = target.substr(0, mark);
  if (!percent_decode(request.raw_path, false, request.path)) {
    request.path = shown(request.raw_path);
    return bad("the path has a % that is no encoding of text: " + shown(request.raw_path));
  }
  return split_query(target.substr(std::min(mark + 1, target.size())), request.query);
}

std::optional<HeadError> read_request_line(std::string_view line, RequestHead& head, std::string& authority) {
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return bad("the request line is not METHOD TARGET VERSION");
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (method.empty() || method.size() > 32 || !std::all_of(method.begin(), method.end(), is_token))
    return bad("the method is no word: " + shown(method));
  const auto printable = [](char c) { return c > ' ' && c < 0x7f; };
  if (target.empty() || !std::all_of(target.begin(), target.end(), printable))
    return bad("the target has characters that have to be encoded");
  if (version.size() != 8 || !version.starts_with("HTTP/") || !is_digit(version[5]) || version[6] != '.' ||
      !is_digit(version[7])) {
    return bad("the version is not HTTP/1.1 or HTTP/1.0: " + shown(version));
  }
  head.request.method = method;
  head.http10 = version == "HTTP/1.0";
  head.keep_alive = !head.http10;
  if (!head.http10 && version != "HTTP/1.1") {
    return HeadError{505, "http_version_not_supported", shown(version) + " is not spoken here, HTTP/1.1 and 1.0 are"};
  }
  if (method == "CONNECT" || method == "TRACE")
    return HeadError{405, "method_not_allowed", std::string(method) + " is not served"};
  if (std::find(kMethods.begin(), kMethods.end(), method) == kMethods.end())
    return HeadError{501, "not_implemented", "the method " + shown(method) + " is not known"};
  return read_target(target, head, authority);
}

std::optional<HeadError> read_field(std::string_view line, HttpRequest& request) {
  if (line.front() == ' ' || line.front() == '\t') return bad("a header field goes on over two lines");
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return bad("a header line has no colon: " + shown(line));
  const std::string_view name = line.substr(0, colon);
  if (name.empty() || !std::all_of(name.begin(), name.end(), is_token))
    return bad("the name of a header field is no word: " + shown(name));
  const std::string_view value = trimmed(line.substr(colon + 1));
  const auto control = [](char c) { return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == 0x7f; };
  if (std::any_of(value.begin(), value.end(), control))
    return bad("the header field " + shown(name) + " has control characters");
  request.headers.emplace_back(lower(name), value);
  return {};
}

// Calls f(member) for each of a list "a, b".
template <class F>
void each_member(std::string_view list, F&& f) {
  while (!list.empty()) {
    const std::string_view part = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), part.size() + 1));
    if (const std::string_view member = trimmed(part); !member.empty()) f(lower(member));
  }
}

std::optional<HeadError> read_framing(RequestHead& head) {
  size_t lengths = 0;
  size_t codings = 0;
  for (const auto& [name, value] : head.request.headers) {
    if (name == "content-length") {
      if (++lengths > 1) return bad("there are two Content-Length fields");
      if (value.empty() || value.size() > 18 || !std::all_of(value.begin(), value.end(), is_digit))
        return bad("Content-Length is no number of bytes: " + shown(value));
      uint64_t length = 0;
      for (const char c : value) length = length * 10 + static_cast<uint64_t>(c - '0');
      head.length = length;
    } else if (name == "transfer-encoding") {
      if (++codings > 1) return bad("there are two Transfer-Encoding fields");
      if (head.http10) return bad("HTTP/1.0 has no Transfer-Encoding");
      if (lower(value) != "chunked")
        return HeadError{501, "not_implemented", "the transfer coding " + shown(value) + " is not known, chunked is"};
      head.chunked = true;
    }
  }
  if (lengths > 0 && codings > 0) return bad("there are both a Content-Length and a Transfer-Encoding");
  return {};
}

std::optional<HeadError> read_connection(RequestHead& head) {
  for (const auto& [name, value] : head.request.headers) {
    if (name == "connection") {
      each_member(value, [&](const std::string& member) {
        if (member == "close") head.keep_alive = false;
        if (member == "keep-alive" && head.http10) head.keep_alive = true;
      });
    } else if (name == "expect" && !head.http10) {
      if (lower(value) != "100-continue")
        return HeadError{417, "expectation_failed", "Expect: " + shown(value) + " cannot be met"};
      head.expects_continue = true;
    } else if (name == "content-encoding" && lower(value) != "identity") {
      return HeadError{415, "unsupported_media_type",
                       "a body may not be encoded (Content-Encoding: " + shown(value) + ")"};
    }
  }
  return {};
}

std::optional<HeadError> read_host(const RequestHead& head, const std::string& authority) {
  size_t hosts = 0;
  for (const auto& [name, value] : head.request.headers) {
    if (name != "host") continue;
    if (++hosts > 1) return bad("there are two Host fields");
    if (!is_host(value)) return bad("Host is no host: " + shown(value));
    if (!authority.empty() && lower(value) != authority)
      return bad("Host is another than the target's: " + shown(value));
  }
  if (hosts == 0 && !head.http10) return bad("there is no Host field");
  return {};
}

}  // namespace

bool percent_decode(std::string_view text, bool query, std::string& out) {
  out.clear();
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size() || hex_digit(text[i + 1]) < 0 || hex_digit(text[i + 2]) < 0) return false;
      c = static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else if (c == '+' && query) {
      c = ' ';
    }
    const auto byte = static_cast<unsigned char>(c);
    if (byte == 0x7f || (byte < ' ' && !(query && (c == '\t' || c == '\n' || c == '\r')))) return false;
    out += c;
  }
  return base::utf8_valid(out);
}

HeadScanner::State HeadScanner::wrong(int status, const char* code, std::string message) {
  error_ = {status, code, std::move(message)};
  return State::kWrong;
}

HeadScanner::State HeadScanner::look(std::string_view bytes) {
  const size_t most = std::min(bytes.size(), limits_->header_bytes);
  for (; at_ < most; ++at_) {
    const char c = bytes[at_];
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\r') {
      if (at_ + 1 == bytes.size()) break;  // what follows decides
      if (bytes[at_ + 1] != '\n') return wrong(400, "bad_request", "a carriage return stands alone");
      const bool empty = at_ == line_;
      at_ += 1;
      if (empty && in_fields_) {
        ++at_;
        return State::kWhole;
      }
      line_ = at_ + 1;
      if (!empty) in_fields_ = true;
      if (empty && begin_ != 0) return wrong(400, "bad_request", "there are empty lines before the request");
      if (empty) begin_ = line_;
    } else if (c == '\n') {
      return wrong(400, "bad_request", "a line ends without a carriage return");
    } else if ((byte < ' ' && c != '\t') || byte == 0x7f) {
      return wrong(400, "bad_request",
                   at_ == 0 && byte == 0x16 ? "this is no TLS port" : "there is a control character");
    } else if (!in_fields_ && at_ - line_ > limits_->target_bytes + 64) {
      return wrong(414, "uri_too_long",
                   "the target is longer than " + std::to_string(limits_->target_bytes) + " bytes");
    }
  }
  if (bytes.size() <= limits_->header_bytes) return State::kMore;
  return wrong(431, "header_too_large",
               "the header is larger than " + std::to_string(limits_->header_bytes) + " bytes");
}

std::optional<HeadError> parse_head(std::string_view text, const HttpLimits& limits, RequestHead& head) {
  std::string authority;
  bool first = true;
  while (true) {
    const size_t end = text.find("\r\n");
    const std::string_view line = text.substr(0, end);
    if (end == std::string_view::npos || line.empty()) break;
    text.remove_prefix(end + 2);
    if (first) {
      if (auto error = read_request_line(line, head, authority)) return error;
      if (head.target.size() > limits.target_bytes) {
        return HeadError{414, "uri_too_long",
                         "the target has " + std::to_string(head.target.size()) + " bytes, more than " +
                             std::to_string(limits.target_bytes)};
      }
    } else {
      if (head.request.headers.size() >= limits.header_fields) {
        return HeadError{431, "header_too_large",
                         "there are more than " + std::to_string(limits.header_fields) + " header fields"};
      }
      if (auto error = read_field(line, head.request)) return error;
    }
    first = false;
  }
  if (auto error = read_framing(head)) return error;
  if (auto error = read_host(head, authority)) return error;
  return read_connection(head);
}

}  // namespace kedge::tools::serve
