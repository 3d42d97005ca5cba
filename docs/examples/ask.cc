// ask POOL.toml QUESTION [SECONDS]: a question through the router, ended by another thread when it takes too long.
//   c++ -std=c++20 ask.cc $(pkg-config --cflags --libs kedge) -o ask
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <kedge/kedge_router.hpp>
#include <mutex>
#include <string>
#include <thread>

namespace {

std::string quoted(std::string_view text) {  // as JSON has it
  std::string out = "\"";
  for (const char c : text) {
    char code[8];
    if (c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20) {
      std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c));
      out += code;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

// Sets a flag after so many seconds, unless it is gone before.
class Watchdog {
 public:
  Watchdog(kedge::Cancel& cancel, double seconds)
      : thread_([this, &cancel, seconds](const std::stop_token& stop) {
          std::unique_lock lock(mutex_);
          woken_.wait_for(lock, stop, std::chrono::duration<double>(seconds), [] { return false; });
          if (!stop.stop_requested()) cancel.set();
        }) {}

 private:
  std::mutex mutex_;
  std::condition_variable_any woken_;
  std::jthread thread_;  // asked to stop, and waited for, when this goes
};

int fail(const kedge::Error& error) {
  std::fprintf(stderr, "ask: %s: %s\n", kedge_status_name(error.code), error.message.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) {
    std::fprintf(stderr, "usage: ask POOL.toml QUESTION [SECONDS]\n");
    return 2;
  }
  auto router = kedge::Router::open(argv[1]);
  if (!router) return fail(router.error());
  auto cancel = kedge::Cancel::create();
  if (!cancel) return fail(cancel.error());
  const Watchdog watchdog(*cancel, argc == 4 ? std::strtod(argv[3], nullptr) : 60.0);
  const auto answer = router->ask(
      "{\"stream\": true, \"question\": " + quoted(argv[2]) + "}",
      [](std::string_view event) {
        std::fprintf(stderr, "%.*s\n", static_cast<int>(event.size()), event.data());
        return true;  // false ends the call too
      },
      &*cancel);
  if (!answer) return fail(answer.error());
  std::printf("%s\n", answer->c_str());
  return 0;
}
