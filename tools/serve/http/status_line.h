// The head of a reply.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tools/serve/http/http.h"

namespace kedge::tools::serve {

const char* status_words(int status);  // "Not Found"
bool has_no_body(int status);          // 1xx, 204, 304
// "Mon, 30 Nov 2026 04:40:32 GMT"
std::string http_date(int64_t seconds);

enum class BodyFraming : uint8_t { kLength, kChunked, kUntilClose, kNone };

struct ReplyHead {
  int status = 200;
  BodyFraming framing = BodyFraming::kLength;
  uint64_t length = 0;
  bool close = false;
  bool say_keep_alive = false;  // to a client of HTTP/1.0
  std::string_view id;          // of the request
};

// Fields that framing decides are left out of `headers`; a control character in a value becomes a space.
std::string reply_head(const ReplyHead& head, const Fields& headers);

}  // namespace kedge::tools::serve
