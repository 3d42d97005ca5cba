#include "tools/serve/http/status_line.h"

#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>

namespace kedge::tools::serve {
namespace {

struct Words {
  int status;
  const char* words;
};

constexpr std::array kWords = {
    Words{100, "Continue"},
    Words{102, "Processing"},
    Words{200, "OK"},
    Words{201, "Created"},
    Words{202, "Accepted"},
    Words{204, "No Content"},
    Words{206, "Partial Content"},
    Words{304, "Not Modified"},
    Words{308, "Permanent Redirect"},
    Words{400, "Bad Request"},
    Words{401, "Unauthorized"},
    Words{403, "Forbidden"},
    Words{404, "Not Found"},
    Words{405, "Method Not Allowed"},
    Words{406, "Not Acceptable"},
    Words{408, "Request Timeout"},
    Words{411, "Length Required"},
    Words{413, "Content Too Large"},
    Words{414, "URI Too Long"},
    Words{415, "Unsupported Media Type"},
    Words{417, "Expectation Failed"},
    Words{422, "Unprocessable Content"},
    Words{429, "Too Many Requests"},
    Words{431, "Request Header Fields Too Large"},
    Words{500, "Internal Server Error"},
    Words{501, "Not Implemented"},
    Words{503, "Service Unavailable"},
    Words{504, "Gateway Timeout"},
    Words{505, "HTTP Version Not Supported"},
    Words{507, "Insufficient Storage"},
    Words{529, "Overloaded"},
};

bool is_framing(std::string_view name) {
  for (const std::string_view own : {"content-length", "transfer-encoding", "connection", "date"}) {
    if (name == own) return true;
  }
  return false;
}

void add(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += ": ";
  for (const char c : value) out += (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == 0x7f ? ' ' : c;
  out += "\r\n";
}

}  // namespace

const char* status_words(int status) {
  for (const Words& w : kWords) {
    if (w.status == status) return w.words;
  }
  return "Unknown";
}

bool has_no_body(int status) { return status < 200 || status == 204 || status == 304; }

std::string http_date(int64_t seconds) {
  static constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t time = static_cast<std::time_t>(seconds);
  std::tm t{};
  gmtime_r(&time, &t);
  std::array<char, 64> text;
  const int n = std::snprintf(text.data(), text.size(), "%s, %02d %s %d %02d:%02d:%02d GMT",
                              kDays[static_cast<size_t>(t.tm_wday)], t.tm_mday, kMonths[static_cast<size_t>(t.tm_mon)],
                              t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
  return std::string(text.data(), static_cast<size_t>(n));
}

std::string reply_head(const ReplyHead& head, const Fields& headers) {
  std::string out;
  out.reserve(512);
  out = "HTTP/1.1 " + std::to_string(head.status) + " " + status_words(head.status) + "\r\n";
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  add(out, "date", http_date(std::chrono::duration_cast<std::chrono::seconds>(now).count()));
  if (!head.id.empty()) {
    add(out, "x-request-id", head.id);
    add(out, "request-id", head.id);
  }
  for (const auto& [name, value] : headers) {
    if (!is_framing(name)) add(out, name, value);
  }
  if (!has_no_body(head.status)) {
    if (head.framing == BodyFraming::kLength) add(out, "content-length", std::to_string(head.length));
    if (head.framing == BodyFraming::kChunked) add(out, "transfer-encoding", "chunked");
  }
  if (head.close) add(out, "connection", "close");
  if (!head.close && head.say_keep_alive) add(out, "connection", "keep-alive");
  out += "\r\n";
  return out;
}

}  // namespace kedge::tools::serve
