// The page's files: what is embedded is what was built, in both codings, with the headers that keep it to itself.
#include "tools/serve/page_files.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace kedge::tools::serve {
namespace {

class HeldReply final : public HttpReply {
 public:
  void send(int s, Fields h, std::string b) override {
    status = s;
    headers = std::move(h);
    body = std::move(b);
  }
  void start(int, Fields) override { ADD_FAILURE() << "a page file is sent whole"; }
  bool write(std::string_view) override { return false; }
  void end() override {}
  bool started() const override { return status != 0; }
  void when_quiet(std::chrono::milliseconds, std::function<void()>) override {}
  void when_gone(std::function<void()>) override {}
  bool gone() const override { return false; }

  std::string header(std::string_view name) const {
    for (const auto& [n, v] : headers) {
      if (n == name) return v;
    }
    return "";
  }

  int status = 0;
  Fields headers;
  std::string body;
};

HeldReply get(std::string_view path, Fields headers = {}, std::string method = "GET") {
  HttpRequest request;
  request.method = std::move(method);
  request.headers = std::move(headers);
  HeldReply reply;
  const PageFile* file = find_page_file(path);
  EXPECT_NE(file, nullptr) << path;
  if (file != nullptr) send_page_file(*file, request, reply);
  return reply;
}

std::string built(const std::string& name) {
  std::ifstream in(std::string(KEDGE_SOURCE_DIR) + "/tools/serve/page/dist/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(PageFiles, AreWhatWasBuilt) {
  size_t files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(KEDGE_SOURCE_DIR) + "/tools/serve/page/dist")) {
    const std::string name = entry.path().filename().string();
    const HeldReply reply = get(name == "index.html" ? "/" : "/" + name);
    EXPECT_EQ(reply.status, 200) << name;
    EXPECT_EQ(reply.body, built(name)) << name;
    EXPECT_EQ(reply.header("content-encoding"), "") << name;
    ++files;
  }
  EXPECT_EQ(files, page_files().size());
  EXPECT_EQ(find_page_file("/index.html"), nullptr);
  EXPECT_EQ(find_page_file("/app.jsx"), nullptr);
}

TEST(PageFiles, AreCompressedForWhomTakesThat) {
  for (const char* accepted : {"gzip", "gzip, deflate, br", "br;q=1.0, GZIP;q=0.2", "identity;q=0.1,gzip ; q=1"}) {
    const HeldReply reply = get("/app.js", {{"accept-encoding", accepted}});
    EXPECT_EQ(reply.header("content-encoding"), "gzip") << accepted;
    EXPECT_EQ(reply.body.substr(0, 2), "\x1f\x8b") << accepted;
    EXPECT_LT(reply.body.size(), built("app.js").size() / 2);
  }
  for (const char* refused : {"", "br", "gzip;q=0", "gzip;q=0.000", "x-gzip", "gzipped"}) {
    EXPECT_EQ(get("/app.js", {{"accept-encoding", refused}}).body, built("app.js")) << refused;
  }
  EXPECT_EQ(get("/app.js").header("vary"), "accept-encoding");
}

TEST(PageFiles, AreNotSentAgainToWhoHasThem) {
  const std::string plain = get("/app.css").header("etag");
  const std::string packed = get("/app.css", {{"accept-encoding", "gzip"}}).header("etag");
  EXPECT_NE(plain, packed);
  EXPECT_NE(plain, get("/app.js").header("etag"));
  for (const std::string& known : {plain, "W/" + plain, "\"x\", " + plain, std::string("*")}) {
    const HeldReply reply = get("/app.css", {{"if-none-match", known}});
    EXPECT_EQ(reply.status, 304) << known;
    EXPECT_EQ(reply.body, "") << known;
    EXPECT_EQ(reply.header("etag"), plain);
  }
  EXPECT_EQ(get("/app.css", {{"if-none-match", packed}}).status, 200);
}

TEST(PageFiles, LetNothingInFromElsewhere) {
  const HeldReply page = get("/");
  const std::string policy = page.header("content-security-policy");
  for (const char* rule : {"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'",
                           "frame-ancestors 'none'", "require-trusted-types-for 'script'"}) {
    EXPECT_NE(policy.find(rule), std::string::npos) << rule;
  }
  EXPECT_EQ(policy.find("unsafe"), std::string::npos);
  EXPECT_EQ(page.header("x-content-type-options"), "nosniff");
  EXPECT_EQ(page.header("referrer-policy"), "no-referrer");
  EXPECT_EQ(page.header("content-type"), "text/html; charset=utf-8");
  EXPECT_EQ(page.body.find("http:"), page.body.find("http://www.w3.org/2000/svg"));  // the name of a namespace
  EXPECT_EQ(page.body.find("https:"), std::string::npos);
  EXPECT_EQ(get("/", {}, "POST").status, 405);
}

}  // namespace
}  // namespace kedge::tools::serve
