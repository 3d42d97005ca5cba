// What tests of wire formats read requests with, and what their sinks write to.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/json.h"
#include "tools/serve/wire/api.h"

namespace kedge::tools::serve {

class KeptReply final : public HttpReply {
 public:
  void send(int status, Fields headers, std::string body) override {
    status_ = status;
    headers_ = std::move(headers);
    body_ = std::move(body);
    ended_ = true;
  }
  void start(int status, Fields headers) override {
    status_ = status;
    headers_ = std::move(headers);
  }
  bool write(std::string_view bytes) override {
    body_ += bytes;
    return !gone_;
  }
  void end() override { ended_ = true; }
  bool started() const override { return status_ != 0; }
  void when_quiet(std::chrono::milliseconds, std::function<void()>) override {}
  void when_gone(std::function<void()>) override {}
  bool gone() const override { return gone_; }

  int status_ = 0;
  Fields headers_;
  std::string body_;
  bool ended_ = false;
  bool gone_ = false;
};

inline Answer<WireJob> read(WireReader reader, std::string_view body, std::string path = {}) {
  HttpRequest request;
  request.path = std::move(path);
  request.id = "req-1";
  return reader(Json::parse(body), request);
}

// The JSON of every "data: " line but [DONE].
inline std::vector<Json> events(const std::string& stream) {
  std::vector<Json> all;
  size_t at = 0;
  while ((at = stream.find("data: ", at)) != std::string::npos) {
    const size_t end = stream.find('\n', at);
    const std::string line = stream.substr(at + 6, end - at - 6);
    if (line != "[DONE]") all.push_back(Json::parse(line));
    at = end;
  }
  return all;
}

// The lines of a stream of JSON lines.
inline std::vector<Json> json_lines(const std::string& text) {
  std::vector<Json> lines;
  size_t at = 0;
  for (size_t end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
    lines.push_back(Json::parse(text.substr(at, end - at)));
  }
  return lines;
}

}  // namespace kedge::tools::serve
