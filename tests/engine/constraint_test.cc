// Constraints as clients give them: what comes before them, calls, budgets, errors, the cache; with real vocabularies.
#include "engine/grammar/constraint.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <thread>

#include "kernels/base/json.h"
#include "tests/engine/grammar_vocab.h"
#include "tests/tokenizer/gguf_vocab.h"

namespace kedge::engine::grammar {
namespace {

const ChatFormat* format(std::string_view name) {
  for (const ChatFormat* f : chat_formats()) {
    if (name == f->name) return f;
  }
  ADD_FAILURE() << name;
  return nullptr;
}

class ConstraintTest : public testing::Test {
 protected:
  std::unique_ptr<TokenFilter> filter(const std::string& spec, const ChatFormat* chat = nullptr) {
    constraints_ = std::make_unique<Constraints>(*tokenizer_, static_cast<size_t>(tokenizer_->size()), chat);
    auto constraint = constraints_->get(spec);
    EXPECT_TRUE(constraint.ok()) << spec << ": " << constraint.error().message;
    return constraint.ok() ? (*constraint)->filter() : nullptr;
  }

  // Whether each token of a text, by greedy spelling, is allowed in turn. What is not is named.
  std::string takes(TokenFilter& filter, const std::string& text, size_t left = 100000) {
    for (const int32_t id : tokens(text)) {
      const auto allowed = allowed_tokens(filter, static_cast<size_t>(tokenizer_->size()), left);
      if (!allowed[static_cast<size_t>(id)]) return std::string(tokenizer_->piece(id));
      if (!filter.accept(id).ok()) return "not accepted: " + std::string(tokenizer_->piece(id));
    }
    return "";
  }

  std::vector<int32_t> tokens(const std::string& text) {
    auto ids = tokenizer_->encode(text, {.add_special = false, .parse_special = true});
    EXPECT_TRUE(ids.ok());
    return *ids;
  }

  bool allows(TokenFilter& filter, const std::string& token, size_t left = 100000) {
    const auto ids = tokens(token);
    EXPECT_EQ(ids.size(), 1u) << token;
    return allowed_tokens(filter, static_cast<size_t>(tokenizer_->size()), left)[static_cast<size_t>(ids[0])];
  }

  std::unique_ptr<Tokenizer> tokenizer_ =
      make_tokenizer(bytes_and({"{\"", "\":", "name", "hello", " \"", "ab", "<to", "ol_call>x", "\n\n", "k>\n{"}),
                     {"<tool_call>", "</tool_call>", "<think>", "</think>", "<|other|>"});
  std::unique_ptr<Constraints> constraints_;
};

TEST_F(ConstraintTest, EachKind) {
  EXPECT_EQ(takes(*filter(R"({"regex": "[0-9]+"})"), "123"), "");
  EXPECT_EQ(takes(*filter(R"({"regex": "[0-9]+"})"), "12a"), "a");
  EXPECT_EQ(takes(*filter(R"({"grammar": "root ::= \"x\" \"y\""})"), "xz"), "z");
  EXPECT_EQ(takes(*filter(R"({"choice": ["yes", "no"]})"), "yes"), "");
  EXPECT_EQ(takes(*filter(R"({"choice": ["yes", "no"]})"), "yen"), "n");
  EXPECT_EQ(takes(*filter(R"({"json_object": true})"), R"({"name": [1, {"b": null}]})"), "");
  EXPECT_EQ(takes(*filter(R"({"json_object": true})"), "["), "[");
  const std::string schema = R"({"json_schema": {"type": "object", "properties": {"name": {"type": "string"}},
                                "required": ["name"], "additionalProperties": false}})";
  EXPECT_EQ(takes(*filter(schema), R"({"name": "ab"})"), "");
  EXPECT_EQ(takes(*filter(schema), R"({"name": 1})"), "1");
  const auto none = filter(R"({"max_spaces": 0, "json_object": true})");
  EXPECT_EQ(takes(*none, R"({"name": 1})"), " ");
}

TEST_F(ConstraintTest, WhatIsWrong) {
  Constraints constraints(*tokenizer_, static_cast<size_t>(tokenizer_->size()), nullptr);
  const auto error = [&](const std::string& spec, ErrorCode code, const std::string& message) {
    const auto made = constraints.get(spec);
    ASSERT_FALSE(made.ok()) << spec;
    EXPECT_EQ(made.error().code, code) << spec << ": " << made.error().message;
    EXPECT_NE(made.error().message.find(message), std::string::npos) << spec << ": " << made.error().message;
  };
  error("[]", ErrorCode::kInvalidArgument, "constraint");
  error("{}", ErrorCode::kInvalidArgument, "one of json_schema");
  error(R"({"regex": "a", "choice": ["b"]})", ErrorCode::kInvalidArgument, "beside");
  error(R"({"regex": "a", "chat": {}})", ErrorCode::kInvalidArgument, "beside");
  error(R"({"regex": "a", "colour": 1})", ErrorCode::kInvalidArgument, "colour");
  error(R"({"regex": "("})", ErrorCode::kInvalidArgument, "/regex: regular expression, offset 0");
  error(R"({"regex": "\\b"})", ErrorCode::kUnsupported, "word boundary");
  error(R"({"grammar": "x"})", ErrorCode::kInvalidArgument, "/grammar: grammar, line 1");
  error(R"({"choice": []})", ErrorCode::kInvalidArgument, "choice");
  error(R"({"json_object": false})", ErrorCode::kInvalidArgument, "json_object");
  error(R"({"json_schema": {"type": "object", "minimumm": 1}})", ErrorCode::kUnsupported, "/json_schema/minimumm");
  error(R"({"chat": {}})", ErrorCode::kUnsupported, "/chat");
  error(R"({"reasoning": {"begin": "a"}, "regex": "b"})", ErrorCode::kInvalidArgument, "end");
  error(R"({"regex": "a", "max_spaces": -1})", ErrorCode::kInvalidArgument, "max_spaces");
}

TEST_F(ConstraintTest, BehindATextAndFromATriggerOn) {
  const auto after = filter(R"({"after": ["</think>", "DONE"], "regex": "[0-9]+"})");
  EXPECT_FALSE(after->may_end());
  EXPECT_FALSE(allows(*after, "<end>"));
  EXPECT_TRUE(allows(*after, "<|other|>"));
  EXPECT_EQ(takes(*after, "hello<|other|>DON</think>"), "");
  EXPECT_FALSE(allows(*after, "a"));
  EXPECT_EQ(takes(*after, "12"), "");
  EXPECT_TRUE(after->may_end());
  EXPECT_TRUE(allows(*after, "<end>"));

  const auto spelled = filter(R"({"after": ["</think>", "DONE"], "regex": "[0-9]+"})");
  EXPECT_EQ(takes(*spelled, "DOD"), "");
  EXPECT_EQ(takes(*spelled, "ONE"), "");
  EXPECT_FALSE(allows(*spelled, "E"));
  EXPECT_TRUE(allows(*spelled, "7"));

  const auto triggered = filter(R"({"triggers": ["<tool_call>"], "grammar": "root ::= \"<tool_call>\" [0-9]"})");
  EXPECT_TRUE(allows(*triggered, "<end>"));
  EXPECT_EQ(takes(*triggered, "hello<too"), "");
  // A token that would go on behind the trigger as the grammar does not is refused before it is chosen.
  ASSERT_TRUE(triggered->accept(tokens("<to")[0]).ok());
  EXPECT_FALSE(allows(*triggered, "ol_call>x"));
  EXPECT_TRUE(triggered->may_end());
  for (const char c : std::string("ol_call>")) ASSERT_TRUE(triggered->accept(tokens(std::string(1, c))[0]).ok());
  EXPECT_FALSE(triggered->may_end());
  EXPECT_FALSE(allows(*triggered, "a"));
  EXPECT_EQ(takes(*triggered, "4"), "");
  EXPECT_TRUE(triggered->over());
}

TEST_F(ConstraintTest, ReasoningMayComeFirstAndIsClosedInTime) {
  const std::string spec = R"({"choice": ["{ok}"], "reasoning": {"begin": "<think>", "end": "</think>", "budget": 3}})";
  const auto without = filter(spec);
  EXPECT_EQ(takes(*without, "{ok}"), "");
  EXPECT_TRUE(without->over());

  const auto within = filter(spec);
  EXPECT_EQ(takes(*within, "\n<think>hello ab"), "");
  // Three tokens are used: nothing but the closing text is left, as its own token.
  const auto allowed = allowed_tokens(*within, static_cast<size_t>(tokenizer_->size()), 1000);
  EXPECT_EQ(std::count(allowed.begin(), allowed.end(), true), 1);
  EXPECT_TRUE(allows(*within, "</think>"));
  EXPECT_EQ(takes(*within, "</think>\n\n{ok}"), "");
  EXPECT_TRUE(within->over());

  // What the model began to write of the closing text is gone on with.
  const auto begun = filter(spec);
  EXPECT_EQ(takes(*begun, "<think>a</"), "");
  EXPECT_TRUE(allows(*begun, "t"));
  EXPECT_FALSE(allows(*begun, "</think>"));

  const auto open = filter(R"({"choice": ["x"], "reasoning": {"end": "</think>", "open": true}})");
  EXPECT_FALSE(open->may_end());
  EXPECT_EQ(takes(*open, "hello</think>x"), "");
  EXPECT_TRUE(open->over());

  // Near the end of the tokens reasoning gives way to the rest.
  const auto late = filter(R"({"choice": ["abab"], "reasoning": {"end": "</think>", "open": true}})");
  EXPECT_TRUE(allows(*late, "hello", 11));
  EXPECT_FALSE(allows(*late, "hello", 10));
  EXPECT_TRUE(allows(*late, "</think>", 10));
}

TEST_F(ConstraintTest, ToolCalls) {
  const std::string tools =
      R"("tools": [{"type": "function", "function": {"name": "name", "parameters": {"type": "object",
      "properties": {"ab": {"type": "integer"}}, "required": ["ab"], "additionalProperties": false}}}])";
  const std::string call = "<tool_call>\n{\"name\": \"name\", \"arguments\": {\"ab\": 12}}\n</tool_call>";
  const auto free = filter("{\"chat\": {" + tools + "}}", format("hermes"));
  EXPECT_TRUE(free->may_end());
  EXPECT_EQ(takes(*free, "hello" + call), "");
  EXPECT_TRUE(free->may_end());
  const auto wrong = filter("{\"chat\": {" + tools + "}}", format("hermes"));
  EXPECT_EQ(takes(*wrong, "<tool_call>\n{\"name\": \"hello"), "hello");
  const auto required = filter("{\"chat\": {" + tools + R"(, "tool_choice": "required"}})", format("hermes"));
  EXPECT_FALSE(required->may_end());
  EXPECT_FALSE(allows(*required, "hello"));
  EXPECT_EQ(takes(*required, "<think>hello</think>\n" + call), "");
  const auto either = filter("{\"chat\": {" + tools + R"(}, "response": {"choice": ["hello"]}})", format("hermes"));
  EXPECT_EQ(takes(*either, "hello"), "");
  const auto none = filter("{\"chat\": {" + tools + R"(, "tool_choice": "none"}})", format("hermes"));
  EXPECT_EQ(takes(*none, "<tool_call>hello"), "");
  Constraints constraints(*tokenizer_, static_cast<size_t>(tokenizer_->size()), format("hermes"));
  const auto bad = constraints.get(R"({"chat": {"tool_choice": "required", "tools": [{"type": "function", "function":
      {"name": "f", "parameters": {"type": "object", "propertees": {}}}}]}})");
  ASSERT_FALSE(bad.ok());
  EXPECT_NE(bad.error().message.find("/chat/tools/0/function/parameters"), std::string::npos) << bad.error().message;
}

TEST_F(ConstraintTest, AreCompiledOnce) {
  Constraints constraints(*tokenizer_, static_cast<size_t>(tokenizer_->size()), nullptr);
  std::vector<std::shared_ptr<const Constraint>> got(8);
  std::vector<std::thread> threads;
  for (auto& constraint : got) {
    threads.emplace_back([&] { constraint = *constraints.get(R"({"json_object": true})"); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& constraint : got) EXPECT_EQ(constraint, got[0]);
  EXPECT_NE(*constraints.get(R"({"json_object":true})"), nullptr);
}

// Random walks under a schema with vocabularies as models have them: what comes is JSON, within the tokens given.
class RealVocabulary : public testing::TestWithParam<const char*> {};

TEST_P(RealVocabulary, RandomAnswersAreWholeAndInTime) {
  auto tokenizer = Tokenizer::make(load_vocab(GetParam()));
  ASSERT_TRUE(tokenizer.ok());
  const auto n_vocab = static_cast<size_t>((*tokenizer)->size());
  Constraints constraints(**tokenizer, n_vocab + 3, nullptr);
  const auto constraint = constraints.get(R"({"json_schema": {"type": "object", "properties": {
      "title": {"type": "string"}, "tags": {"type": "array", "items": {"enum": ["caf\u00e9", "tea"]}},
      "size": {"type": "number"}}, "required": ["title", "tags", "size"], "additionalProperties": false}})");
  ASSERT_TRUE(constraint.ok()) << constraint.error().message;
  std::mt19937 random(7);
  size_t n_forced = 0;
  for (int run = 0; run < 30; ++run) {
    const auto filter = (*constraint)->filter();
    std::string text;
    for (size_t left = 40; left > 0 && !filter->over(); --left) {
      int32_t token = -1;
      if (filter->forced({&token, 1}, left) == 1) {
        ++n_forced;
      } else {
        const auto allowed = allowed_tokens(*filter, n_vocab + 3, left);
        std::vector<int32_t> some;
        for (size_t id = 0; id < allowed.size(); ++id) {
          if (allowed[id]) some.push_back(static_cast<int32_t>(id));
        }
        ASSERT_FALSE(some.empty()) << text;
        token = some[random() % some.size()];
      }
      ASSERT_TRUE(filter->accept(token).ok()) << text << " + " << (*tokenizer)->piece(token);
      if (!(*tokenizer)->is_eog(token)) text += (*tokenizer)->piece(token);
    }
    ASSERT_TRUE(filter->may_end()) << text;
    const auto json = base::parse_json(text, "answer");
    ASSERT_TRUE(json.ok()) << text << ": " << json.error().message;
    EXPECT_EQ(json->size(), 3u) << text;
  }
  EXPECT_GT(n_forced, 30u);
}

INSTANTIATE_TEST_SUITE_P(Vocabularies, RealVocabulary,
                         testing::Values("gpt-2", "llama-spm", "phi-3", "deepseek-coder"));

}  // namespace
}  // namespace kedge::engine::grammar
