// What reads the calls behind a marker: the seam between the reader of an answer and the forms calls are written in.
#pragma once

#include <string>
#include <string_view>

#include "engine/chat_read/events.h"
#include "kernels/base/result.h"

namespace kedge::engine::chat_read {

enum class Read {
  kMore,    // what is left of the text waits for more
  kDone,    // the calls of this marker are read; what is left of the text stands behind them
  kNoCall,  // what stands behind the marker is no call, and none was given out
};

class CallParser {
 public:
  virtual ~CallParser() = default;
  // Reads on at `text` and takes from it what it has read. `last`: no more comes, so kMore is no answer.
  // Errors: kInvalidArgument (cut off; no JSON), by the tool's name.
  virtual Result<Read> read(std::string_view& text, bool last, Events& events) = 0;
};

inline Error call_error(std::string_view tool, const std::string& problem) {
  if (tool.empty()) return {ErrorCode::kInvalidArgument, "a tool call " + problem};
  return {ErrorCode::kInvalidArgument, "the call of the tool '" + std::string(tool) + "' " + problem};
}
inline Error cut_off(std::string_view tool, const std::string& before) {
  return call_error(tool, "is cut off before " + before);
}

}  // namespace kedge::engine::chat_read
