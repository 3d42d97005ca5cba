// Server-sent events over a reply.
#pragma once

#include <memory>
#include <string_view>

#include "kernels/base/json.h"
#include "tools/serve/http/http.h"

namespace kedge::tools::serve {

class SseWriter {
 public:
  explicit SseWriter(std::shared_ptr<HttpReply> reply) : reply_(std::move(reply)) {}

  void start(Fields headers = {});
  // Each is false when the client has gone.
  bool data(const base::Json& json);
  bool event(std::string_view name, const base::Json& json);
  bool line(std::string_view text);     // "data: text"
  bool comment(std::string_view text);  // which clients skip
  void end() { reply_->end(); }
  HttpReply& reply() { return *reply_; }

 private:
  std::shared_ptr<HttpReply> reply_;
};

}  // namespace kedge::tools::serve
