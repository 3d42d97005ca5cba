// The body of a request, taken apart by Beast: by its length or in chunks.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "tools/serve/http/head.h"

namespace kedge::tools::serve {

class BodyReader {
 public:
  // `head` is the text that parse_head() has passed; Beast reads it once more and has to agree. `most` bytes of body.
  BodyReader(std::string_view head, size_t most);
  ~BodyReader();

  // Takes what belongs to this request, returns how many bytes that were.
  size_t take(std::string_view bytes);
  bool done() const;
  bool failed() const { return error_.status != 0; }
  const HeadError& error() const { return error_; }
  uint64_t received() const { return received_; }
  std::string body();  // moved out, when done

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
  HeadError error_{0, "", {}};
  uint64_t received_ = 0;
  size_t most_;
};

}  // namespace kedge::tools::serve
