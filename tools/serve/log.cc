#include "tools/serve/log.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <utility>

namespace kedge::tools::serve {
namespace {

constexpr size_t kMostWaiting = size_t{4} << 20;
constexpr size_t kPiece = 4096;  // PIPE_BUF
constexpr int kTry = 100;        // milliseconds

// "2026-11-30T04:40:32.123Z"
std::string time_now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  const std::time_t seconds = static_cast<std::time_t>(ms / 1000);
  std::tm t{};
  gmtime_r(&seconds, &t);
  std::array<char, 80> text;
  const int n = std::snprintf(text.data(), text.size(), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", t.tm_year + 1900,
                              t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, static_cast<int>(ms % 1000));
  return std::string(text.data(), static_cast<size_t>(n));
}

// The trace id of "00-<32 digits>-<16 digits>-01".
std::string trace_id(std::string_view traceparent) {
  if (traceparent.size() < 55 || traceparent[2] != '-' || traceparent[35] != '-') return {};
  const std::string_view id = traceparent.substr(3, 32);
  return id.find_first_not_of("0123456789abcdef") == std::string_view::npos ? std::string(id) : std::string();
}

}  // namespace

struct Log::Target {
  int fd = 2;
  ~Target() {
    if (fd != 2) ::close(fd);
  }
};

Log::Log() : target_(std::make_shared<Target>()), thread_([this] { run(); }) {}

Log::~Log() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

base::Status Log::open(const std::string& path) {
  auto next = std::make_shared<Target>();
  if (!path.empty()) {
    next->fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (next->fd < 0) {
      next->fd = 2;
      return base::Error{base::ErrorCode::kIo, path + ": the log cannot be written: " + std::strerror(errno)};
    }
  }
  const std::lock_guard lock(mutex_);
  target_ = std::move(next);
  return {};
}

size_t Log::dropped() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

void Log::add(const Json& line) {
  std::string text = line.dump() + "\n";
  const std::lock_guard lock(mutex_);
  if (bytes_ + text.size() > kMostWaiting) {
    ++dropped_;
    return;
  }
  bytes_ += text.size();
  lines_.push_back({target_, std::move(text)});
  changed_.notify_all();
}

void Log::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stop_ || !lines_.empty(); });
    if (lines_.empty()) return;
    const Line line = std::move(lines_.front());
    lines_.pop_front();
    const bool last = stop_;
    lock.unlock();
    const bool written = write(line);
    lock.lock();
    bytes_ -= line.text.size();
    if (!written && last) return;
    if (lines_.empty() && dropped_ > told_ && !stop_) {
      const size_t lost = dropped_ - std::exchange(told_, dropped_);
      lock.unlock();
      event("log_dropped", {{"lines", lost}});
      lock.lock();
    }
  }
}

// False: it cannot be written now, and the log is to end. A pipe takes kPiece bytes at once when it takes any.
bool Log::write(const Line& line) {
  std::string_view rest = line.text;
  while (!rest.empty()) {
    pollfd p{.fd = line.to->fd, .events = POLLOUT, .revents = 0};
    if (poll(&p, 1, kTry) == 0) {
      const std::lock_guard lock(mutex_);
      if (stop_) return false;
      continue;
    }
    const ssize_t n = ::write(line.to->fd, rest.data(), std::min(rest.size(), kPiece));
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) return true;  // a full disk, a closed pipe: the log is lost, the server goes on
    rest.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

void Log::event(std::string_view name, Json members) {
  Json line = {{"time", time_now()}, {"event", name}};
  for (auto& [key, value] : members.items()) line[key] = std::move(value);
  add(line);
}

void Log::request(const HttpDone& done) {
  Json line = {{"time", time_now()},    {"event", "request"},    {"id", done.id},
               {"peer", done.peer},     {"method", done.method}, {"path", done.path},
               {"status", done.status}, {"bytes", done.bytes},   {"ms", std::round(done.ms * 1000) / 1000}};
  if (done.gone) line["gone"] = true;
  if (const std::string trace = trace_id(done.traceparent); !trace.empty()) line["trace"] = trace;
  for (const auto& [name, value] : done.notes) line[name] = value;
  add(line);
}

}  // namespace kedge::tools::serve
