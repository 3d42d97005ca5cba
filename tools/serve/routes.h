// The table of what is served: method, pattern, who may, and the function. Patterns are paths whose segments may be
// {names}; the last may be {name...}, which takes the rest with its slashes.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tools/serve/access.h"
#include "tools/serve/error.h"
#include "tools/serve/http/http.h"

namespace kedge::tools::serve {

struct Call {
  HttpRequest request;
  std::shared_ptr<HttpReply> reply;
  Principal who;
  Fields captures;  // of the pattern, decoded

  std::string_view capture(std::string_view name) const;  // "" when the pattern has no such name
  // A reply of this API's making.
  void send_json(const Json& body, int status = 200, Fields headers = {}) const;
  void send_error(const ApiError& error) const;  // in the shape of the API that the path belongs to
};

using RouteHandler = std::function<void(Call)>;

enum class Where : uint8_t {
  kHere,    // on the I/O thread: what takes microseconds
  kWorker,  // on a worker's thread; 429 when there is none left
};

class Routes {
 public:
  struct Route {
    std::string method;
    std::vector<std::string> pattern;  // segments
    Role role = Role::kUse;
    Where where = Where::kHere;
    RouteHandler handler;
  };
  struct Match {
    const Route* route = nullptr;
    Fields captures;
  };

  // Of two patterns that fit, the one that was added first is taken.
  void add(std::string method, std::string_view pattern, Role role, RouteHandler handler, Where where = Where::kHere);
  // By the path as it came. HEAD finds GET. Errors: 404; 405 (`allow` then says which methods there are).
  Answer<Match> find(std::string_view method, std::string_view raw_path, std::string* allow) const;
  // The methods that a path has, "GET, HEAD, POST"; empty: no such path.
  std::string methods(std::string_view raw_path) const;

 private:
  std::vector<Route> routes_;
};

}  // namespace kedge::tools::serve
