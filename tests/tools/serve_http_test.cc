// The HTTP server by itself: what it takes, what it refuses and with which words, and that it goes on afterwards.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/tools/serve_http_fixture.h"

namespace kedge::tools::serve {
namespace {

TEST_F(ServeHttp, AnswersAndKeepsTheConnection) {
  start();
  Client client(port());
  for (const char* path : {"/a", "/b%20c", "/d"}) {
    const Received r = client.ask("POST " + std::string(path) + " HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    EXPECT_EQ(r.status, 200);
    EXPECT_TRUE(r.whole);
    EXPECT_EQ(r.field("connection"), "");
    EXPECT_EQ(r.field("x-bad"), "a  b") << "no field can be smuggled in";
    EXPECT_NE(r.field("date"), "");
    EXPECT_EQ(r.field("x-request-id"), r.field("request-id"));
    EXPECT_TRUE(r.field("x-request-id").starts_with("req_"));
  }
  const Received own = client.ask("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: my-1.a_B\r\n\r\n");
  EXPECT_EQ(own.field("x-request-id"), "my-1.a_B");
  const Received bad = client.ask("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: my 1\r\n\r\n");
  EXPECT_TRUE(bad.field("x-request-id").starts_with("req_"));
  const Received last = client.ask("GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(last.field("connection"), "close");
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(server->counts().accepted, 1u);
  EXPECT_EQ(server->counts().requests, 6u);
  const std::lock_guard lock(mutex);
  ASSERT_GE(done.size(), 5u);
  EXPECT_EQ(done[1].path, "/b c");
  EXPECT_EQ(done[1].status, 200);
}

TEST_F(ServeHttp, PipelinedRequestsAreAnsweredInTurn) {
  start();
  Client client(port());
  std::string all;
  for (int i = 0; i < 50; ++i)
    all +=
        "POST /" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
  client.send(all);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(client.receive().body, "POST /" + std::to_string(i) + " hi");
}

TEST_F(ServeHttp, Http10) {
  start();
  Client once(port());
  const Received r = once.ask("GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(r.field("connection"), "close");
  EXPECT_TRUE(once.ended());
  Client kept(port());
  for (int i = 0; i < 2; ++i) {
    const Received k = kept.ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_EQ(k.field("connection"), "keep-alive");
    EXPECT_TRUE(k.whole);
  }
  const Received stream = kept.ask("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(stream.body, "one two");
  EXPECT_EQ(stream.field("transfer-encoding"), "") << "1.0 knows no chunks";
  EXPECT_EQ(stream.field("connection"), "close");
}

TEST_F(ServeHttp, StreamsHeadsAndNothing) {
  start();
  Client client(port());
  const Received stream = client.ask("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(stream.body, "one two");
  EXPECT_TRUE(stream.whole);
  client.send("HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n");
  const Received head = client.receive(true);
  EXPECT_EQ(head.field("content-length"), "8");
  client.send("HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.receive(true).status, 200);
  const Received none = client.ask("DELETE /empty HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(none.status, 204);
  EXPECT_EQ(none.field("content-length"), "");
  EXPECT_EQ(client.ask("GET /still HTTP/1.1\r\nHost: a\r\n\r\n").body, "GET /still ");
}

TEST_F(ServeHttp, ExpectContinue) {
  HttpLimits limits;
  limits.body_bytes = 10;
  start(limits);
  Client client(port());
  client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.bytes(25), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("hi");
  EXPECT_EQ(client.receive().body, "POST / hi");
  Client large(port());
  const Received r = large.ask("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n");
  EXPECT_EQ(r.status, 413) << "without asking for it";
  EXPECT_EQ(large.interim, 0);
  EXPECT_EQ(ask("POST / HTTP/1.1\r\nHost: a\r\nExpect: money\r\nContent-Length: 2\r\n\r\n").status, 417);
}

struct Refusal {
  const char* what;
  std::string request;
  int status;
};

std::vector<Refusal> refusals() {
  const std::string many = [] {
    std::string out = "GET / HTTP/1.1\r\nHost: a\r\n";
    for (int i = 0; i < 101; ++i) out += "x: y\r\n";
    return out + "\r\n";
  }();
  const std::string post = "POST / HTTP/1.1\r\nHost: a\r\n";
  return {
      {"chunked HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"length and chunks", post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"two lengths", post + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400},
      {"a list of lengths", post + "Content-Length: 3, 3\r\n\r\nabc", 400},
      {"a negative length", post + "Content-Length: -3\r\n\r\nabc", 400},
      {"a length with a sign", post + "Content-Length: +3\r\n\r\nabc", 400},
      {"an endless length", post + "Content-Length: 99999999999999999999\r\n\r\nabc", 400},
      {"two codings", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"an unknown coding", post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
      {"chunked that is not", post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501},
      {"an encoded body", post + "Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx", 415},
      {"no Host", "GET / HTTP/1.1\r\n\r\n", 400},
      {"two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
      {"two Hosts of HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
      {"a Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
      {"a Host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
      {"a folded field", "GET / HTTP/1.1\r\nHost: a\r\nx: y\r\n z\r\n\r\n", 400},
      {"a field that begins with a space", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
      {"a space before the colon", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\nabc", 400},
      {"no colon", "GET / HTTP/1.1\r\nHost: a\r\nwhat\r\n\r\n", 400},
      {"no name", "GET / HTTP/1.1\r\nHost: a\r\n: v\r\n\r\n", 400},
      {"a bare line feed", "GET / HTTP/1.1\nHost: a\n\n", 400},
      {"a bare line feed in a field", "GET / HTTP/1.1\r\nHost: a\r\nx: y\nz: w\r\n\r\n", 400},
      {"a bare carriage return", "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", 400},
      {"a zero byte", std::string("GET / HTTP/1.1\r\nHost: a\r\nx: \0\r\n\r\n", 37), 400},
      {"a control character", "GET / HTTP/1.1\r\nHost: a\r\nx: \x01\r\n\r\n", 400},
      {"delete in a field", "GET / HTTP/1.1\r\nHost: a\r\nx: \x7f\r\n\r\n", 400},
      {"two empty lines first", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"a space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"a tab in the line", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"no path", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"a fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"bytes beyond ASCII", "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"half an encoding", "GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"no encoding", "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"an encoded zero", "GET /a%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"an encoded line", "GET /a%0d%0ab HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"no UTF-8", "GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"half an encoding in the query", "GET /?a=%4 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"another host's absolute target", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"an authority", "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"a star", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"CONNECT", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 405},
      {"TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405},
      {"an unknown method", "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501},
      {"lower case", "get / HTTP/1.1\r\nHost: a\r\n\r\n", 501},
      {"no method", " / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505},
      {"HTTP/9", "GET / HTTP/9.9\r\nHost: a\r\n\r\n", 505},
      {"another protocol", "GET / HTTX/1.1\r\nHost: a\r\n\r\n", 400},
      {"HTTP/0.9", "GET /\r\n\r\n", 400},
      {"TLS", std::string("\x16\x03\x01\x02\x00", 5), 400},
      {"a large header", "GET / HTTP/1.1\r\nHost: a\r\nx: " + std::string(17000, 'y') + "\r\n\r\n", 431},
      {"many fields", many, 431},
      {"a long target", "GET /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
      {"a target without an end", "GET /" + std::string(20000, 'a'), 414},
      {"a large body", post + "Content-Length: 1000001\r\n\r\n", 413},
      {"large chunks", post + "Transfer-Encoding: chunked\r\n\r\nf4241\r\n", 413},
      {"a chunk of no size", post + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400},
      {"a chunk's size too large", post + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", 400},
      {"a chunk without its end", post + "Transfer-Encoding: chunked\r\n\r\n2\r\nhixx0\r\n\r\n", 400},
      {"a chunk's endless line", post + "Transfer-Encoding: chunked\r\n\r\n2;" + std::string(40000, 'x'), 400},
  };
}

TEST_F(ServeHttp, RefusesWithAStatusAndGoesOn) {
  HttpLimits limits;
  limits.body_bytes = 1'000'000;
  limits.linger_time = Milliseconds(50);
  start(limits);
  for (const Refusal& r : refusals()) {
    Client client(port());
    const Received got = client.ask(r.request);
    EXPECT_EQ(got.status, r.status) << r.what << ": " << got.body;
    EXPECT_EQ(got.field("connection"), "close") << r.what;
    EXPECT_NE(got.field("x-request-id"), "") << r.what;
    EXPECT_TRUE(client.ended()) << r.what;
    EXPECT_EQ(got.field("allow").empty(), got.status != 405) << r.what;
    expect_alive();
  }
  EXPECT_EQ(server->counts().refused, refusals().size());
}

TEST_F(ServeHttp, TakesWhatIsUnusualAndRight) {
  start();
  const std::string end = " HTTP/1.1\r\nHost: a\r\n\r\n";
  EXPECT_EQ(ask("\r\nGET /x" + end).body, "GET /x ") << "one empty line before it";
  EXPECT_EQ(ask("GET http://A/x?y HTTP/1.1\r\nHost: a\r\n\r\n").body, "GET /x ");
  EXPECT_EQ(ask("GET https://a HTTP/1.1\r\nHost: a\r\n\r\n").body, "GET / ");
  EXPECT_EQ(ask("GET /%C3%A4%2fb" + end).body, "GET /\xc3\xa4/b ");
  EXPECT_EQ(ask("OPTIONS *" + end).body, "OPTIONS * ");
  EXPECT_EQ(ask("GET / HTTP/1.1\r\nHost:   [::1]:8080\t \r\n\r\n").status, 200);
  EXPECT_EQ(ask("GET / HTTP/1.1\r\nhOST: a_b.c-d:1\r\nx: \xff\xfe\r\ny:\r\n\r\n").status, 200);
  EXPECT_EQ(ask("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n1;n=v\r\nA\r\n0\r\nt: 1\r\n\r\n").body,
            "POST / A");
  EXPECT_EQ(ask("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Encoding: identity\r\n\r\n").status, 200);
}

// Whatever a client had sent when it left, and however it left.
TEST_F(ServeHttp, CutAtEveryByte) {
  start();
  const std::string request =
      "POST /a%20b?c=d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
  for (size_t n = 0; n < request.size(); ++n) {
    Client client(port());
    client.send(request.substr(0, n));
    if (n % 3 == 0) {
      client.reset();
    } else if (n % 3 == 1) {
      client.no_more();
      EXPECT_EQ(client.receive().status, 0) << n;
    }
  }
  Client slowly(port());
  for (const char c : request) slowly.send(std::string_view(&c, 1));
  EXPECT_EQ(slowly.receive().body, "POST /a b hi");
  EXPECT_TRUE(eventually([&] { return server->counts().connections <= 1; }));
  expect_alive();
}

TEST_F(ServeHttp, BytesOfEveryKind) {
  HttpLimits limits;
  limits.header_time = Milliseconds(100);
  limits.linger_time = Milliseconds(50);
  start(limits);
  const std::string request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
  uint32_t state = 1;
  for (size_t at = 0; at < request.size(); ++at) {
    std::string changed = request;
    state = state * 1664525 + 1013904223;
    changed[at] = static_cast<char>(state >> 24);
    const Received got = ask(changed);
    EXPECT_TRUE(got.status == 0 || (got.status >= 200 && got.status < 600)) << at;
  }
  expect_alive();
}

TEST_F(ServeHttp, SlowHeadersAndBodies) {
  HttpLimits limits;
  limits.header_time = Milliseconds(80);
  limits.body_time = Milliseconds(80);
  limits.idle_time = Milliseconds(80);
  limits.linger_time = Milliseconds(50);
  start(limits);
  Client header(port());
  const Received h = header.ask("GET / HTTP/1.1\r\nHost");
  EXPECT_EQ(h.status, 408);
  EXPECT_NE(h.body.find("80 ms"), std::string::npos) << h.body;
  EXPECT_TRUE(header.ended());
  Client body(port());
  EXPECT_EQ(body.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab").status, 408);
  EXPECT_TRUE(body.ended());
  Client silent(port());
  EXPECT_EQ(silent.rest(), "") << "who asks nothing is told nothing";
  EXPECT_TRUE(silent.ended());
  Client idle(port());
  EXPECT_EQ(idle.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status, 200);
  EXPECT_EQ(idle.rest(), "");
  EXPECT_TRUE(idle.ended());
  expect_alive();
}

TEST_F(ServeHttp, AHandlerThatFails) {
  start();
  Client thrown(port());
  EXPECT_EQ(thrown.ask("GET /throw HTTP/1.1\r\nHost: a\r\n\r\n").status, 500);
  Client forgotten(port());
  const Received r = forgotten.ask("GET /forget HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(r.body, "some");
  EXPECT_FALSE(r.whole) << "cut off, not ended";
  EXPECT_TRUE(forgotten.ended());
  expect_alive();
}

TEST_F(ServeHttp, TheGateComesBeforeTheBody) {
  start({}, [](HttpOptions& o) {
    o.gate = [](const HttpRequest& r) -> std::optional<HttpAnswer> {
      if (r.path != "/no") return {};
      return HttpAnswer{401, {{"www-authenticate", "Bearer"}}, "no key"};
    };
  });
  Client client(port());
  EXPECT_EQ(client.ask("GET /no HTTP/1.1\r\nHost: a\r\n\r\n").status, 401);
  EXPECT_EQ(client.ask("GET /yes HTTP/1.1\r\nHost: a\r\n\r\n").status, 200) << "nothing was left unread";
  const Received r = client.ask("POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
  EXPECT_EQ(r.status, 401) << "before a byte of the body";
  EXPECT_EQ(r.field("connection"), "close");
}

}  // namespace
}  // namespace kedge::tools::serve
