#include "tools/serve/wire/whole_reply.h"

#include "tools/serve/wire/api.h"

namespace kedge::tools::serve {

bool WholeReply::keep_alive() {
  // Proxies hold small pieces back unless they are told not to.
  if (!reply_->started()) reply_->start(200, {{"content-type", "application/json"}, {"x-accel-buffering", "no"}});
  return reply_->write("\n");
}

void WholeReply::send(const Json& answer, const Json& kedge) {
  if (!reply_->started()) return reply_->send(200, kedge_headers(kedge), answer.dump());
  reply_->write(answer.dump());
  reply_->end();
}

void WholeReply::failed(const ApiError& error) {
  if (!reply_->started()) return send_error(*reply_, shape_, error, request_id_);
  reply_->write(error_json(shape_, error, request_id_).dump());
  reply_->end();
}

}  // namespace kedge::tools::serve
