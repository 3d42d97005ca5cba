// A session's memory through the public interface: files, refusals, and answers that agree with each other.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "kedge/kedge.hpp"

namespace kedge::engine {
namespace {

using Json = nlohmann::json;

const std::string kModel = KEDGE_TEST_DATA "/golden/quant-llama/model-Q8_0.gguf";
const std::string kOther = KEDGE_TEST_DATA "/golden/quant-llama/model-Q4_0.gguf";
const std::string kScout = KEDGE_SOURCE_DIR "/models/scout-q8_0.gguf";

std::string path_of(const std::string& name) {
  return testing::TempDir() + "kedge-session-" + std::to_string(::getpid()) + "-" + name;
}

kedge::Model open(const std::string& path = kModel) {
  auto m = kedge::Model::open(path);
  EXPECT_TRUE(m.ok()) << m.error().message;
  return *std::move(m);
}
kedge::Session session(const kedge::Model& model, const std::string& kv) {
  auto s = kedge::Session::create(model, {.n_ctx = 600, .n_threads = 1, .kv = kv});
  EXPECT_TRUE(s.ok()) << s.error().message;
  return *std::move(s);
}
std::vector<int32_t> tokens(int n, int seed = 1) {
  std::vector<int32_t> t;
  for (int i = 0; i < n; ++i) t.push_back((i * 37 + i * i * seed) % 256 + 3);
  return t;
}
Json parsed(const kedge::Result<std::string>& text) {
  EXPECT_TRUE(text.ok()) << (text.ok() ? "" : text.error().message);
  return text.ok() ? Json::parse(*text) : Json();
}
std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

TEST(SessionKv, OptionsThatAreWrongAreNamed) {
  const kedge::Model model = open();
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"budgte": 64})", "unknown KV option 'budgte'"},
      {R"({"budget": 8})", "the smallest is 32"},
      {R"({"budget": -64})", "budget is -64"},
      {R"({"budget": "many"})", "budget is \"many\""},
      {R"({"budget": 64.5})", "budget is 64.5"},
      {R"({"budget": "101%"})", "budget"},
      {R"({"policy": "best"})", "unknown policy 'best'; known are anchor, anchor-basic, full"},
      {R"({"policy": 3})", "policy is 3"},
      {R"({"sinks": -1})", "sinks is -1"},
      {R"({"recent": -1})", "recent is -1"},
      {R"({"recent": "a lot"})", "recent is \"a lot\""},
      {R"({"anchor_threshold": 1.5})", "anchor_threshold is 1.5"},
      {R"({"anchor_cap": -0.1})", "anchor_cap is -0.1"},
      {R"({"anchor_margin": 0.5})", "anchor_margin is 0.5"},
      {R"({"anchor_detect": 1})", "anchor_detect is 1"},
      {R"({"cold": "disk"})", "cold is \"disk\""},
      {R"({"cold": "file:"})", "cold is \"file:\""},
      {R"({"budget": 64, "cold": "ram", "cold_budget": 10})", "less than two blocks"},
      {R"({"cold_type": "f64"})", "cold_type is \"f64\""},
      {R"({"recall_threshold": 2})", "recall_threshold is 2"},
      {R"({"forks": 0})", "forks is 0"},
      {R"({"log": -1})", "log is -1"},
      {R"({"seed": -1})", "seed is -1"},
      {R"({"budget": 64, "cold": "file:/nowhere/at/all"})", "/nowhere/at/all"},
      {R"([])", "not a JSON object"},
      {R"({"budget")", "KV options"},
  };
  for (const auto& [json, message] : cases) {
    const auto s = kedge::Session::create(model, {.n_ctx = 600, .n_threads = 1, .kv = json});
    ASSERT_FALSE(s.ok()) << json;
    EXPECT_NE(std::string::npos, s.error().message.find(message)) << json << ": " << s.error().message;
  }
}

TEST(SessionKv, SegmentsThatAreWrongAreNamed) {
  const kedge::Model model = open();
  kedge::Session s = session(model, R"({"budget": 64})");
  const std::string good = R"({"range": [0, 4]})";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"range": [0, 4]})", "segments is not a JSON array"},
      {R"([3])", "segments[0] is not an object"},
      {"[" + good + R"(, {"kind": "user"}])", "segments[1].range is not"},
      {R"([{"range": [1]}])", "segments[0].range"},
      {R"([{"range": [1.5, 3]}])", "segments[0].range"},
      {R"([{"range": [-1, 3]}])", "segments[0].range"},
      {R"([{"range": [3, 3]}])", "segments[0].range"},
      {R"([{"range": [0, 601]}])", "outside the context of 600"},
      {R"([{"range": [0, 4294967300]}])", "segments[0].range"},
      {R"([{"range": [0, 4], "kind": "letter"}])", "segments[0].kind is \"letter\""},
      {R"([{"range": [0, 4], "source_id": 7}])", "segments[0].source_id is 7"},
      {R"([{"range": [0, 4], "priority": 100}])", "segments[0].priority is 100"},
      {R"([{"range": [0, 4], "priority": "high"}])", "segments[0].priority"},
      {R"([{"range": [0, 4], "ttl": -1}])", "segments[0].ttl is -1"},
      {R"([{"range": [0, 4], "trust": 1.01}])", "segments[0].trust is 1.01"},
      {R"([{"range": [0, 4], "pin": "firm"}])", "segments[0].pin is \"firm\""},
      {R"([{"range": [0, 4], "colour": "red"}])", "unknown member 'colour'"},
  };
  for (const auto& [json, message] : cases) {
    const auto r = s.add_segments(json);
    ASSERT_FALSE(r.ok()) << json;
    EXPECT_NE(std::string::npos, r.error().message.find(message)) << json << ": " << r.error().message;
  }
  EXPECT_EQ(0, parsed(s.kv())["anchors"]) << "nothing of it was taken";
  const auto r = parsed(s.add_segments(R"([{"range": [0, 4], "pin": "hard"}, {"range": [8, 60], "pin": "hard"}])"));
  EXPECT_EQ(1, r["accepted"]);
  ASSERT_EQ(1u, r["refused"].size());
  EXPECT_EQ((Json{8, 60}), r["refused"][0]["range"]);
  for (const std::string what : {R"({})", R"([1])", R"({"range": [0, 1], "text": "x"})", R"({"text": 3})",
                                 R"({"range": [5, 2]})", R"({"range": [0, 9]})"}) {
    EXPECT_FALSE(s.recall(what).ok()) << what;
  }
}

TEST(SessionKv, CountsAgree) {
  const kedge::Model model = open();
  for (const std::string cold : {"off", "ram"}) {
    kedge::Session s = session(model, R"({"budget": 64, "policy": "recency", "cold": ")" + cold + "\"}");
    ASSERT_TRUE(s.eval(tokens(300)).ok());
    if (cold == "ram") {
      EXPECT_EQ((Json{{"recalled", 10}, {"missing", 0}}), parsed(s.recall(R"({"range": [10, 20]})")));
    } else {
      EXPECT_EQ((Json{{"recalled", 0}, {"missing", 10}}), parsed(s.recall(R"({"range": [10, 20]})")));
    }
    const Json kv = parsed(s.kv());
    EXPECT_EQ(64, kv["budget"]);
    EXPECT_EQ(300, kv["n_past"]);
    EXPECT_EQ(300, kv["hot"].get<int>() + kv["evicted"].get<int>() - kv["recalled"].get<int>());
    EXPECT_EQ(cold == "ram" ? kv["evicted"].get<int>() : 0, kv["demoted"]);
    std::map<std::string, int> by_state;
    for (const Json& run : kv["tokens"]) by_state[run["state"]] += run["last"].get<int>() - run["first"].get<int>();
    EXPECT_EQ(kv["hot"],
              by_state["sink"] + by_state["pinned"] + by_state["recent"] + by_state["kept"] + by_state["recalled"]);
    EXPECT_EQ(300 - kv["hot"].get<int>(), by_state["demoted"] + by_state["lost"]);
    EXPECT_EQ(0, by_state[cold == "ram" ? "lost" : "demoted"]);
    const auto before = kv;
    auto g = s.generate(tokens(80, 3), {.max_tokens = 4, .ignore_eos = true});
    ASSERT_TRUE(g.ok()) << g.error().message;
    const Json answer = Json::parse(g->kv());
    const Json after = parsed(s.kv());
    for (const char* key : {"evicted", "demoted", "recalled"}) {
      EXPECT_EQ(after[key].get<int>() - before[key].get<int>(), answer[key].get<int>()) << key;
    }
    EXPECT_EQ(after["hot"], answer["hot"]);
  }
}

constexpr const char* kStatement = "The price of parcel DOC-83FA21 is 376 crowns.\n";

TEST(SessionKv, AReferenceThatIsGoneIsSaid) {
  const kedge::Model model = open(kScout);
  for (const std::string cold : {"off", "ram"}) {
    kedge::Session s = session(model, R"({"budget": 64, "anchor_cap": 0, "cold": ")" + cold + "\"}");
    std::string text = "It rained on the old town.\n";
    text += kStatement;
    for (int i = 0; i < 25; ++i) text += "It rained on the old town for a day.\n";
    ASSERT_TRUE(s.eval(*model.tokenize(text, true, false)).ok());
    EXPECT_EQ(0, parsed(s.kv())["detached_total"]);
    auto g =
        s.generate(*model.tokenize(" What of DOC-83FA21 now?", false, false), {.max_tokens = 1, .ignore_eos = true});
    ASSERT_TRUE(g.ok()) << g.error().message;
    const Json answer = Json::parse(g->kv());
    if (cold == "off") {
      ASSERT_EQ(1u, answer["detached"].size()) << answer;
      EXPECT_EQ("DOC-83FA21", answer["detached"][0]["reference"]);
      EXPECT_EQ("lost", answer["detached"][0]["state"]);
      EXPECT_EQ(0, answer["recalled"]);
    } else {
      EXPECT_TRUE(answer["detached"].empty()) << answer;
      EXPECT_GT(answer["recalled"].get<int>(), 0);
    }
    EXPECT_EQ(answer["detached"].size(), parsed(s.kv())["detached_total"]);
  }
}

TEST(SessionFile, BrokenFilesAndOtherModelsAreRefused) {
  const kedge::Model model = open();
  const kedge::Model other = open(kOther);
  kedge::Session s = session(model, R"({"budget": 64, "cold": "ram"})");
  ASSERT_TRUE(s.eval(tokens(200)).ok());
  const std::string path = path_of("file");
  ASSERT_TRUE(s.save(path).ok());
  const auto wrong = kedge::Session::load(other, path, {});
  ASSERT_FALSE(wrong.ok());
  EXPECT_NE(std::string::npos, wrong.error().message.find("another model")) << wrong.error().message;
  const std::string good = read_file(path);
  for (size_t at = 0; at < good.size(); at += at < 200 ? 7 : good.size() / 60) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 4);
    write_file(path, bad);
    const auto r = kedge::Session::load(model, path, {});
    ASSERT_FALSE(r.ok()) << at;
    EXPECT_NE(std::string::npos, r.error().message.find(path)) << r.error().message;
    write_file(path, good.substr(0, at));
    EXPECT_FALSE(kedge::Session::load(model, path, {}).ok()) << at;
  }
  write_file(path, good + "more");
  EXPECT_FALSE(kedge::Session::load(model, path, {}).ok());
  write_file(path, good);
  auto loaded = kedge::Session::load(model, path, {.n_threads = 2, .chunk = 3});
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  Json before = parsed(s.kv());
  Json after = parsed(loaded->kv());
  for (Json* kv : {&before, &after}) kv->erase("metadata_bytes");  // of vectors, with their spare room
  EXPECT_EQ(before, after);
  ::unlink(path.c_str());
  const auto nowhere = s.save("/nowhere/at/all");
  ASSERT_FALSE(nowhere.ok());
  EXPECT_NE(std::string::npos, nowhere.error().message.find("/nowhere/at/all"));
}

}  // namespace
}  // namespace kedge::engine
