// Where a stretch of rendered text came from.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/base/rooms.h"

namespace kedge::tokenizer {

struct TextOrigin {
  static constexpr int32_t kContent = -1;  // the content, when it is one string
  static constexpr int32_t kOther = -2;    // some other string of the message: no bytes are told

  int32_t message = -1;     // index; -1: none of the messages
  int32_t part = kContent;  // index of the content's part, or one of the above
  size_t begin = 0;         // bytes of that string
  size_t end = 0;

  bool same_string(const TextOrigin& o) const { return message == o.message && part == o.part; }
  bool has_bytes() const { return message >= 0 && part != kOther; }
};

}  // namespace kedge::tokenizer
