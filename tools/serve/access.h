// Who may do what: keys with names and roles, and the checks that keep a browser's other pages out.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/serve/error.h"
#include "tools/serve/http/http.h"

namespace kedge::tools::serve {

// What a route asks of a caller. Admin may do everything, audit what use may and read records.
enum class Role : uint8_t { kNone, kUse, kAudit, kAdmin };

struct KeyEntry {
  std::string name;
  std::array<unsigned char, 32> sha256{};  // of the key
  Role role = Role::kUse;                  // the highest it has
  double share = 1;                        // of the engine, against other keys
};

struct Principal {
  std::string name;  // of the key; "local" where none is needed
  Role role = Role::kNone;
  double share = 1;
};

struct AccessRules {
  std::vector<KeyEntry> keys;
  std::vector<std::string> hosts;    // names that Host may have beside loopback's and addresses
  std::vector<std::string> origins;  // that may ask from a browser, beside the server's own; "*": all
  bool open = false;                 // no key is needed: a loopback address, or --no-auth
};

class Access {
 public:
  explicit Access(AccessRules rules) : rules_(std::move(rules)) {}

  // Host and Origin: 403.
  std::optional<ApiError> check_browser(const HttpRequest& request) const;
  // The key (`Authorization: Bearer` or `x-api-key`): 401 without one that fits, 403 when its role does not reach.
  Answer<Principal> check_key(const HttpRequest& request, Role needed) const;
  // The request's Origin when it is another than the server's and allowed: what CORS fields answer to. Empty: none.
  std::string cors_origin(const HttpRequest& request) const;

 private:
  bool allowed_host(std::string_view host) const;
  bool allowed_origin(std::string_view origin, std::string_view host) const;

  AccessRules rules_;
};

// "a.example:8080", "[::1]:80" without its port, in lower case.
std::string host_without_port(std::string_view host);
// Whether every address of that name or address is this machine's own.
bool is_loopback(const std::string& host);

}  // namespace kedge::tools::serve
