// A whole answer, which may take long: from a while on white space goes before it, which means nothing in JSON, so that
// no client or proxy takes the connection for dead. The status is 200 from then on; what fails is said in the body.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "tools/serve/wire/error_shape.h"

namespace kedge::tools::serve {

class WholeReply {
 public:
  WholeReply(std::shared_ptr<HttpReply> reply, ErrorShape shape, std::string request_id = {})
      : reply_(std::move(reply)), shape_(shape), request_id_(std::move(request_id)) {}

  bool gone() const { return reply_->gone(); }
  bool keep_alive();
  // `kedge`: the answer's member, of which headers are made when there is time for any.
  void send(const Json& answer, const Json& kedge);
  void failed(const ApiError& error);

 private:
  const std::shared_ptr<HttpReply> reply_;
  const ErrorShape shape_;
  const std::string request_id_;
};

}  // namespace kedge::tools::serve
