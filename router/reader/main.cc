// kedge-reader: reads what strangers wrote, under limits. It belongs beside the library, which starts it; see
// router/retrieval/worker.h.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>

#include "router/reader/parse_html.h"
#include "router/reader/protocol.h"

namespace {

using namespace kedge::router;
using namespace kedge::router::retrieval;

[[noreturn]] void end(int code, const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  std::fflush(stderr);
  std::_Exit(code);
}

void limit(__rlimit_resource_t resource, rlim_t soft, rlim_t hard) {
  rlimit old{};
  if (::getrlimit(resource, &old) != 0) return;
  const rlim_t most = old.rlim_max;  // RLIM_INFINITY is the largest value
  const rlimit wanted{soft < most ? soft : most, hard < most ? hard : most};
  if (::setrlimit(resource, &wanted) != 0) end(reader::kWrongUse, std::string("setrlimit: ") + std::strerror(errno));
}

// All of it outlives exec.
void confine(long parent, long cpu_ms, long memory) {
  // The parent may have died before this was said.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != parent) std::_Exit(reader::kWrongUse);
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  ::close_range(3, ~0U, 0);  // what the program we live in left open is none of ours
  limit(RLIMIT_CORE, 0, 0);
  limit(RLIMIT_FSIZE, 0, 0);
#if !defined(__SANITIZE_ADDRESS__)  // it reserves terabytes
  limit(RLIMIT_AS, static_cast<rlim_t>(memory), static_cast<rlim_t>(memory));
#endif
  // The timer counts milliseconds; the limit, in seconds, stands behind it.
  itimerval timer{};
  timer.it_value.tv_sec = cpu_ms / 1000;
  timer.it_value.tv_usec = cpu_ms % 1000 * 1000;
  if (::setitimer(ITIMER_PROF, &timer, nullptr) != 0) end(reader::kWrongUse, "setitimer failed");
  const auto seconds = static_cast<rlim_t>(cpu_ms / 1000 + 2);
  limit(RLIMIT_CPU, seconds, seconds + 1);
}

std::string read_input() {
  std::string input;
  char buffer[65536];
  while (true) {
    const ssize_t n = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) end(reader::kRefused, std::string("cannot be read: ") + std::strerror(errno));
    if (n == 0) return input;
    input.append(buffer, static_cast<size_t>(n));
  }
}

void write_document(const Document& document) {
  std::printf("%zu %zu\n", document.sections.size(), document.text.size());
  for (const Section& s : document.sections) {
    std::printf("%zu %zu %zu\n", s.begin, s.end, s.title.size());
    std::fwrite(s.title.data(), 1, s.title.size(), stdout);
  }
  std::fwrite(document.text.data(), 1, document.text.size(), stdout);
  if (std::fflush(stdout) != 0) end(reader::kRefused, "cannot be handed over");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) end(reader::kWrongUse, "kedge-reader is started by the Kedge library");
  confine(std::atol(argv[1]), std::atol(argv[2]), std::atol(argv[3]));
  const std::string what = argv[4];
  if (what == "run" && argc > 5) {
    ::execvp(argv[5], argv + 5);
    end(reader::kNoProgram, std::strerror(errno));
  }
  if (what != "html") end(reader::kWrongUse, "unknown format " + what);
  try {
    const auto document = parse_html(read_input(), "the page");
    if (!document.ok()) {
      const bool capacity = document.error().code == ErrorCode::kCapacity;
      end(capacity ? reader::kTooMuch : reader::kRefused, document.error().message);
    }
    write_document(*document);
  } catch (const std::bad_alloc&) {
    end(reader::kOutOfMemory, "out of memory");
  }
  std::_Exit(0);  // the tree goes with the process
}
