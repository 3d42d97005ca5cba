// Who may do what at the server: keys, roles, and what keeps a browser's other pages out.
#include <gtest/gtest.h>
#include <openssl/sha.h>

#include "tools/serve/access.h"
#include "tools/serve/front.h"
#include "tools/serve/wire/error_shape.h"

namespace kedge::tools::serve {
namespace {

KeyEntry key_entry(const std::string& name, const std::string& key, Role role) {
  KeyEntry entry{.name = name, .sha256 = {}, .role = role, .share = 2};
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), entry.sha256.data());
  return entry;
}

HttpRequest request(Fields headers, std::string path = "/v1/models", std::string method = "GET") {
  HttpRequest out;
  out.method = std::move(method);
  out.path = out.raw_path = std::move(path);
  out.headers = std::move(headers);
  out.id = "req_1";
  return out;
}

AccessRules with_keys() {
  return {.keys = {key_entry("anna", "sk-a", Role::kUse), key_entry("root", "sk-r", Role::kAdmin)},
          .hosts = {},
          .origins = {},
          .open = false};
}

AccessRules open_rules() {
  return {.keys = {}, .hosts = {"kedge.example"}, .origins = {"https://app.example"}, .open = true};
}

int status_of(const Answer<Principal>& answer) { return answer.ok() ? 200 : answer.error().status; }

TEST(ServeAccess, Keys) {
  const Access access(with_keys());
  const auto anna = access.check_key(request({{"authorization", "Bearer sk-a"}}), Role::kUse);
  ASSERT_TRUE(anna.ok());
  EXPECT_EQ(anna->name, "anna");
  EXPECT_EQ(anna->share, 2);
  EXPECT_TRUE(access.check_key(request({{"authorization", "bearer  sk-a "}}), Role::kUse).ok());
  EXPECT_TRUE(access.check_key(request({{"x-api-key", "sk-a"}}), Role::kUse).ok());
  EXPECT_EQ(access.check_key(request({}), Role::kUse).error().code, "missing_api_key");
  EXPECT_EQ(access.check_key(request({{"authorization", "Bearer sk-"}}), Role::kUse).error().code, "invalid_api_key");
  EXPECT_EQ(status_of(access.check_key(request({{"authorization", "Basic sk-a"}}), Role::kUse)), 401);
  EXPECT_EQ(status_of(access.check_key(request({{"x-api-key", ""}}), Role::kUse)), 401);
  EXPECT_EQ(status_of(access.check_key(request({{"x-api-key", "sk-a"}}), Role::kAudit)), 403);
  EXPECT_EQ(status_of(access.check_key(request({{"x-api-key", "sk-r"}}), Role::kAudit)), 200);
  EXPECT_TRUE(access.check_key(request({}), Role::kNone).ok());
}

TEST(ServeAccess, WithoutKeysAnyIsTaken) {
  const Access access(open_rules());
  EXPECT_EQ(access.check_key(request({}), Role::kAdmin)->name, "local");
  EXPECT_TRUE(access.check_key(request({{"authorization", "Bearer none"}}), Role::kUse).ok()) << "clients send some";
  const Access nobody(AccessRules{});
  EXPECT_EQ(status_of(nobody.check_key(request({}), Role::kUse)), 401);
}

TEST(ServeAccess, Hosts) {
  const Access access(open_rules());
  for (const char* host : {"localhost", "LOCALHOST:8080", "localhost.", "a.localhost:1", "127.0.0.1:80", "[::1]:80",
                           "10.0.0.7", "kedge.example:443"}) {
    EXPECT_FALSE(access.check_browser(request({{"host", host}}))) << host;
  }
  for (const char* host :
       {"evil.example", "localhost.evil.example:8080", "127.0.0.1.evil.example", "kedge.example.evil"}) {
    const auto error = access.check_browser(request({{"host", host}}));
    ASSERT_TRUE(error) << host;
    EXPECT_EQ(error->status, 403);
    EXPECT_EQ(error->code, "host_not_allowed");
  }
  EXPECT_FALSE(Access(with_keys()).check_browser(request({{"host", "any.example"}}))) << "the key protects";
}

TEST(ServeAccess, Origins) {
  const Access access(open_rules());
  const auto origin = [&](const std::string& o) {
    return access.check_browser(request({{"host", "localhost:8080"}, {"origin", o}}));
  };
  EXPECT_FALSE(origin("http://localhost:8080"));
  EXPECT_FALSE(origin("https://APP.example"));
  for (const char* o : {"http://localhost:8081", "http://localhost", "https://app.example.evil", "null",
                        "https://evil.example", "localhost:8080"}) {
    ASSERT_TRUE(origin(o)) << o;
    EXPECT_EQ(origin(o)->code, "origin_not_allowed");
  }
  EXPECT_TRUE(access.check_browser(request({{"host", "localhost"}, {"sec-fetch-site", "cross-site"}})))
      << "an image, say";
  EXPECT_FALSE(access.check_browser(
      request({{"host", "localhost"}, {"sec-fetch-site", "cross-site"}, {"sec-fetch-mode", "navigate"}})));
  AccessRules all = open_rules();
  all.origins = {"*"};
  EXPECT_FALSE(Access(all).check_browser(request({{"host", "localhost"}, {"origin", "null"}})));
}

TEST(ServeAccess, Loopback) {
  for (const char* host : {"127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"})
    EXPECT_TRUE(is_loopback(host)) << host;
  for (const char* host : {"0.0.0.0", "::", "10.0.0.1", "no.such.host.invalid"})
    EXPECT_FALSE(is_loopback(host)) << host;
}

// --- Routes and the front

class Kept final : public HttpReply {
 public:
  void send(int s, Fields h, std::string b) override {
    status = s;
    headers = std::move(h);
    body = std::move(b);
  }
  void start(int s, Fields h) override { send(s, std::move(h), ""); }
  bool write(std::string_view) override { return true; }
  void end() override {}
  bool started() const override { return status != 0; }
  void when_quiet(std::chrono::milliseconds, std::function<void()>) override {}
  void when_gone(std::function<void()>) override {}
  bool gone() const override { return false; }
  void add_header(std::string name, std::string value) override {
    more.emplace_back(std::move(name), std::move(value));
  }

  int status = 0;
  Fields headers;
  Fields more;
  std::string body;
};

std::string field(const Fields& fields, std::string_view name) {
  for (const auto& [key, value] : fields) {
    if (key == name) return value;
  }
  return {};
}

Routes some_routes() {
  Routes routes;
  const auto say = [](const std::string& what) {
    return [what](const Call& call) {
      std::string text = what + " by " + call.who.name;
      for (const auto& [name, value] : call.captures) text += " " + name + "=" + value;
      call.send_json({{"said", text}});
    };
  };
  routes.add("GET", "/page", Role::kNone, say("page"));
  routes.add("GET", "/v1/models", Role::kUse, say("list"));
  routes.add("GET", "/v1/models/{id...}", Role::kUse, say("one"));
  routes.add("POST", "/v1/kedge/models/{alias}:swap", Role::kAdmin, say("swap"));
  routes.add("GET", "/v1/kedge/records/{id}/verify", Role::kAudit, say("verify"));
  routes.add("POST", "/v1/messages", Role::kUse, [](const Call&) { throw std::runtime_error("oh"); });
  routes.add("POST", "/api/chat", Role::kUse, say("slow"), Where::kWorker);
  return routes;
}

class ServeFront : public testing::Test {
 protected:
  void SetUp() override {
    front.set_routes(some_routes());
    front.set_access(with_keys());
  }
  // What the gate says, else the handler.
  Kept ask(const HttpRequest& r) {
    const auto reply = std::make_shared<Kept>();
    if (auto refused = front.gate(r)) {
      reply->send(refused->status, std::move(refused->headers), std::move(refused->body));
    } else {
      front.handle(r, reply);
      workers.stop();
    }
    return *reply;
  }
  Kept ask_as(const std::string& key, std::string path, std::string method = "GET") {
    return ask(request({{"x-api-key", key}}, std::move(path), std::move(method)));
  }

  Workers workers{2};
  Log log;
  Front front{workers, log};
};

TEST_F(ServeFront, RoutesAndWhatTheyCapture) {
  EXPECT_EQ(ask_as("sk-a", "/v1/models").body, "{\"said\":\"list by anna\"}\n");
  EXPECT_EQ(ask_as("sk-a", "/v1/models/a%2Fb").body, "{\"said\":\"one by anna id=a/b\"}\n");
  EXPECT_EQ(ask_as("sk-a", "/v1/models/a/b").body, "{\"said\":\"one by anna id=a/b\"}\n");
  EXPECT_EQ(ask_as("sk-a", "/v1/models/a", "HEAD").status, 200);
  EXPECT_EQ(ask_as("sk-r", "/v1/kedge/models/fast:swap", "POST").body, "{\"said\":\"swap by root alias=fast\"}\n");
  EXPECT_EQ(ask_as("sk-r", "/v1/kedge/models/:swap", "POST").status, 404);
  EXPECT_EQ(ask_as("sk-r", "/v1/kedge/records/7/verify").status, 200);
  EXPECT_EQ(ask_as("sk-a", "/v1/kedge/records/7/verify").status, 403);
  EXPECT_EQ(ask_as("sk-a", "/v1/models/").status, 404);
  EXPECT_EQ(ask_as("sk-a", "/v1/models/%zz").status, 404);
  EXPECT_EQ(ask(request({}, "/page")).status, 200);
}

TEST_F(ServeFront, WhatIsNotThere) {
  const Kept none = ask_as("sk-a", "/v2");
  EXPECT_EQ(none.status, 404);
  EXPECT_NE(none.body.find("/v2"), std::string::npos);
  EXPECT_EQ(field(none.headers, "x-should-retry"), "false");
  const Kept method = ask_as("sk-a", "/v1/models", "DELETE");
  EXPECT_EQ(method.status, 405);
  EXPECT_EQ(field(method.headers, "allow"), "GET, HEAD");
  const Kept nobody = ask(request({}, "/v2"));
  EXPECT_EQ(nobody.status, 401) << "who has no key is told nothing";
  EXPECT_EQ(field(nobody.headers, "www-authenticate"), "Bearer");
}

TEST_F(ServeFront, HandlersThatThrowAnswer) {
  const Kept r = ask_as("sk-a", "/v1/messages", "POST");
  EXPECT_EQ(r.status, 500);
  EXPECT_NE(r.body.find("\"request_id\":\"req_1\""), std::string::npos) << r.body;
}

TEST_F(ServeFront, AWorkerOrQueueFull) {
  EXPECT_EQ(ask_as("sk-a", "/api/chat", "POST").status, 200);
  const Kept full = ask_as("sk-a", "/api/chat", "POST");  // they have been stopped
  EXPECT_EQ(full.status, 429);
  EXPECT_EQ(full.body, "{\"error\":\"the server has as many requests at work as it takes\"}\n");
  EXPECT_EQ(field(full.headers, "retry-after"), "1");
  EXPECT_EQ(field(full.headers, "retry-after-ms"), "1000");
}

TEST_F(ServeFront, BrowsersOfAllowedOrigins) {
  front.set_access(open_rules());
  const Fields from = {{"host", "localhost"},
                       {"origin", "https://app.example"},
                       {"access-control-request-headers", "authorization, x-stainless-os"}};
  const Kept preflight = ask(request(from, "/v1/models", "OPTIONS"));
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(field(preflight.headers, "access-control-allow-origin"), "https://app.example");
  EXPECT_EQ(field(preflight.headers, "access-control-allow-headers"), "authorization, x-stainless-os");
  EXPECT_EQ(field(preflight.headers, "access-control-allow-methods"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(field(ask(request(from)).more, "access-control-allow-origin"), "https://app.example");
  EXPECT_EQ(field(ask(request(from, "/v2")).headers, "access-control-allow-origin"), "https://app.example");
  const Kept other = ask(request({{"host", "localhost"}, {"origin", "https://evil.example"}}, "/v1/models", "OPTIONS"));
  EXPECT_EQ(other.status, 403);
  EXPECT_EQ(field(other.headers, "access-control-allow-origin"), "");
}

TEST_F(ServeFront, Closed) {
  front.set_routes(some_routes(),
                   ApiError{.status = 503, .code = "loading", .message = "loading", .retry_after_ms = 1});
  EXPECT_EQ(ask_as("sk-a", "/v1/models").status, 503);
  EXPECT_EQ(ask_as("sk-a", "/other").status, 503);
  EXPECT_EQ(ask(request({}, "/page")).status, 200);
}

TEST(ServeErrors, ShapesOfTheApis) {
  ApiError error{.status = 429, .code = "queue_full", .message = "full", .param = "n", .retry_after_ms = 1500};
  error.extra = {{"waiting", 3}};
  const HttpAnswer openai = error_answer(error_shape("/v1/chat/completions"), error, "r");
  EXPECT_EQ(openai.status, 429);
  EXPECT_EQ(openai.body,
            "{\"error\":{\"message\":\"full\",\"type\":\"rate_limit_error\",\"param\":\"n\",\"code\":\"queue_full\","
            "\"waiting\":3}}\n");
  EXPECT_EQ(field(openai.headers, "retry-after"), "2");
  EXPECT_EQ(field(openai.headers, "x-should-retry"), "");
  const HttpAnswer anthropic = error_answer(error_shape("/v1/messages/count_tokens"), error, "r");
  EXPECT_EQ(anthropic.status, 529);
  EXPECT_EQ(anthropic.body,
            "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"full\",\"waiting\":3},"
            "\"request_id\":\"r\"}\n");
  EXPECT_EQ(error_answer(error_shape("/api/chat"), error).body, "{\"error\":\"full\"}\n");
  const HttpAnswer hopeless = error_answer(error_shape("/"), bad_request("no", "messages[0]"));
  EXPECT_EQ(field(hopeless.headers, "x-should-retry"), "false");
  EXPECT_EQ(field(hopeless.headers, "retry-after"), "");
  EXPECT_NE(hopeless.body.find("\"type\":\"invalid_request_error\",\"param\":\"messages[0]\""), std::string::npos);
  EXPECT_EQ(error_shape("/v1/messagesx"), ErrorShape::kOpenAi);
}

TEST(ServeWorkers, BoundedAndMadeWhenNeeded) {
  Workers workers(2, std::chrono::milliseconds(20));
  EXPECT_EQ(workers.threads(), 0u);
  std::mutex mutex;
  std::condition_variable changed;
  bool go_on = false;
  int ran = 0;
  const auto work = [&] {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return go_on; });
    ++ran;
    changed.notify_all();
  };
  EXPECT_TRUE(workers.try_run(work));
  EXPECT_TRUE(workers.try_run(work));
  EXPECT_FALSE(workers.try_run(work));
  EXPECT_EQ(workers.running(), 2u);
  {
    std::unique_lock lock(mutex);
    go_on = true;
    changed.notify_all();
    changed.wait(lock, [&] { return ran == 2; });
  }
  while (workers.running() > 0) std::this_thread::yield();
  EXPECT_TRUE(workers.try_run([] { throw 1; }));
  while (workers.threads() > 0) std::this_thread::yield();  // idle ones end
  EXPECT_TRUE(workers.try_run(work));
  workers.stop();
  EXPECT_EQ(ran, 3) << "what runs is waited for";
  EXPECT_FALSE(workers.try_run(work));
}

}  // namespace
}  // namespace kedge::tools::serve
