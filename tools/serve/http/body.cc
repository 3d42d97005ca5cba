#include "tools/serve/http/body.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

namespace kedge::tools::serve {

namespace http = boost::beast::http;

struct BodyReader::Parser {
  http::request_parser<http::string_body> parser;
};

BodyReader::BodyReader(std::string_view head, size_t most) : parser_(std::make_unique<Parser>()), most_(most) {
  auto& parser = parser_->parser;
  parser.body_limit(most);
  parser.header_limit(static_cast<uint32_t>(std::min<size_t>(head.size() + 4096, UINT32_MAX)));  // a trailer's too
  boost::beast::error_code error;
  parser.put(boost::asio::buffer(head.data(), head.size()), error);
  if (error == http::error::body_limit) {
    error_ = {413, "body_too_large", "the body is larger than " + std::to_string(most) + " bytes"};
  } else if (error && error != http::error::need_more) {
    error_ = {400, "bad_request", "the header cannot be read: " + error.message()};
  } else if (!parser.is_header_done()) {
    error_ = {400, "bad_request", "the header cannot be read"};
  }
}

BodyReader::~BodyReader() = default;

size_t BodyReader::take(std::string_view bytes) {
  auto& parser = parser_->parser;
  size_t used = 0;
  while (used < bytes.size() && !parser.is_done() && !failed()) {
    boost::beast::error_code error;
    const size_t n = parser.put(boost::asio::buffer(bytes.data() + used, bytes.size() - used), error);
    used += n;
    if (error == http::error::body_limit) {
      error_ = {413, "body_too_large", "the body is larger than " + std::to_string(most_) + " bytes"};
    } else if (error == http::error::header_limit) {
      error_ = {431, "header_too_large", "the trailer of the body is too large"};
    } else if (error == http::error::need_more || (!error && n == 0)) {
      break;
    } else if (error) {
      error_ = {400, "bad_request", "the body cannot be read: " + error.message()};
    }
  }
  received_ = parser.get().body().size();
  return used;
}

bool BodyReader::done() const { return parser_->parser.is_done(); }

std::string BodyReader::body() { return std::move(parser_->parser.get().body()); }

}  // namespace kedge::tools::serve
