// A client of sockets and bytes, for what no decent client does.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace kedge::tools::serve {

// One reply, taken apart. `status` 0: the connection ended before there was one.
struct Received {
  int status = 0;
  std::string head;
  std::string body;    // chunks put together
  bool whole = false;  // as long as it said, or with its last chunk

  std::string field(std::string_view name) const {
    const std::string start = "\r\n" + std::string(name) + ": ";
    const size_t at = head.find(start);
    if (at == std::string::npos) return {};
    return head.substr(at + start.size(), head.find("\r\n", at + 2) - at - start.size());
  }
};

class Client {
 public:
  Client() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}  // connects later
  explicit Client(uint16_t port) : Client() { connect_to(port); }
  explicit Client(const std::string& path) : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    path.copy(to.sun_path, sizeof(to.sun_path) - 1);
    ok_ = connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
    patience(20'000);
  }
  Client(Client&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), ok_(other.ok_), buffer_(std::move(other.buffer_)) {}
  Client& operator=(Client&&) = delete;
  ~Client() { close(); }

  void connect_to(uint16_t port) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ok_ = connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
    patience(20'000);
  }
  bool connected() const { return ok_; }
  int fd() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  // Ends without a word: the other side is reset.
  void reset() {
    const linger now{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
  }
  void no_more() { shutdown(fd_, SHUT_WR); }
  void patience(int ms) {
    const timeval t{.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
  }

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }

  // The next reply; interim ones (1xx) are counted and skipped. `head_only`: it is one to HEAD.
  Received receive(bool head_only = false) {
    while (true) {
      Received r = receive_one(head_only);
      if (r.status < 100 || r.status > 199) return r;
      ++interim;
    }
  }
  Received ask(std::string_view bytes) {
    send(bytes);
    return receive();
  }
  // All until the connection ends.
  std::string rest() {
    while (more()) {
    }
    return std::exchange(buffer_, {});
  }
  // Whether the other side has ended the connection (or does within the patience).
  bool ended() {
    while (more()) {
    }
    return ended_;
  }
  // At least so many bytes more.
  std::string bytes(size_t n) {
    while (buffer_.size() < n && more()) {
    }
    return std::exchange(buffer_, {});
  }

  int interim = 0;

 private:
  bool more() {
    char part[16384];
    const ssize_t n = recv(fd_, part, sizeof part, 0);
    if (n > 0) buffer_.append(part, static_cast<size_t>(n));
    if (n == 0 || (n < 0 && errno == ECONNRESET)) ended_ = true;
    return n > 0;
  }
  bool have(size_t n) {
    while (buffer_.size() < n) {
      if (!more()) return false;
    }
    return true;
  }
  size_t line_end() {
    size_t at = 0;
    while ((at = buffer_.find("\r\n")) == std::string::npos) {
      if (!more()) return std::string::npos;
    }
    return at;
  }
  void read_chunks(Received& r) {
    while (true) {
      const size_t end = line_end();
      if (end == std::string::npos) return;
      const size_t size = std::stoul(buffer_.substr(0, end), nullptr, 16);
      if (!have(end + 2 + size + 2)) return;
      r.body += buffer_.substr(end + 2, size);
      buffer_.erase(0, end + 2 + size + 2);
      r.whole = size == 0;
      if (r.whole) return;
    }
  }
  Received receive_one(bool head_only) {
    Received r;
    size_t end = 0;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (!more()) return r;
    }
    r.head = buffer_.substr(0, end + 2);
    buffer_.erase(0, end + 4);
    r.status = std::stoi(r.head.substr(9, 3));
    if (head_only || r.status < 200 || r.status == 204 || r.status == 304) {
      r.whole = true;
    } else if (r.field("transfer-encoding") == "chunked") {
      read_chunks(r);
    } else if (const std::string length = r.field("content-length"); !length.empty()) {
      r.whole = have(std::stoul(length));
      const size_t n = std::min(buffer_.size(), static_cast<size_t>(std::stoul(length)));
      r.body = buffer_.substr(0, n);
      buffer_.erase(0, n);
    } else {
      r.body = rest();
      r.whole = ended_;
    }
    return r;
  }

  int fd_;
  bool ok_ = false;
  bool ended_ = false;
  std::string buffer_;
};

}  // namespace kedge::tools::serve
