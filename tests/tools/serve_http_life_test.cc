// The HTTP server by itself: clients that leave, that are slow or too many, and its end.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "tests/tools/serve_http_fixture.h"

namespace kedge::tools::serve {
namespace {

class ServeHttpLife : public ServeHttp {};

const std::string kHold = "POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";

size_t open_descriptors() {
  size_t n = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) n += entry.exists() ? 1 : 0;
  return n;
}

TEST_F(ServeHttpLife, AClientThatHasGoneIsNoticed) {
  start();
  for (const bool reset : {true, false}) {
    for (const std::string path : {"/hold", "/hold/ping"}) {
      SCOPED_TRACE(path + (reset ? " reset" : " closed"));
      Client client(port());
      client.send("GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n");
      const auto held = echo.wait_held(1);
      EXPECT_FALSE(held[0]->gone());
      reset ? client.reset() : client.close();
      EXPECT_TRUE(eventually([&] { return held[0]->gone(); }));
      EXPECT_FALSE(held[0]->write("more"));
    }
  }
  EXPECT_TRUE(echo.wait_gone(4));
  EXPECT_TRUE(eventually([&] { return server->counts().connections == 0; }));
  const std::lock_guard lock(mutex);
  ASSERT_EQ(done.size(), 4u);
  EXPECT_TRUE(done[0].gone);
  EXPECT_EQ(done[0].status, 499);
  EXPECT_EQ(done[1].status, 200);
}

TEST_F(ServeHttpLife, AClientThatOnlyStoppedSendingGetsItsAnswer) {
  start();
  Client client(port());
  client.send(kHold);
  client.no_more();
  auto held = echo.wait_held(1);
  while (client.interim == 0) {  // asked whether it is there
    const std::string probe = client.bytes(27);
    ASSERT_EQ(probe, "HTTP/1.1 102 Processing\r\n\r\n");
    client.interim = 1;
  }
  EXPECT_FALSE(held[0]->gone());
  held[0]->send(200, {}, "done");
  EXPECT_EQ(client.receive().body, "done");
  Client old(port());
  old.send("GET /x HTTP/1.0\r\n\r\n");
  old.no_more();
  EXPECT_EQ(old.receive().body, "GET /x ");
}

TEST_F(ServeHttpLife, AnOldClientThatClosedIsNoticedTooAfterAWhile) {
  start();
  Client client(port());
  client.send("GET /hold HTTP/1.0\r\n\r\n");
  const auto held = echo.wait_held(1);
  client.close();
  EXPECT_TRUE(echo.wait_gone(1));
}

TEST_F(ServeHttpLife, OnlyThatClient) {
  start();
  Client stays(port());
  stays.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
  auto first = echo.wait_held(1);
  Client leaves(port());
  leaves.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
  auto second = echo.wait_held(1);
  leaves.reset();
  EXPECT_TRUE(eventually([&] { return second[0]->gone(); }));
  EXPECT_FALSE(first[0]->gone());
  first[0]->start(200, {});
  EXPECT_TRUE(first[0]->write("here"));
  first[0]->end();
  EXPECT_EQ(stays.receive().body, "here");
}

TEST_F(ServeHttpLife, PipelinedBehindALongOneAndThenGone) {
  start();
  Client client(port());
  client.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n");
  auto held = echo.wait_held(1);
  held[0]->send(200, {}, "first");
  EXPECT_EQ(client.receive().body, "first");
  EXPECT_EQ(client.receive().body, "GET /next ");
  client.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n" + std::string(60'000, 'x'));  // more than is read ahead
  held = echo.wait_held(1);
  client.reset();
  EXPECT_TRUE(eventually([&] { return held[0]->gone(); }));
}

TEST_F(ServeHttpLife, PingsComeWhileNothingElseDoes) {
  start();
  Client client(port());
  client.send("GET /hold/ping HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  auto held = echo.wait_held(1);
  std::string came;
  while (came.find(": ping\n\n") == came.rfind(": ping\n\n")) came += client.bytes(1);
  held[0]->end();
  client.rest();
  EXPECT_FALSE(held[0]->gone()) << "it had its reply";
}

TEST_F(ServeHttpLife, ASlowReaderHoldsItsWriterThenIsGone) {
  HttpLimits limits;
  limits.unsent_bytes = 100'000;
  limits.stall_time = Milliseconds(300);
  start(limits);
  Client client(port());
  client.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
  auto held = echo.wait_held(1);
  held[0]->start(200, {});
  const std::string part(50'000, 'x');
  size_t written = 0;
  while (held[0]->write(part)) written += part.size();
  EXPECT_LT(written, size_t{64} << 20) << "the kernel's buffers and ours, no more";
  EXPECT_TRUE(held[0]->gone());
}

TEST_F(ServeHttpLife, ASlowReaderThatReadsGetsEverything) {
  HttpLimits limits;
  limits.unsent_bytes = 10'000;
  start(limits);
  Client client(port());
  client.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
  auto held = echo.wait_held(1);
  std::thread writer([&] {
    held[0]->start(200, {});
    for (int i = 0; i < 2000; ++i) EXPECT_TRUE(held[0]->write(std::string(1000, static_cast<char>('a' + i % 26))));
    held[0]->end();
  });
  const Received r = client.receive();
  writer.join();
  EXPECT_TRUE(r.whole);
  ASSERT_EQ(r.body.size(), 2'000'000u);
  for (size_t i = 0; i < r.body.size(); i += 999) ASSERT_EQ(r.body[i], static_cast<char>('a' + i / 1000 % 26));
}

TEST_F(ServeHttpLife, ConnectionsOfOneAddressAndInAll) {
  HttpLimits limits;
  limits.connections = 6;
  limits.connections_per_address = 4;
  limits.linger_time = Milliseconds(50);
  start(limits);
  std::vector<Client> open;
  for (int i = 0; i < 4; ++i) {
    open.emplace_back(port());
    EXPECT_EQ(open.back().ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status, 200);
  }
  Client refused(port());
  EXPECT_EQ(refused.receive().status, 429);
  EXPECT_TRUE(refused.ended());
  open.pop_back();
  EXPECT_TRUE(eventually([&] { return server->counts().connections == 3; }));
  expect_alive();
  EXPECT_TRUE(eventually([&] { return server->counts().connections == 3; }));
  limits.connections = 2;
  server->set_limits(limits);
  Client full(port());
  EXPECT_EQ(full.receive().status, 503);
  EXPECT_EQ(open[0].ask("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").body, "GET /x ") << "who is in stays";
}

TEST_F(ServeHttpLife, MemoryForBodiesIsBounded) {
  HttpLimits limits;
  limits.bodies_bytes = 3000;
  start(limits);
  Client first(port());
  first.send("POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n" + std::string(2000, 'x'));
  auto held = echo.wait_held(1);
  const std::string second = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1500\r\n\r\n" + std::string(1500, 'y');
  EXPECT_EQ(ask(second).status, 503);
  held[0]->send(200, {}, "");
  EXPECT_EQ(first.receive().status, 200);
  EXPECT_TRUE(eventually([&] { return server->counts().working == 0; }));
  EXPECT_EQ(ask(second).status, 200);
}

TEST_F(ServeHttpLife, RequestsOfAConnectionEnd) {
  HttpLimits limits;
  limits.requests = 2;
  start(limits);
  Client client(port());
  EXPECT_EQ(client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").field("connection"), "");
  EXPECT_EQ(client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").field("connection"), "close");
  EXPECT_TRUE(client.ended());
}

TEST_F(ServeHttpLife, ManyThatComeAndGoLeaveNothing) {
  start();
  expect_alive();
  EXPECT_TRUE(eventually([&] { return server->counts().connections == 0; }));
  const size_t before = open_descriptors();
  for (int i = 0; i < 1000; ++i) {
    Client client(port());
    ASSERT_TRUE(client.connected());
    if (i % 4 == 1) client.send("GET / HT");
    if (i % 4 == 2) client.send(kHold);
    if (i % 4 == 3) client.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    i % 2 == 0 ? client.reset() : client.close();
    if (i % 50 == 0) echo.forget();
  }
  EXPECT_TRUE(eventually([&] {
    echo.forget();
    return server->counts().connections == 0;
  }));
  EXPECT_EQ(open_descriptors(), before);
  expect_alive();
}

// Takes every descriptor that this process may have, as long as it lives.
class NoDescriptors {
 public:
  NoDescriptors() {
    getrlimit(RLIMIT_NOFILE, &former_);
    const int first = open("/dev/null", O_RDONLY);
    taken_.push_back(first);
    const rlimit few{.rlim_cur = static_cast<rlim_t>(first) + 8, .rlim_max = former_.rlim_max};
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (int fd = open("/dev/null", O_RDONLY); fd >= 0; fd = open("/dev/null", O_RDONLY)) taken_.push_back(fd);
    EXPECT_EQ(errno, EMFILE);
  }
  ~NoDescriptors() {
    for (const int fd : taken_) close(fd);
    setrlimit(RLIMIT_NOFILE, &former_);
  }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit former_{};
  std::vector<int> taken_;
};

TEST_F(ServeHttpLife, OutOfDescriptorsIsNotTheEnd) {
  start();
  expect_alive();
  Client in(port());
  EXPECT_EQ(in.ask("GET /first HTTP/1.1\r\nHost: a\r\n\r\n").body, "GET /first ");
  // The one before has given its descriptor back: nothing opens or closes any while there are none.
  ASSERT_TRUE(eventually([&] { return server->counts().connections == 1; }));
  Client unlucky;  // has its own descriptor; the server finds none for the other end
  {
    const NoDescriptors none;
    unlucky.connect_to(port());
    EXPECT_TRUE(unlucky.connected()) << "the kernel has it";
    EXPECT_TRUE(unlucky.send("GET /late HTTP/1.1\r\nHost: a\r\n\r\n"));
    EXPECT_EQ(in.ask("GET /in HTTP/1.1\r\nHost: a\r\n\r\n").body, "GET /in ") << "the others go on";
    EXPECT_EQ(server->counts().accepted, 2u);
  }
  EXPECT_EQ(unlucky.receive().body, "GET /late ");
}

TEST_F(ServeHttpLife, Drain) {
  HttpLimits limits;
  limits.linger_time = Milliseconds(50);
  start(limits);
  Client idle(port());
  EXPECT_EQ(idle.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status, 200);
  Client busy(port());
  busy.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
  auto held = echo.wait_held(1);
  server->stop_accepting();
  EXPECT_TRUE(idle.ended());
  EXPECT_FALSE(server->drain(Milliseconds(20)));
  EXPECT_TRUE(eventually([&] { return !Client(port()).connected(); }));
  held[0]->send(200, {}, "last");
  const Received r = busy.receive();
  EXPECT_EQ(r.body, "last");
  EXPECT_EQ(r.field("connection"), "close");
  EXPECT_TRUE(busy.ended());
  EXPECT_TRUE(server->drain(std::chrono::seconds(20)));
  server->close();
}

TEST_F(ServeHttpLife, RepliesOutliveTheServer) {
  start();
  Client client(port());
  client.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
  auto held = echo.wait_held(1);
  server.reset();
  EXPECT_TRUE(held[0]->gone());
  held[0]->send(200, {}, "nobody");
  EXPECT_FALSE(held[0]->write("nobody"));
  EXPECT_TRUE(client.ended());
  EXPECT_TRUE(echo.wait_gone(1));
}

TEST_F(ServeHttpLife, ASocketInTheFileSystem) {
  const std::string path = (std::filesystem::temp_directory_path() / ("kedge-" + std::to_string(getpid()))).string();
  start({}, [&](HttpOptions& o) {
    o.host = "";
    o.unix_socket = path;
  });
  EXPECT_EQ(port(), 0);
  EXPECT_EQ(Client(path).ask("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").body, "GET /x ");
  EXPECT_EQ(std::filesystem::status(path).permissions() & std::filesystem::perms::others_all,
            std::filesystem::perms::none);
  HttpOptions other;
  other.host = "";
  other.unix_socket = path;
  other.handler = [](const HttpRequest&, const std::shared_ptr<HttpReply>&) {};
  EXPECT_FALSE(HttpServer::start(other).ok()) << "somebody listens there";
  server.reset();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(ServeHttpLife, AddressesThatCannotBeHad) {
  start();
  HttpOptions other;
  other.handler = [](const HttpRequest&, const std::shared_ptr<HttpReply>&) {};
  other.port = port();
  auto taken = HttpServer::start(other);
  ASSERT_FALSE(taken.ok());
  EXPECT_NE(taken.error().message.find("127.0.0.1, port " + std::to_string(port())), std::string::npos);
  other.host = "no.such.host.invalid";
  EXPECT_FALSE(HttpServer::start(other).ok());
  other.host = "::1";
  other.port = 0;
  auto six = HttpServer::start(other);  // not on every machine
  EXPECT_TRUE(!six.ok() || (*six)->port() != 0);
}

// A self-signed certificate by the command that is on every machine with OpenSSL.
struct Certificate {
  std::string folder = (std::filesystem::temp_directory_path() / ("kedge-tls-" + std::to_string(getpid()))).string();
  std::string certificate = folder + "/cert.pem";
  std::string key = folder + "/key.pem";
  Certificate() {
    std::filesystem::create_directories(folder);
    const std::string command =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "
        "/CN=localhost -keyout " +
        key + " -out " + certificate + " 2>/dev/null";
    EXPECT_EQ(std::system(command.c_str()), 0);
  }
  ~Certificate() { std::filesystem::remove_all(folder); }
};

std::string ask_tls(uint16_t port, const std::string& request, int version) {
  Client client(port);
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_security_level(context, 0);
  SSL_CTX_set_min_proto_version(context, version);
  SSL_CTX_set_max_proto_version(context, version);
  SSL* ssl = SSL_new(context);
  SSL_set_fd(ssl, client.fd());
  std::string out;
  if (SSL_connect(ssl) == 1) {
    SSL_write(ssl, request.data(), static_cast<int>(request.size()));
    char part[4096];
    for (int n = SSL_read(ssl, part, sizeof part); n > 0; n = SSL_read(ssl, part, sizeof part))
      out.append(part, static_cast<size_t>(n));
    SSL_shutdown(ssl);
  }
  SSL_free(ssl);
  SSL_CTX_free(context);
  return out;
}

TEST_F(ServeHttpLife, Tls) {
  const Certificate files;
  start({}, [&](HttpOptions& o) {
    o.certificate = files.certificate;
    o.private_key = files.key;
  });
  const std::string two =
      "GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /stream HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const std::string got = ask_tls(port(), two, version);
    EXPECT_NE(got.find("GET /a "), std::string::npos);
    EXPECT_TRUE(got.ends_with("3\r\ntwo\r\n0\r\n\r\n")) << got;
  }
  EXPECT_EQ(ask_tls(port(), two, TLS1_1_VERSION), "");
  const Received plain = ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(plain.status, 400);
  EXPECT_NE(plain.body.find("https://"), std::string::npos) << plain.body;
  EXPECT_EQ(plain.field("connection"), "close");
  EXPECT_TRUE(server->reload_certificate().ok());
  std::filesystem::remove(files.certificate);
  EXPECT_FALSE(server->reload_certificate().ok());
  EXPECT_NE(ask_tls(port(), two, TLS1_3_VERSION), "") << "the old one stays";
}

TEST_F(ServeHttpLife, TlsFilesThatAreNone) {
  HttpOptions options;
  options.handler = [](const HttpRequest&, const std::shared_ptr<HttpReply>&) {};
  options.port = 0;
  options.certificate = options.private_key = "/dev/null";
  const auto started = HttpServer::start(options);
  ASSERT_FALSE(started.ok());
  EXPECT_NE(started.error().message.find("/dev/null"), std::string::npos);
}

}  // namespace
}  // namespace kedge::tools::serve
