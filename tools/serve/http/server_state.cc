#include "tools/serve/http/server_state.h"

#include <arpa/inet.h>

#include <array>

namespace kedge::tools::serve {
namespace {

constexpr size_t kRefusedAtOnce = 64;  // connections beyond the limit that are told so

}  // namespace

std::string address_group(const std::string& peer) {
  in6_addr address{};
  if (inet_pton(AF_INET6, peer.substr(0, peer.find('%')).c_str(), &address) != 1) return peer;
  return std::string(reinterpret_cast<const char*>(address.s6_addr), 8);
}

std::shared_ptr<const HttpLimits> ServerState::limits() const {
  const std::lock_guard lock(mutex_);
  return limits_;
}

void ServerState::set_limits(const HttpLimits& limits) {
  auto next = std::make_shared<const HttpLimits>(limits);
  const std::lock_guard lock(mutex_);
  limits_ = std::move(next);
}

Admittance ServerState::admit(const std::string& peer) {
  const std::string group = address_group(peer);
  const std::lock_guard lock(mutex_);
  if (open_ >= limits_->connections + kRefusedAtOnce) return Admittance::kNo;
  size_t& of_group = addresses_[group];
  if (of_group >= limits_->connections_per_address + kRefusedAtOnce) return Admittance::kNo;
  ++of_group;
  ++open_;
  if (of_group > limits_->connections_per_address) return Admittance::kFullOfThisAddress;
  return open_ > limits_->connections ? Admittance::kFull : Admittance::kYes;
}

void ServerState::add(uint64_t id, std::weak_ptr<Connection> connection) {
  const std::lock_guard lock(mutex_);
  connections_[id] = std::move(connection);
}

void ServerState::leave(uint64_t id, const std::string& peer) {
  const std::string group = address_group(peer);
  const std::lock_guard lock(mutex_);
  connections_.erase(id);
  if (const auto at = addresses_.find(group); at != addresses_.end() && --at->second == 0) addresses_.erase(at);
  --open_;
  changed_.notify_all();
}

std::vector<std::shared_ptr<Connection>> ServerState::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Connection>> out;
  for (const auto& [id, weak] : connections_) {
    if (auto connection = weak.lock()) out.push_back(std::move(connection));
  }
  return out;
}

void ServerState::begin_work() {
  const std::lock_guard lock(mutex_);
  ++working_;
}

void ServerState::end_work() {
  const std::lock_guard lock(mutex_);
  --working_;
  changed_.notify_all();
}

bool ServerState::wait_until_quiet(std::chrono::milliseconds most, bool connections) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, most, [&] { return working_ == 0 && (!connections || open_ == 0); });
}

bool ServerState::take_room(size_t bytes) {
  const size_t most = limits()->bodies_bytes;
  size_t now = bodies_.load();
  do {
    if (bytes > most || now > most - bytes) return false;
  } while (!bodies_.compare_exchange_weak(now, now + bytes));
  return true;
}

HttpAnswer ServerState::refusal(int status, std::string_view code, std::string_view message,
                                std::string_view path) const {
  if (options.refusal) return options.refusal(status, code, message, path);
  return {status, {{"content-type", "text/plain; charset=utf-8"}}, std::string(message) + "\n"};
}

uint64_t ServerState::open() const {
  const std::lock_guard lock(mutex_);
  return open_;
}

uint64_t ServerState::working() const {
  const std::lock_guard lock(mutex_);
  return working_;
}

}  // namespace kedge::tools::serve
