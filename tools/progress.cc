#include "tools/progress.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "tools/command.h"

namespace kedge::tools {

namespace {

constexpr double kQuietSeconds = 0.3;  // what is done sooner needs no bar
constexpr double kRedrawSeconds = 0.1;
constexpr int kBarWidth = 24;

std::string duration(double seconds) {
  const auto s = static_cast<long>(seconds + 0.5);
  if (s >= 3600) return format("%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
  return format("%ld:%02ld", s / 60, s % 60);
}

}  // namespace

Progress::Progress(std::string label)
    : label_(std::move(label)), start_(seconds_now()), enabled_(stderr_is_terminal()) {}

void Progress::update(size_t done, size_t total) {
  if (!enabled_ || total == 0) return;
  const double now = seconds_now();
  if (now - start_ < kQuietSeconds || now - last_drawn_ < kRedrawSeconds) return;
  last_drawn_ = now;
  const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const auto filled = static_cast<size_t>(share * kBarWidth);
  const std::string bar = std::string(filled, '#') + std::string(kBarWidth - filled, '.');
  const std::string left = share > 0 ? duration((now - start_) * (1 - share) / share) + " left" : "";
  std::fprintf(stderr, "\r%s [%s] %3.0f%%  %s\033[K", label_.c_str(), bar.c_str(), share * 100, left.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

void Progress::finish() {
  if (drawn_) std::fputs("\r\033[K", stderr);
  drawn_ = false;
  enabled_ = false;
}

}  // namespace kedge::tools
