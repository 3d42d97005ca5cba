// --json-schema, --grammar, --regex and --choice: what answers obey, even those of random weights, and what is refused.
#include <gtest/gtest.h>

#include <regex>

#include "tests/tools/run_command.h"

namespace kedge::tools {
namespace {

using Json = nlohmann::json;
using Strings = std::vector<std::string>;

Strings run_with(const Strings& more) {
  Strings args = {"run", "-m", tiny_model(), "-p", "x", "-n", "60", "--temp", "2", "--json"};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

std::string text_of(const Strings& more, int seed) {
  Strings args = run_with(more);
  args.insert(args.end(), {"--seed", std::to_string(seed)});
  const Outcome o = run_command(args);
  EXPECT_EQ(o.exit_code, 0) << o.err;
  const Json json = o.json();
  EXPECT_FALSE(json["unfinished"].get<bool>());
  return json["text"];
}

constexpr const char* kSchema =
    R"({"type": "object", "properties": {"n": {"type": "integer", "minimum": 1, "maximum": 20},
        "s": {"type": "string", "maxLength": 3}, "k": {"enum": ["a", null]}}, "required": ["n", "k"], "additionalProperties": false})";

TEST(Constraint, JsonObeysItsSchemaWhateverTheModelSays) {
  const std::string file = write_scratch("schema.json", kSchema);
  for (int seed = 0; seed < 6; ++seed) {
    const std::string text = text_of({"--json-schema", seed % 2 == 0 ? file : std::string(kSchema)}, seed);
    const Json json = Json::parse(text, nullptr, false);
    ASSERT_TRUE(json.is_object()) << text;
    ASSERT_TRUE(json.contains("n") && json["n"].is_number_integer() && json.contains("k")) << text;
    EXPECT_GE(json["n"].get<int>(), 1);
    EXPECT_LE(json["n"].get<int>(), 20);
    EXPECT_TRUE(json["k"].is_null() || json["k"] == "a") << text;
    for (const auto& [key, value] : json.items()) EXPECT_TRUE(key == "n" || key == "s" || key == "k") << text;
  }
}

TEST(Constraint, OthersHoldForTheWholeAnswer) {
  const std::string grammar = write_scratch("list.gbnf", "root ::= item (\", \" item)?\nitem ::= [a-c] | \"dd\"\n");
  for (int seed = 0; seed < 4; ++seed) {
    const std::string choice = text_of({"--choice", "yes,no", "--choice", "perhaps"}, seed);
    EXPECT_TRUE(choice == "yes" || choice == "no" || choice == "perhaps") << choice;
    const std::string date = text_of({"--regex", "[0-9]{4}-[01][0-9]"}, seed);
    EXPECT_TRUE(std::regex_match(date, std::regex("[0-9]{4}-[01][0-9]"))) << date;
    const std::string list = text_of({"--grammar", grammar}, seed);
    EXPECT_TRUE(std::regex_match(list, std::regex("([a-c]|dd)(, ([a-c]|dd))?"))) << list;
  }
}

TEST(Constraint, WhatCannotBeIsRefused) {
  const auto refused = [](const Strings& more, int code, const std::string& words) {
    const Outcome o = run_command(run_with(more));
    EXPECT_EQ(o.exit_code, code) << o.err;
    EXPECT_EQ(o.out, "");
    EXPECT_NE(o.err.find(words), std::string::npos) << o.err;
  };
  refused({"--json-schema", R"({"items": {"minimun": 3}})"}, 1, "/json_schema/items/minimun");
  refused({"--json-schema", R"({"type": "integer", "minimum": 3, "maximum": 2})"}, 1, "/json_schema");
  refused({"--json-schema", "{"}, 1, "--json-schema");
  refused({"--json-schema", "/nonexistent/s.json"}, 1, "/nonexistent/s.json");
  refused({"--grammar", write_scratch("bad.gbnf", "root ::= item\n")}, 1, "item");
  refused({"--regex", "(a"}, 1, "regular expression");
  refused({"--choice", "a", "--regex", "a"}, 2, "--choice");
  refused({"--json-schema", R"({"type": "array", "minItems": 200})"}, 1, "60 are left");
}

}  // namespace
}  // namespace kedge::tools
