// The file of settings, variables and presets: what is taken before what, and what is wrong with them.
#include <gtest/gtest.h>

#include "tests/tools/run_command.h"

namespace kedge::tools {
namespace {

// The command with a file of settings.
class Config : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(scratch("config/kedge")); }
  void TearDown() override { std::filesystem::remove_all(scratch("config")); }

  static std::string path() { return scratch("config/kedge/kedge.toml"); }
  static void write(const std::string& text) { write_scratch("config/kedge/kedge.toml", text); }
  static Outcome run(const std::vector<std::string>& args, Environment environment = {}) {
    environment.emplace_back("XDG_CONFIG_HOME", scratch("config"));
    return run_command(args, "", environment);
  }
  // What a command makes of a setting: {value, from}.
  static std::pair<std::string, std::string> setting(const std::string& command, const std::string& name,
                                                     const Environment& environment = {},
                                                     const std::vector<std::string>& more = {}) {
    std::vector<std::string> args = {"config", "show", command, "--json"};
    args.insert(args.end(), more.begin(), more.end());
    const Outcome o = run(args, environment);
    EXPECT_EQ(o.exit_code, 0) << o.err;
    const auto json = o.json();
    for (const auto& s : json["settings"]) {
      if (s["name"] == name) return {s["value"].get<std::string>(), s["from"].get<std::string>()};
    }
    return {"?", "?"};
  }
  static void expect_refused(const std::string& text, const std::vector<std::string>& words) {
    write(text);
    const Outcome o = run({"tokenize", "-m", tiny_model(), "-p", "a"});
    EXPECT_EQ(o.exit_code, 2) << text << "\n" << o.out;
    EXPECT_EQ(o.err.rfind("kedge: " + path() + ":", 0), 0u) << o.err;
    for (const std::string& word : words) EXPECT_NE(o.err.find(word), std::string::npos) << word << " in " << o.err;
  }
};

using Pair = std::pair<std::string, std::string>;

TEST_F(Config, WithoutAFileEverythingIsAsItWas) {
  EXPECT_EQ(run({"config", "path"}).out, path() + "\n");
  EXPECT_EQ(run({"config", "check"}).exit_code, 0);
  EXPECT_EQ(setting("run", "temperature"), Pair("0.8", "default"));
  EXPECT_EQ(run({"tokenize", "-m", tiny_model(), "-p", "a"}).exit_code, 0);
}

TEST_F(Config, TheNearerIsTaken) {
  write(
      "ctx = 100\n"
      "temperature = 0.5\n"
      "preset = \"mine\"\n"
      "\n"
      "[run]\n"
      "ctx = 200\n"
      "[presets.mine]\n"
      "temperature = 0.4\n"
      "top_p = 0.7\n");
  EXPECT_EQ(setting("chat", "ctx"), Pair("100", path() + ":1"));
  EXPECT_EQ(setting("run", "ctx"), Pair("200", path() + ":6"));
  EXPECT_EQ(setting("run", "ctx", {{"KEDGE_CTX", "300"}}), Pair("300", "KEDGE_CTX"));
  EXPECT_EQ(setting("run", "ctx", {{"KEDGE_CTX", "300"}, {"KEDGE_RUN_CTX", "400"}}), Pair("400", "KEDGE_RUN_CTX"));
  EXPECT_EQ(setting("run", "temperature").first, "0.4") << "a preset goes before what the file says of all";
  EXPECT_EQ(setting("run", "top-p").first, "0.7");
  EXPECT_EQ(setting("run", "temperature", {{"KEDGE_TEMPERATURE", "0.9"}}), Pair("0.9", "KEDGE_TEMPERATURE"));
  EXPECT_EQ(setting("run", "temperature", {}, {"--preset", "precise"}), Pair("0", "preset precise"));
  EXPECT_EQ(setting("run", "temperature", {{"KEDGE_PRESET", "creative"}}).first, "1.1");
  EXPECT_EQ(run({"config", "check"}).exit_code, 0) << run({"config", "check"}).out;
}

// The values reach the command, and a flag is taken before all of them.
TEST_F(Config, ACommandObeys) {
  write("model = \"" + tiny_model() +
        "\"\nctx = 64\nthreads = 1\n[run]\nmax-tokens = 3\njson = true\ntemperature = 0\n");
  const auto said = run({"run", "-p", "x"}).json();
  EXPECT_EQ(said["model"], tiny_model());
  EXPECT_LE(said["n_generated"], 3);
  EXPECT_EQ(said["settings"]["settings"]["temperature"], 0.0) << said.dump();
  const auto flagged = run({"run", "-p", "x", "-n", "1", "--temp", "0.5"}, {{"KEDGE_RUN_MAX_TOKENS", "2"}}).json();
  EXPECT_EQ(flagged["n_generated"], 1);
  EXPECT_EQ(flagged["settings"]["settings"]["temperature"], 0.5);
  const auto variable = run({"run", "-p", "x", "--ignore-eos"}, {{"KEDGE_RUN_MAX_TOKENS", "2"}}).json();
  EXPECT_EQ(variable["n_generated"], 2);
  const auto preset = run({"run", "-p", "x", "--preset", "code"}).json();
  EXPECT_EQ(preset["settings"]["settings"]["temperature"], 0.2);
  EXPECT_EQ(preset["settings"]["settings"]["top_p"], 0.95);
}

TEST_F(Config, WhatIsWrongIsNamed) {
  expect_refused("ctx = 1\nctx = 2\n", {":2:"});
  expect_refused("ctx = \n", {":1:"});
  expect_refused("\ntemprature = 1\n", {":2:", "there is no setting 'temprature'", "perhaps 'temperature' is meant"});
  expect_refused("[chat]\nsytem = \"x\"\n", {":2:", "of 'kedge chat'", "perhaps 'system' is meant"});
  expect_refused("[chta]\nsystem = \"x\"\n", {":2:", "no command 'chta'", "perhaps 'chat' is meant"});
  expect_refused("system = \"x\"\n", {":1:", "it is one of ask, chat", "below [ask]"});
  expect_refused("ctx = {a = 1}\n", {":1:", "ctx-a"});
  expect_refused("model = 2020-01-01\n", {":1:", "model"});
  expect_refused("[presets.code]\ntop_p = 1\n", {":2:", "comes with kedge"});
  expect_refused("[convert]\nfolder = \"x\"\n", {":2:", "folder"});
}

TEST_F(Config, CheckFindsAllOfThem) {
  write("ctx = -5\ntop_p = 7\nwarmth = 1\n[presets.mine]\ntemperature = -1\n[chat]\nthinking = 3\nplain = true\n");
  const Outcome o = run({"config", "check"}, {{"KEDGE_CHUNK", "none"}, {"KEDGE_TEMPERATUR", "1"}});
  EXPECT_EQ(o.exit_code, 1);
  for (const char* word :
       {":3: there is no setting 'warmth'", ":1: ctx: -5 is not between", ":2: top-p: 7 is not between 0 and 1", "mine",
        "-1 is not between", ":7: thinking: '3' is neither true nor false", "KEDGE_CHUNK: 'none' is not a number",
        "note: KEDGE_TEMPERATUR: no variable of kedge's; perhaps 'KEDGE_TEMPERATURE' is meant"}) {
    EXPECT_NE(o.out.find(word), std::string::npos) << word << " in\n" << o.out;
  }
  // A command tells the first of those that are its own; names have to be right for all.
  write("ctx = -5\ntop_p = 7\n");
  EXPECT_EQ(run({"detokenize", "-m", tiny_model(), "--tokens", "1"}).exit_code, 0);
  const Outcome used = run({"run", "-m", tiny_model(), "-p", "x"});
  EXPECT_EQ(used.exit_code, 2);
  EXPECT_EQ(used.err.rfind("kedge: " + path() + ":", 0), 0u) << used.err;
  EXPECT_EQ(run({"run", "-m", tiny_model(), "-p", "x", "--top-p", "1", "-c", "64", "-n", "1"}).exit_code, 0);
}

// What cannot go with a flag that is given is left out; what cannot go together in one place is an error.
TEST_F(Config, WhatCannotGoWithAFlagGivesWay) {
  write("[chat]\nthinking = true\n");
  EXPECT_EQ(setting("chat", "thinking").first, "true");
  const Outcome other = run({"chat", "-m", tiny_model(), "--no-thinking", "-n", "1"});
  EXPECT_EQ(other.err.find("thinking"), std::string::npos) << other.err;
  write("[chat]\nthinking = true\nno-thinking = true\n");
  const Outcome both = run({"chat", "-m", tiny_model(), "-n", "1"});
  EXPECT_EQ(both.exit_code, 2);
  EXPECT_NE(both.err.find("cannot go with another setting"), std::string::npos) << both.err;
}

TEST_F(Config, PresetsThatAreNone) {
  const Outcome o = run({"run", "-m", tiny_model(), "-p", "x", "--preset", "precize"});
  EXPECT_EQ(o.exit_code, 2);
  for (const char* word : {"precize", "precise, creative, code", "perhaps 'precise' is meant"}) {
    EXPECT_NE(o.err.find(word), std::string::npos) << o.err;
  }
}

TEST_F(Config, ServeTakesItsFileFirst) {
  write("[serve]\nport = 9001\nhost = \"127.0.0.2\"\n[serve.limits]\nbody_bytes = 12345\n");
  const std::string file = write_scratch("serve.toml", "port = 9002\n");
  const Outcome o = run({"serve", "--print-config", "--config", file, "--host", "127.0.0.3"});
  ASSERT_EQ(o.exit_code, 0) << o.err;
  EXPECT_NE(o.out.find("port = 9002"), std::string::npos) << o.out;
  EXPECT_NE(o.out.find("127.0.0.3"), std::string::npos) << o.out;
  EXPECT_NE(o.out.find("body_bytes = 12345"), std::string::npos) << o.out;
  EXPECT_NE(o.out.find(path() + ":5"), std::string::npos) << "where it comes from: " << o.out;
}

}  // namespace
}  // namespace kedge::tools
