// What the connections of a server share.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "tools/serve/http/server.h"

namespace kedge::tools::serve {

class Connection;

enum class Admittance : uint8_t { kYes, kFull, kFullOfThisAddress, kNo };

class ServerState {
 public:
  explicit ServerState(HttpOptions given) : options(std::move(given)) { set_limits(options.limits); }

  std::shared_ptr<const HttpLimits> limits() const;
  void set_limits(const HttpLimits& limits);

  // Counts a connection in, but for kNo.
  Admittance admit(const std::string& peer);
  void add(uint64_t id, std::weak_ptr<Connection> connection);
  void leave(uint64_t id, const std::string& peer);
  std::vector<std::shared_ptr<Connection>> all() const;

  void begin_work();
  void end_work();
  // Until nobody works (and, with `connections`, none is open); false: not within that time.
  bool wait_until_quiet(std::chrono::milliseconds most, bool connections);

  // Room for so many more bytes of bodies; false: all are taken.
  bool take_room(size_t bytes);
  void give_room(size_t bytes) { bodies_ -= bytes; }

  HttpAnswer refusal(int status, std::string_view code, std::string_view message, std::string_view path) const;

  const HttpOptions options;
  const std::shared_ptr<std::atomic<bool>> draining = std::make_shared<std::atomic<bool>>(false);
  std::atomic<uint64_t> next_id{1};
  std::atomic<uint64_t> accepted{0};
  std::atomic<uint64_t> requests{0};
  std::atomic<uint64_t> refused{0};
  uint64_t open() const;
  uint64_t working() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<const HttpLimits> limits_;
  std::unordered_map<uint64_t, std::weak_ptr<Connection>> connections_;
  std::map<std::string, size_t> addresses_;
  size_t open_ = 0;
  size_t working_ = 0;
  std::atomic<size_t> bodies_{0};
};

// What counts as one client: an IPv4 address, the /64 of an IPv6 one.
std::string address_group(const std::string& peer);

}  // namespace kedge::tools::serve
