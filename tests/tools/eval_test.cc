// kedge eval recall, as a user calls it.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/tools/run_command.h"

namespace kedge::tools {
namespace {

using Json = nlohmann::json;

const std::string kSample = std::string(KEDGE_TEST_DATA) + "/eval/recall-sample.jsonl";
const std::string kScout = std::string(KEDGE_SOURCE_DIR) + "/models/scout-q8_0.gguf";

std::vector<std::string> recall_command(const std::vector<std::string>& more) {
  std::vector<std::string> args = {"eval", "recall", "-m", kScout, "--data", kSample};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

Json run_recall(const std::vector<std::string>& more) {
  const Outcome o = run_command(recall_command(more));
  EXPECT_EQ(o.exit_code, 0) << o.err;
  const Json json = o.json();
  EXPECT_FALSE(json.is_discarded()) << o.out;
  return json;
}

const Json* find_cell(const Json& json, const std::string& policy, const std::string& rows, const Json& length) {
  for (const Json& cell : json.at("cells")) {
    if (cell.at("policy") == policy && cell.at("rows") == rows && cell.at("length") == length) return &cell;
  }
  return nullptr;
}

TEST(EvalRecall, FullAndAnchorAtAQuarter) {
  const Json json = run_recall({"--kv-policy", "full,anchor", "--kv-budget", "25", "--json", "-j", "2"});
  EXPECT_EQ(json.at("outcomes"), 4);
  for (const Json& cell : json.at("cells")) {
    for (const char* key : {"policy", "budget", "marks", "cold", "rows", "length", "n", "values", "sources", "ci_low",
                            "ci_high", "hot_bytes", "cold_bytes", "evicted", "recalled", "detached", "seconds"}) {
      EXPECT_TRUE(cell.contains(key)) << key;
    }
    EXPECT_EQ(cell.at("errors"), 0);
    EXPECT_LE(cell.at("ci_low").get<double>(), cell.at("values").get<double>());
  }
  const Json* full = find_cell(json, "full", "all", "all");
  ASSERT_NE(full, nullptr);
  EXPECT_EQ(full->at("n"), 2);
  EXPECT_EQ(full->at("budget"), 100);
  EXPECT_EQ(full->at("values"), 1) << "the model reads all values from a memory that holds everything";
  EXPECT_EQ(full->at("evicted"), 0);
  const Json* anchor = find_cell(json, "anchor", "all", 1024);
  ASSERT_NE(anchor, nullptr);
  EXPECT_EQ(anchor->at("n"), 2);
  EXPECT_EQ(anchor->at("budget"), 25);
  EXPECT_EQ(anchor->at("marks"), "spans");
  EXPECT_GT(anchor->at("evicted").get<double>(), 0);
  EXPECT_LT(anchor->at("hot_bytes").get<double>(), full->at("hot_bytes").get<double>());
}

TEST(EvalHonesty, WhatTheMemorySaysAboutWhatItLost) {
  const std::string cases = std::string(KEDGE_TEST_DATA) + "/cases/references/";
  std::vector<std::string> args = {"eval",        "honesty",
                                   "-m",          kScout,
                                   "--data",      cases + "mentions.jsonl",
                                   "--flood",     cases + "flood.txt",
                                   "--kv-policy", "recency,anchor",
                                   "--kv-budget", "96",
                                   "--limit",     "9"};
  args.push_back("--json");
  const Outcome o = run_command(args);
  ASSERT_EQ(o.exit_code, 0) << o.err;
  const Json all = o.json();
  ASSERT_EQ(all.size(), 3u) << "recency, and anchor with and without a cold tier";
  for (const Json& figures : all) {
    EXPECT_EQ(figures.at("references"), figures.at("policy") == "anchor" ? "on" : "off");
    EXPECT_EQ(figures.at("gone_counted").at("share"), 1) << figures;
    EXPECT_LT(figures.at("gone_counted").at("ci_low"), 1) << "of few cases";
    if (figures.at("policy") == "recency") continue;
    EXPECT_GE(figures.at("named_and_gone").at("n"), 7) << "and those of which heads drop a part at once";
    EXPECT_EQ(figures.at("named_and_gone").at("share"), 1) << figures;
    EXPECT_EQ(figures.at("false_alarms").at("share"), 0) << figures;
  }
  args = {"eval", "honesty", "-m", kScout, "--data", cases + "flood.txt", "--flood", cases + "flood.txt"};
  const Outcome wrong = run_command(args);
  EXPECT_EQ(wrong.exit_code, 1);
  EXPECT_NE(wrong.err.find("flood.txt:1: needs \"name\""), std::string::npos) << wrong.err;
}

TEST(EvalRecall, GoesOnWhereItStopped) {
  const std::string rows = scratch("rows.jsonl");
  std::filesystem::remove(rows);
  const std::vector<std::string> args = {"--kv-policy", "full", "--json", "--rows-out", rows};
  const Json first = run_recall(args);
  const std::string kept = slurp(rows);
  // The last line was being written when the power went.
  std::ofstream(rows, std::ios::binary) << kept.substr(0, kept.size() - 20);
  const Json again = run_recall(args);
  EXPECT_EQ(again.at("outcomes"), 2);
  EXPECT_EQ(again.at("cells").size(), first.at("cells").size());
  EXPECT_EQ(again.at("cells").at(0).at("values"), first.at("cells").at(0).at("values"));
  const std::string whole = slurp(rows);
  EXPECT_EQ(std::count(whole.begin(), whole.end(), '\n'), 3);
  run_recall(args);
  EXPECT_EQ(slurp(rows), whole) << "nothing was left to do";
  const Outcome other = run_command(recall_command({"--kv-policy", "full", "--kv-type", "f32", "--rows-out", rows}));
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_NE(other.err.find(rows + ":1: measured with"), std::string::npos) << other.err;
}

TEST(EvalRecall, Pictures) {
  const std::string pages = scratch("pages.svg");
  const std::string plot = scratch("plot.svg");
  const Outcome o = run_command(recall_command({"--kv-policy", "full,anchor", "--kv-budget", "25", "--limit", "1",
                                                "--pages", pages, "--row", "recall-public-1024-007", "--plot", plot}));
  EXPECT_EQ(o.exit_code, 0) << o.err;
  EXPECT_NE(o.out.find("anchor, spans"), std::string::npos) << o.out;
  for (const std::string& file : {pages, plot}) {
    const std::string svg = slurp(file);
    EXPECT_EQ(svg.rfind("<svg ", 0), 0u) << file;
    EXPECT_NE(svg.find("</svg>"), std::string::npos) << file;
    EXPECT_EQ(svg.find("nan"), std::string::npos) << file;
    EXPECT_NE(svg.find("anchor, spans"), std::string::npos) << file;
  }
  EXPECT_NE(slurp(pages).find("asked: do_copy_weight"), std::string::npos);
}

void expect_refused(const std::vector<std::string>& args, int code, const std::vector<std::string>& words) {
  const Outcome o = run_command(args);
  EXPECT_EQ(o.exit_code, code) << o.err;
  EXPECT_EQ(o.out, "");
  for (const std::string& word : words) EXPECT_NE(o.err.find(word), std::string::npos) << word << " in: " << o.err;
}

TEST(EvalRecall, WrongUses) {
  expect_refused({"eval"}, 2, {"kedge eval --help"});
  expect_refused({"eval", "recall"}, 2, {"--data", "kedge eval recall --help"});
  expect_refused(recall_command({"--kv-policy", "full,lucky"}), 2, {"--kv-policy", "lucky", "snapkv"});
  expect_refused(recall_command({"--kv-budget", "0"}), 2, {"--kv-budget"});
  expect_refused(recall_command({"--marks", "guess"}), 2, {"--marks", "guess"});
  expect_refused(recall_command({"--false-pins", "1"}), 2, {"--false-pins"});
  expect_refused(recall_command({"--limit", "0", "--pages", scratch("p.svg"), "--row", "none-such"}), 1,
                 {kSample, "none-such"});
}

TEST(EvalRecall, DataThatIsNone) {
  const auto with = [](const std::string& file) {
    return std::vector<std::string>{"eval", "recall", "-m", kScout, "--data", file};
  };
  expect_refused(with("/nonexistent/recall.jsonl"), 1, {"/nonexistent/recall.jsonl"});
  expect_refused(with(write_scratch("none.jsonl", "\n")), 1, {"none.jsonl", "no rows"});
  const std::string good = slurp(kSample).substr(0, slurp(kSample).find('\n') + 1);
  expect_refused(with(write_scratch("text.jsonl", good + "{\"id\": \n")), 1, {"text.jsonl:2: not JSON"});
  expect_refused(with(write_scratch("twice.jsonl", good + good)), 1, {"twice.jsonl:2", "twice"});
  const Json row = Json::parse(good);
  const auto changed = [&](const char* name, const Json& value) {
    Json copy = row;
    value.is_null() ? copy.erase(name) : (copy[name] = value, 1u);
    return with(write_scratch("changed.jsonl", "\n" + copy.dump() + "\n"));
  };
  expect_refused(changed("spans", nullptr), 1, {"changed.jsonl:2", "spans"});
  expect_refused(changed("spans", Json::array()), 1, {"changed.jsonl:2", "spans"});
  expect_refused(changed("spans", {{{"start", 5}, {"end", 5}}}), 1, {"changed.jsonl:2", "5"});
  expect_refused(changed("spans", {{{"start", 5}, {"end", 100000}}}), 1, {"changed.jsonl:2", "100000"});
  expect_refused(changed("values", nullptr), 1, {"changed.jsonl:2", "values"});
  expect_refused(changed("messages", Json::array()), 1, {"changed.jsonl:2", "messages"});
}

// Without the times, which are nobody's result.
Json figures(const std::vector<std::string>& args) {
  const Outcome o = run_command(args);
  EXPECT_EQ(o.exit_code, 0) << o.err;
  Json json = o.json();
  EXPECT_FALSE(json.is_discarded()) << o.out;
  if (json.is_object()) json.erase("seconds");
  if (json.is_object() && json.contains("cells")) {
    for (Json& cell : json["cells"]) cell.erase("seconds");
  }
  return json;
}

void expect_same_figures(const std::vector<std::string>& args, const std::string& flag) {
  const auto at_once = [&](const std::string& n) {
    std::vector<std::string> all = args;
    all.insert(all.end(), {flag, n});
    return figures(all);
  };
  const Json one = at_once("1");
  EXPECT_EQ(at_once("2"), one);
  EXPECT_EQ(at_once("7"), one);
}

TEST(EvalBatched, FiguresDoNotDependOnHowManyRunAtOnce) {
  expect_same_figures(recall_command({"--kv-policy", "full,anchor,h2o", "--kv-budget", "25", "--json"}), "-j");
  const std::string cases = std::string(KEDGE_TEST_DATA) + "/cases/references/";
  expect_same_figures({"eval", "honesty", "-m", kScout, "--data", cases + "variants.jsonl", "--flood",
                       cases + "flood.txt", "--kv-policy", "anchor", "--kv-budget", "96", "--limit", "3", "--json"},
                      "-j");
  std::string words;
  for (int i = 0; i < 60; ++i) words += "Once there were " + std::to_string(i) + " of them. ";
  const std::string text = write_scratch("words.txt", words);
  const std::vector<std::string> perplexity = {"perplexity", "-m", kScout, "-f", text, "--ctx", "48", "--json"};
  expect_same_figures(perplexity, "--parallel");
  std::vector<std::string> bounded = perplexity;
  bounded.insert(bounded.end(), {"--kv-budget", "32", "--kv-policy", "sinks"});
  expect_same_figures(bounded, "--parallel");
}

}  // namespace
}  // namespace kedge::tools
