// A request to a server, for commands that talk to one.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "kernels/base/result.h"
#include "tools/serve/http/http.h"

namespace kedge::tools::serve {

struct HttpTarget {
  bool secure = false;
  std::string host;  // a name or an address, without brackets
  std::string port;
  std::string path;  // in front of every request's, without a slash at its end
};
// "http://127.0.0.1:8080", "https://a.example/kedge". Error: kInvalidArgument.
base::Result<HttpTarget> parse_url(std::string_view url);

struct HttpClientOptions {
  std::string key;                    // sent as a bearer token; empty: none
  std::function<bool()> cancelled{};  // asked ten times a second
};

// One request and its whole answer; `on_body` gets the parts of a body of status 200 as they come (false: enough), any
// other status' body is in the answer. A server's certificate is checked against the system's. Errors: kIo (naming the
// server), kCancelled.
base::Result<HttpAnswer> http_request(const HttpTarget& to, const std::string& method, const std::string& path,
                                      const std::string& body, const HttpClientOptions& options,
                                      const std::function<bool(std::string_view)>& on_body = {});

}  // namespace kedge::tools::serve
