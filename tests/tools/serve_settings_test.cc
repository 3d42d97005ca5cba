// The settings of `kedge serve`: where they come from, what is said of a wrong one, and the files that describe them.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "kernels/base/json.h"
#include "tools/serve/settings.h"

namespace kedge::tools::serve {
namespace {

class ServeSettings : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder); }
  void TearDown() override { std::filesystem::remove_all(folder); }

  base::Result<Settings> read(const std::string& text = {}) {
    sources.file.clear();
    if (!text.empty()) {
      sources.file = file();
      std::ofstream(file(), std::ios::binary) << text;
    }
    sources.variable = [this](const char* name) -> const char* {
      const auto at = variables.find(name);
      return at == variables.end() ? nullptr : at->second.c_str();
    };
    return read_settings(sources);
  }
  std::string wrong(const std::string& text) {
    const auto settings = read(text);
    return settings.ok() ? "" : settings.error().message;
  }
  std::string file() const { return folder + "/serve.toml"; }

  std::string folder =
      (std::filesystem::temp_directory_path() / ("kedge-settings-" + std::to_string(getpid()))).string();
  std::map<std::string, std::string> variables;
  SettingSources sources;
};

const std::string kDigest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";  // of "hello"

TEST_F(ServeSettings, FlagsBeforeVariablesBeforeTheFileBeforeDefaults) {
  EXPECT_EQ(read()->port, 8080);
  const std::string text = "port = 1\nhosts = [\"a\"]\n[limits]\nbody_bytes = 5\nbody_ms = 100\n";
  EXPECT_EQ(read(text)->port, 1);
  variables = {{"KEDGE_SERVE_PORT", "2"}, {"KEDGE_SERVE_LIMITS_BODY_BYTES", "6"}, {"KEDGE_SERVE_HOSTS", "b, c"}};
  auto s = read(text);
  ASSERT_TRUE(s.ok()) << s.error().message;
  EXPECT_EQ(s->port, 2);
  EXPECT_EQ(s->limits_body_bytes, 6);
  EXPECT_EQ(s->limits_body_ms, 100);
  EXPECT_EQ(s->hosts, (std::vector<std::string>{"b", "c"}));
  sources.flags = {{"port", "3"}, {"no_auth", "true"}};
  s = read(text);
  EXPECT_EQ(s->port, 3);
  EXPECT_TRUE(s->no_auth);
  EXPECT_EQ(s->sources.at("port"), "--port");
  EXPECT_EQ(s->sources.at("limits.body_bytes"), "KEDGE_SERVE_LIMITS_BODY_BYTES");
  EXPECT_EQ(s->sources.at("limits.body_ms"), file() + ":5");
  EXPECT_EQ(http_limits(*s).body_bytes, 6u);
  EXPECT_EQ(http_limits(*s).body_time.count(), 100);
}

TEST_F(ServeSettings, WhereRecordsGo) {
  const std::string problem = wrong("[postgres]\nurl = \"host=db dbname\"\n");
  if (problem.find("without libpq") != std::string::npos) GTEST_SKIP() << problem;
  EXPECT_TRUE(problem.starts_with("postgres.url: missing \"=\"")) << problem;
  const std::string secret = wrong("[postgres]\nurl = \"postgresql://kedge:secret@db/audit\"\n");
  EXPECT_TRUE(secret.starts_with("postgres.url: a password")) << secret;
  EXPECT_EQ(secret.find("secret"), std::string::npos) << secret;
  EXPECT_NE(wrong("no_audit = true\n[postgres]\nurl = \"host=db\"\n").find("no_audit"), std::string::npos);
  EXPECT_EQ(wrong("[postgres]\nurl = \"postgresql://kedge@db/audit\"\n"), "");
}

TEST_F(ServeSettings, WhatIsWrongIsNamedWithItsLine) {
  EXPECT_EQ(wrong("port = 1\nprot = 2\n"), file() + ":2: there is no setting 'prot'");
  EXPECT_EQ(wrong("[limits]\nbody = 2\n"), file() + ":2: there is no setting 'limits.body'");
  EXPECT_EQ(wrong("[other]\n"), file() + ":1: there is no setting 'other'");
  EXPECT_TRUE(wrong("a = 1\na = 2\n").starts_with(file() + ":2: "));
  EXPECT_TRUE(wrong("port = \n").starts_with(file() + ":1: "));
  const std::string range = wrong("\nport = 65536\n");
  EXPECT_TRUE(range.starts_with(file() + ":2: port")) << range;
  EXPECT_NE(range.find("65535"), std::string::npos) << range;
  EXPECT_EQ(wrong("host = 1\n"), file() + ":1: host has to be a text");
  EXPECT_EQ(wrong("no_auth = 1\n"), file() + ":1: no_auth has to be true or false");
  EXPECT_EQ(wrong("hosts = \"a\"\n"), file() + ":1: hosts has to be a list of texts");
  EXPECT_NE(wrong("port = 1979-05-27\n"), "");
  EXPECT_NE(wrong("port = 1.5\n"), "");
  EXPECT_NE(wrong("limits = 3\n"), "");
  variables = {{"KEDGE_SERVE_PORT", "many"}};
  EXPECT_EQ(wrong(""), "KEDGE_SERVE_PORT = 'many' has to be a number, 0 to 65535");
  variables = {{"KEDGE_SERVE_NO_AUTH", "yes"}};
  EXPECT_EQ(wrong(""), "KEDGE_SERVE_NO_AUTH = 'yes' has to be true or false");
  variables.clear();
  sources.flags = {{"limits.idle_ms", "1"}};
  EXPECT_TRUE(wrong("").starts_with("--limits-idle-ms")) << wrong("");
  sources.flags.clear();
  variables = {{"KEDGE_SERVE_CONFIG", folder + "/none.toml"}};
  EXPECT_NE(wrong("").find("none.toml"), std::string::npos);
}

TEST_F(ServeSettings, Keys) {
  const std::string key = "[[keys]]\nname = \"anna\"\nsha256 = \"" + kDigest + "\"\n";
  auto s = read("host = \"0.0.0.0\"\n" + key + "roles = [\"use\", \"audit\"]\nshare = 2\n");
  ASSERT_TRUE(s.ok()) << s.error().message;
  ASSERT_EQ(s->keys.size(), 1u);
  EXPECT_EQ(s->keys[0].role, Role::kAudit);
  const Access access(access_rules(*s));
  HttpRequest request;
  request.headers = {{"authorization", "Bearer hello"}};
  EXPECT_EQ(access.check_key(request, Role::kUse)->name, "anna");
  request.headers.clear();
  EXPECT_FALSE(access.check_key(request, Role::kUse).ok());
  EXPECT_TRUE(wrong("[[keys]]\nname = \"a\"\n").starts_with(file() + ":1: keys")) << wrong("[[keys]]\nname = \"a\"\n");
  EXPECT_NE(wrong("[[keys]]\nname = \"a\"\nsha256 = \"abc\"\n").find("64 hexadecimal digits"), std::string::npos);
  EXPECT_NE(wrong(key + "roles = [\"boss\"]\n").find("'boss', which is none of use, audit, admin"), std::string::npos);
  EXPECT_NE(wrong(key + "roles = []\n").find("roles is empty"), std::string::npos);
  EXPECT_NE(wrong(key + "key = \"hello\"\n").find("key"), std::string::npos);
  EXPECT_NE(wrong(key + key).find("two keys have the name 'anna'"), std::string::npos);
  EXPECT_NE(wrong(key + "[[keys]]\nname = \"b\"\nsha256 = \"" + kDigest + "\"\n").find("are the same"),
            std::string::npos);
  EXPECT_NE(wrong("no_auth = true\n" + key), "");
  variables = {{"KEDGE_SERVE_KEY", "hello"}};
  s = read();
  ASSERT_EQ(s->keys.size(), 1u);
  EXPECT_EQ(s->keys[0].role, Role::kAdmin);
  request.headers = {{"x-api-key", "hello"}};
  EXPECT_TRUE(Access(access_rules(*s)).check_key(request, Role::kAdmin).ok());
}

TEST_F(ServeSettings, Adapters) {
  const std::string one = "[[adapters]]\npath = \"l/legal.gguf\"\n";
  const auto s = read(one + "[[adapters]]\nname = \"c\"\npath = \"/c.gguf\"\nmodel = \"deep\"\nscale = 0\n");
  ASSERT_TRUE(s.ok()) << s.error().message;
  ASSERT_EQ(s->adapters.size(), 2u);
  EXPECT_EQ(s->adapters[0], (AdapterEntry{.name = "legal", .path = folder + "/l/legal.gguf", .model = "", .scale = 1}));
  EXPECT_EQ(s->adapters[1], (AdapterEntry{.name = "c", .path = "/c.gguf", .model = "deep", .scale = 0}));
  const auto again = read(settings_toml(*s));
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(again->adapters, s->adapters);
  EXPECT_EQ(needs_restart(*s, *read(one)), std::vector<std::string>{"adapters"});
  EXPECT_EQ(live_settings(*s, *read(one)).adapters, s->adapters);
  EXPECT_TRUE(wrong("[[adapters]]\nname = \"a\"\n").starts_with(file() + ":1: adapters"));
  EXPECT_NE(wrong(one + "scale = 101\n").find("scale"), std::string::npos);
  EXPECT_NE(wrong(one + "weight = 1\n").find("weight"), std::string::npos);
}

TEST_F(ServeSettings, Speculation) {
  EXPECT_EQ(read("[engine]\nspeculation = \"ngram\"\n")->engine_speculation, "ngram");
  EXPECT_NE(wrong("[engine]\nspeculation = \"luck\"\n").find("none, ngram or draft"), std::string::npos);
  EXPECT_NE(wrong("[engine]\nspeculation = \"draft\"\n").find("engine.draft"), std::string::npos);
  EXPECT_EQ(wrong("[engine]\nspeculation = \"draft\"\ndraft = \"fast\"\n"), "");
}

TEST_F(ServeSettings, OtherMachinesNeedAKeyOrAWord) {
  EXPECT_NE(wrong("host = \"0.0.0.0\"\n").find("--no-auth"), std::string::npos);
  EXPECT_NE(wrong("host = \"::\"\n"), "");
  EXPECT_EQ(wrong("host = \"0.0.0.0\"\nno_auth = true\n"), "");
  EXPECT_EQ(wrong("host = \"localhost\"\n"), "");
  EXPECT_NE(wrong("host = \"\"\n"), "");
  EXPECT_EQ(wrong("host = \"\"\nsocket = \"s\"\n"), "");
  EXPECT_NE(wrong("model = \"a\"\npool = \"b\"\n"), "");
  EXPECT_NE(wrong("[tls]\ncertificate = \"a\"\n"), "");
}

TEST_F(ServeSettings, PathsOfAFileAreOfItsFolder) {
  const auto s = read("model = \"m/a.gguf\"\n[log]\nfile = \"/var/log/kedge\"\n");
  EXPECT_EQ(s->model, folder + "/m/a.gguf");
  EXPECT_EQ(s->log_file, "/var/log/kedge");
  sources.flags = {{"model", "b.gguf"}};
  EXPECT_EQ(read("model = \"m/a.gguf\"\n")->model, "b.gguf");
}

TEST_F(ServeSettings, PrintedOnesReadTheSame) {
  variables = {{"KEDGE_SERVE_KEY", "hello"}, {"KEDGE_SERVE_ORIGINS", "https://a,\"b\\"}};
  sources.flags = {{"engine.step_ms", "12.5"}};
  const auto s = read();
  const std::string printed = settings_toml(*s);
  EXPECT_NE(printed.find("step_ms = 12.5  # --engine-step-ms\n"), std::string::npos) << printed;
  EXPECT_EQ(printed.find("hello"), std::string::npos) << "the key itself";
  variables.clear();
  sources.flags.clear();
  const auto again = read(printed);
  ASSERT_TRUE(again.ok()) << again.error().message << "\n" << printed;
  for (const SettingSpec& spec : setting_specs())
    EXPECT_TRUE(std::visit([&](auto f) { return (*again).*f == (*s).*f; }, spec.field)) << spec.name;
  EXPECT_EQ(again->keys.at(0).sha256, s->keys.at(0).sha256);
  EXPECT_EQ(again->keys.at(0).role, Role::kAdmin);
}

TEST_F(ServeSettings, ReadAgain) {
  const auto running = read("port = 1\n[limits]\nbody_bytes = 5\n");
  const auto wanted = read("port = 2\n[limits]\nbody_bytes = 6\n");
  EXPECT_EQ(needs_restart(*running, *wanted), std::vector<std::string>{"port"});
  const Settings now = live_settings(*running, *wanted);
  EXPECT_EQ(now.port, 1);
  EXPECT_EQ(now.limits_body_bytes, 6);
}

TEST_F(ServeSettings, TheTableIsWhole) {
  std::set<std::string> names;
  for (const SettingSpec& spec : setting_specs()) {
    EXPECT_TRUE(names.insert(spec.name).second) << spec.name;
    EXPECT_TRUE(names.insert(flag_of(spec)).second) << spec.name;
    const Settings defaults;
    if (const auto* i = std::get_if<int64_t Settings::*>(&spec.field)) {
      EXPECT_GE(static_cast<double>(defaults.**i), spec.low) << spec.name;
      EXPECT_LE(static_cast<double>(defaults.**i), spec.high) << spec.name;
    }
  }
}

// docs/serve.schema.json is this, written out. After a change: KEDGE_WRITE_SCHEMA=1 with this test.
TEST_F(ServeSettings, TheSchemaIsInTheDocs) {
  const std::string path = std::string(KEDGE_SOURCE_DIR) + "/docs/serve.schema.json";
  const std::string wanted = settings_schema().dump(1) + "\n";
  if (std::getenv("KEDGE_WRITE_SCHEMA") != nullptr) std::ofstream(path, std::ios::binary) << wanted;
  std::ostringstream there;
  there << std::ifstream(path, std::ios::binary).rdbuf();
  EXPECT_EQ(there.str(), wanted);
}

}  // namespace
}  // namespace kedge::tools::serve
