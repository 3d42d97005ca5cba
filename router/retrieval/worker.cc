#include "router/retrieval/worker.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <vector>

#include "kernels/base/utf8_cut.h"
#include "router/reader/protocol.h"
#include "router/retrieval/text_clean.h"

extern char** environ;

namespace kedge::router::retrieval {

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMaxBytes = size_t{1} << 30;
constexpr size_t kMaxMessage = 2000;
constexpr int kPollMs = 100;
constexpr int64_t kWaitMs = 10'000;  // of wall time beyond ten times the processor time: a stopped process

std::string message_of(int code) { return std::generic_category().message(code); }

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { close(); }
  int get() const { return fd_; }
  void set(int fd) {
    close();
    fd_ = fd;
  }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

struct Pipe {
  Descriptor in, out;  // of the reader, of the writer
  bool open() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return false;
    in.set(ends[0]);
    out.set(ends[1]);
    return true;
  }
};

// A child process; killed when it is left before it ended.
struct Child {
  pid_t pid = -1;
  Child() = default;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid < 0) return;
    ::kill(pid, SIGKILL);
    wait();
  }
  int wait() {  // the status of waitpid, -1 when there is none to have
    int status = -1;
    while (::waitpid(pid, &status, 0) < 0) {
      if (errno == EINTR) continue;
      status = -1;
      break;
    }
    pid = -1;
    return status;
  }
};

std::string folder_of(const std::string& file) {
  const size_t slash = file.rfind('/');
  return slash == std::string::npos ? std::string() : file.substr(0, slash);
}

// Where the program may lie: beside the file that this library is part of, beside the running program, in the libexec
// folder of either, and where the build put it.
std::vector<std::string> reader_places() {
  std::vector<std::string> folders;
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void*>(&reader_places), &info) != 0 && info.dli_fname != nullptr) {
    folders.push_back(folder_of(info.dli_fname));
  }
  char self[4096];
  const ssize_t n = ::readlink("/proc/self/exe", self, sizeof self);
  if (n > 0) folders.push_back(folder_of(std::string(self, static_cast<size_t>(n))));
  std::vector<std::string> places;
  for (const std::string& folder : folders) {
    if (folder.empty()) continue;
    places.push_back(folder + "/kedge-reader");
    places.push_back(folder + "/../libexec/kedge/kedge-reader");
  }
  places.emplace_back(KEDGE_READER_PATH);
  return places;
}

Result<std::string> find_reader(const std::string& name) {
  std::string looked;
  for (const std::string& place : reader_places()) {
    if (::access(place.c_str(), X_OK) == 0) return place;
    looked += (looked.empty() ? "" : ", ") + place;
  }
  return Error{ErrorCode::kUnsupported,
               name + ": PDF and HTML are read by the program kedge-reader, which is at none of " + looked};
}

// A file of memory alone, at its beginning.
Status make_input(std::string_view input, const std::string& name, Descriptor* file) {
  file->set(::memfd_create("kedge-document", MFD_CLOEXEC));
  const auto failed = [&] { return Error{ErrorCode::kIo, name + ": cannot be handed over: " + message_of(errno)}; };
  if (file->get() < 0) return failed();
  while (!input.empty()) {
    const ssize_t n = ::write(file->get(), input.data(), input.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return failed();
    input.remove_prefix(static_cast<size_t>(n));
  }
  if (::lseek(file->get(), 0, SEEK_SET) != 0) return failed();
  return {};
}

// 0, or an error number.
int start(std::vector<std::string>& arguments, int input, int output, int errors, Child& child) {
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  int code = posix_spawn_file_actions_init(&actions);
  if (code != 0) return code;
  if (code = posix_spawnattr_init(&attributes); code == 0) {
    posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
    // A group of its own: Ctrl-C is for us, and we stop the child when asked to. No signal is blocked or ignored in it,
    // whatever the program that we live in does with its own.
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    code = posix_spawn(&child.pid, argv[0], &actions, &attributes, argv.data(), environ);
    if (code != 0) child.pid = -1;
    posix_spawnattr_destroy(&attributes);
  }
  posix_spawn_file_actions_destroy(&actions);
  return code;
}

// Both outputs until the child closes them.
Status read_both(int output, int errors, WorkerLimits limits, const std::string& name, const GoOn& go_on,
                 std::string* out, std::string* err) {
  const auto deadline = Clock::now() + std::chrono::milliseconds(kWaitMs + 10 * limits.cpu_ms);
  pollfd fds[2] = {{output, POLLIN, 0}, {errors, POLLIN, 0}};
  while (fds[0].fd >= 0 || fds[1].fd >= 0) {
    if (go_on && !go_on()) return Error{ErrorCode::kCancelled, name + ": cancelled"};
    if (Clock::now() > deadline) return Error{ErrorCode::kCapacity, name + ": its reader does not come to an end"};
    if (::poll(fds, 2, kPollMs) < 0 && errno != EINTR) {
      return Error{ErrorCode::kIo, name + ": cannot wait for its reader: " + message_of(errno)};
    }
    for (int i = 0; i < 2; ++i) {
      if (fds[i].fd < 0 || (fds[i].revents & (POLLIN | POLLHUP | POLLERR)) == 0) continue;
      char buffer[65536];
      const ssize_t n = ::read(fds[i].fd, buffer, sizeof buffer);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Error{ErrorCode::kIo, name + ": cannot read from its reader: " + message_of(errno)};
      if (n == 0) {
        fds[i].fd = -1;  // poll() passes over it
        continue;
      }
      std::string& text = i == 0 ? *out : *err;
      if (i == 0 || text.size() < kMaxMessage) text.append(buffer, static_cast<size_t>(n));
      if (out->size() > kMaxBytes) {
        return Error{ErrorCode::kCapacity,
                     name + ": its reader wrote more than " + std::to_string(kMaxBytes) + " bytes"};
      }
    }
  }
  return {};
}

// What became of a child that did not end well.
Error verdict(int status, std::string complaint, WorkerLimits limits, const std::string& name) {
  complaint = std::string(trim(utf8_cut(complaint, kMaxMessage)));
  std::replace(complaint.begin(), complaint.end(), '\n', ';');
  const int code = status != -1 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  const int signal = status != -1 && WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  if (signal == SIGPROF || signal == SIGXCPU || signal == SIGKILL) {
    return {ErrorCode::kCapacity, name + ": reading it takes more than " + std::to_string(limits.cpu_ms) +
                                      " ms of processor time, the limit for a file of its size"};
  }
  if (code == reader::kOutOfMemory || complaint.find("bad_alloc") != std::string::npos ||
      complaint.find("ut of memory") != std::string::npos) {
    return {ErrorCode::kCapacity, name + ": reading it takes more than " + std::to_string(limits.memory >> 20) +
                                      " MiB of memory, the limit for a file of its size"};
  }
  if (code == reader::kTooMuch) return {ErrorCode::kCapacity, name + ": " + complaint};
  if (code == reader::kNoProgram) return {ErrorCode::kUnsupported, complaint};
  if (complaint.empty())
    complaint = signal != 0 ? "signal " + std::to_string(signal) : "status " + std::to_string(code);
  return {ErrorCode::kInvalidArgument, name + ": " + (signal != 0 ? "its reader broke down: " : "") + complaint};
}

}  // namespace

Result<std::string> run_worker(std::span<const std::string> arguments, std::string_view input, WorkerLimits limits,
                               const std::string& name, const GoOn& go_on) {
  KEDGE_ASSIGN(program, find_reader(name));
  std::vector<std::string> all = {program, std::to_string(::getpid()), std::to_string(limits.cpu_ms),
                                  std::to_string(limits.memory)};
  all.insert(all.end(), arguments.begin(), arguments.end());
  Descriptor file;
  KEDGE_TRY(make_input(input, name, &file));
  Pipe output;
  Pipe errors;
  if (!output.open() || !errors.open()) {
    return Error{ErrorCode::kIo, name + ": cannot make a pipe: " + message_of(errno)};
  }
  Child child;
  if (const int code = start(all, file.get(), output.out.get(), errors.out.get(), child); code != 0) {
    return Error{ErrorCode::kIo, name + ": cannot start " + program + ": " + message_of(code)};
  }
  output.out.close();
  errors.out.close();
  std::string text;
  std::string complaint;
  KEDGE_TRY(read_both(output.in.get(), errors.in.get(), limits, name, go_on, &text, &complaint));
  const int status = child.wait();
  if (status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == 0) return text;
  return verdict(status, std::move(complaint), limits, name);
}

}  // namespace kedge::router::retrieval
