#include "tools/serve/access.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>

namespace kedge::tools::serve {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

bool is_address(const std::string& host) {
  in_addr four{};
  in6_addr six{};
  return inet_pton(AF_INET, host.c_str(), &four) == 1 || inet_pton(AF_INET6, host.c_str(), &six) == 1;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// The key a request shows: `Authorization: Bearer`, as nearly all clients do, or `x-api-key`.
std::string_view shown_key(const HttpRequest& request) {
  const std::string_view authorization = request.header("authorization");
  constexpr std::string_view kBearer = "bearer ";
  if (authorization.size() > kBearer.size() && lower(authorization.substr(0, kBearer.size())) == kBearer)
    return trimmed(authorization.substr(kBearer.size()));
  return trimmed(request.header("x-api-key"));
}

const char* role_name(Role role) {
  switch (role) {
    case Role::kAdmin:
      return "admin";
    case Role::kAudit:
      return "audit";
    default:
      return "use";
  }
}

ApiError forbidden(std::string code, std::string message) {
  return {.status = 403, .code = std::move(code), .message = std::move(message)};
}

bool is_loopback_address(const sockaddr* address) {
  if (address->sa_family == AF_INET)
    return (ntohl(reinterpret_cast<const sockaddr_in*>(address)->sin_addr.s_addr) >> 24) == 127;
  if (address->sa_family != AF_INET6) return false;
  const in6_addr& six = reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(&six) || (IN6_IS_ADDR_V4MAPPED(&six) && six.s6_addr[12] == 127);
}

}  // namespace

std::string host_without_port(std::string_view host) {
  if (host.starts_with('[')) {
    const size_t end = std::min(host.find(']'), host.size());
    return lower(host.substr(1, end - 1));
  }
  std::string name = lower(host.substr(0, host.find(':')));
  if (name.size() > 1 && name.back() == '.') name.pop_back();
  return name;
}

bool is_loopback(const std::string& host) {
  std::string name = host;
  if (name.size() > 2 && name.front() == '[' && name.back() == ']') name = name.substr(1, name.size() - 2);
  addrinfo* found = nullptr;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  if (getaddrinfo(name.c_str(), nullptr, &hints, &found) != 0) return false;
  bool all = found != nullptr;
  for (const addrinfo* a = found; a != nullptr; a = a->ai_next) all = all && is_loopback_address(a->ai_addr);
  freeaddrinfo(found);
  return all;
}

// A page of somebody's whose name was made to point here has that name in Host; an address cannot be made to point.
bool Access::allowed_host(std::string_view host) const {
  const std::string name = host_without_port(host);
  if (name == "localhost" || name.ends_with(".localhost") || is_address(name)) return true;
  if (std::find(rules_.hosts.begin(), rules_.hosts.end(), name) != rules_.hosts.end()) return true;
  return rules_.hosts.empty() && !rules_.open;  // whom a name deceives has no key
}

bool Access::allowed_origin(std::string_view origin, std::string_view host) const {
  const auto& list = rules_.origins;
  if (std::find(list.begin(), list.end(), "*") != list.end()) return true;
  if (std::find(list.begin(), list.end(), lower(origin)) != list.end()) return true;
  const size_t scheme = origin.find("://");
  return scheme != std::string_view::npos && !host.empty() && lower(origin.substr(scheme + 3)) == lower(host);
}

std::optional<ApiError> Access::check_browser(const HttpRequest& request) const {
  const std::string_view host = request.header("host");
  if (!host.empty() && !allowed_host(host)) {
    return forbidden("host_not_allowed", "Host is " + std::string(host) +
                                             ", which this server does not answer to; names are allowed with --hosts");
  }
  const std::string_view origin = request.header("origin");
  if (!origin.empty() && !allowed_origin(origin, host)) {
    return forbidden("origin_not_allowed", "pages of " + std::string(origin) +
                                               " may not ask this server; origins are allowed with --origins");
  }
  if (origin.empty() && request.header("sec-fetch-site") == "cross-site" &&
      request.header("sec-fetch-mode") != "navigate")
    return forbidden("origin_not_allowed", "another site's page may not ask this server");
  return {};
}

std::string Access::cors_origin(const HttpRequest& request) const {
  const std::string_view origin = request.header("origin");
  return !origin.empty() && allowed_origin(origin, request.header("host")) ? std::string(origin) : std::string();
}

Answer<Principal> Access::check_key(const HttpRequest& request, Role needed) const {
  if (needed == Role::kNone) return Principal{};
  const std::string_view key = shown_key(request);
  std::array<unsigned char, 32> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), digest.data());
  const KeyEntry* found = nullptr;
  for (const KeyEntry& entry : rules_.keys) {  // all of them, whichever fits
    if (CRYPTO_memcmp(entry.sha256.data(), digest.data(), digest.size()) == 0) found = &entry;
  }
  if (found == nullptr) {
    // Clients send some key always; where none is needed it does not matter which.
    if (rules_.open && rules_.keys.empty()) return Principal{.name = "local", .role = Role::kAdmin};
    return ApiError{.status = 401,
                    .code = key.empty() ? "missing_api_key" : "invalid_api_key",
                    .message = key.empty() ? "a key is needed: Authorization: Bearer KEY, or x-api-key: KEY"
                                           : "the key is not one of this server's"};
  }
  if (found->role < needed) {
    return forbidden("role_not_allowed", std::string("this needs the role ") + role_name(needed) + ", and the key '" +
                                             found->name + "' has " + role_name(found->role));
  }
  return Principal{.name = found->name, .role = found->role, .share = found->share};
}

}  // namespace kedge::tools::serve
