#include "tools/serve/wire/sse.h"

namespace kedge::tools::serve {

void SseWriter::start(Fields headers) {
  headers.emplace_back("content-type", "text/event-stream; charset=utf-8");
  headers.emplace_back("cache-control", "no-cache");
  headers.emplace_back("x-accel-buffering", "no");  // nginx would wait for more
  reply_->start(200, std::move(headers));
}

bool SseWriter::data(const base::Json& json) { return line(json.dump()); }

bool SseWriter::event(std::string_view name, const base::Json& json) {
  return reply_->write("event: " + std::string(name) + "\ndata: " + json.dump() + "\n\n");
}

bool SseWriter::line(std::string_view text) { return reply_->write("data: " + std::string(text) + "\n\n"); }

bool SseWriter::comment(std::string_view text) { return reply_->write(": " + std::string(text) + "\n\n"); }

}  // namespace kedge::tools::serve
