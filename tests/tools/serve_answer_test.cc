// An answer's text between the model and the sink: content, reasoning and calls apart, every token with what came of
// it.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "tests/router/template_model.h"
#include "tools/serve/answer_form.h"
#include "tools/serve/answer_reader.h"

namespace kedge::tools::serve {
namespace {

// Calls as the Hermes models write them, and reasoning.
constexpr const char* kTemplate =
    "{% for t in tools or [] %}<tool_call>{{ t | tojson }}{% endfor %}{% for m in messages %}{{ m.content }}<|end|>"
    "{% endfor %}{% if enable_thinking %}<think>\n{% endif %}{# </think> #}";

class HeardSink final : public Sink {
 public:
  explicit HeardSink(std::vector<std::string>& heard) : heard_(heard) {}
  bool started(const Started&) override { return true; }
  bool text(size_t, std::string_view text, std::span<const TokenInfo> tokens) override {
    return add("text", text, tokens);
  }
  bool reasoning(size_t, std::string_view text, std::span<const TokenInfo> tokens) override {
    return add("reasoning", text, tokens);
  }
  bool call(size_t, const ToolCall& call, std::span<const TokenInfo> tokens) override {
    ids_.insert(call.id);
    return add("call " + std::to_string(call.index), call.name, tokens);
  }
  bool arguments(size_t, std::string_view json, std::span<const TokenInfo> tokens) override {
    return add("arguments", json, tokens);
  }
  bool finished(size_t, const Finish&) override { return true; }
  void done(const Outcome&) override {}
  void failed(const ApiError&) override {}

  static inline std::set<std::string> ids_;

 private:
  // What goes on is put together: in how many pieces it comes is nobody's business.
  bool add(const std::string& kind, std::string_view text, std::span<const TokenInfo> tokens) {
    tokens_ += tokens.size();
    if (text.empty()) return true;  // tokens without a text of their own
    if (heard_.empty() || !heard_.back().starts_with(kind + ":") || kind.starts_with("call"))
      heard_.push_back(kind + ":");
    heard_.back() += text;
    return true;
  }
  std::vector<std::string>& heard_;

 public:
  static inline size_t tokens_ = 0;
};

class ServeAnswer : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    path_ = ::testing::TempDir() + "kedge-answer-" + std::to_string(getpid()) + ".gguf";
    router::write_with_template(std::string(KEDGE_SOURCE_DIR) + "/models/scout-q8_0.gguf", path_, kTemplate);
    auto model = kedge::Model::open(path_, {.vocab_only = true});
    ASSERT_TRUE(model.ok()) << model.error().message;
    model_ = std::make_unique<kedge::Model>(*std::move(model));
  }
  static void TearDownTestSuite() {
    model_.reset();
    std::filesystem::remove(path_);
  }
  void SetUp() override {
    ASSERT_NE(model_, nullptr);
    HeardSink::ids_.clear();
    HeardSink::tokens_ = 0;
  }

  static Job job(const char* tools, const char* choice = "auto") {
    Job job;
    Prompt prompt;
    prompt.messages = Json::parse(R"([{"role": "user", "content": "x"}])");
    prompt.chat_options = Json::object();
    job.form.tools = Json::parse(tools);
    for (size_t i = 0; i < job.form.tools.size(); ++i) {
      job.form.tool_paths.push_back("tools[" + std::to_string(i) + "].function.parameters");
    }
    job.form.tool_choice = choice;
    job.prompts.push_back(std::move(prompt));
    return job;
  }
  Answer<AnswerForm> form(const Job& job, const char* end_of_prompt = "x<|end|>") const {
    const auto prompt = model_->tokenize(end_of_prompt, false, true);
    EXPECT_TRUE(prompt.ok());
    return answer_form(job, job.prompts.front(), *model_, *prompt);
  }
  // What a sink hears of a text that comes `piece` bytes at a time, a token each.
  std::vector<std::string> heard(const AnswerForm& form, const std::string& text, size_t piece) {
    std::vector<std::string> all;
    Speaker out(std::make_unique<HeardSink>(all));
    auto reader = kedge::ChatReader::create(*model_, form.reader);
    EXPECT_TRUE(reader.ok()) << reader.error().message;
    AnswerReader answer(out, 0, *std::move(reader));
    for (size_t at = 0; at < text.size(); at += piece) {
      answer.token();
      answer.token(TokenInfo{.chosen = {.piece = "t", .token = 1, .logprob = -1}});
      EXPECT_TRUE(answer.text(std::string_view(text).substr(at, piece)));
    }
    EXPECT_TRUE(answer.end());
    calls_ = answer.calls();
    reasoning_ = answer.reasoning_tokens();
    broken_ = answer.broken().has_value();
    return all;
  }

  static inline std::string path_;
  static inline std::unique_ptr<kedge::Model> model_;
  size_t calls_ = 0;
  size_t reasoning_ = 0;
  bool broken_ = false;
};

constexpr const char* kTools = R"([{"type": "function", "function": {"name": "add", "parameters": {"type": "object",
    "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": false}}}])";

TEST_F(ServeAnswer, IsTakenApartInPiecesOfAnySize) {
  const auto f = form(job(kTools));
  ASSERT_TRUE(f.ok()) << f.error().message;
  const std::string text =
      "<think>hm, well</think>I add.<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1}}\n</tool_call>\n"
      "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 2}}\n</tool_call>";
  for (size_t piece = 1; piece <= text.size(); piece += piece < 12 ? 1 : 17) {
    SetUp();
    const auto all = heard(*f, text, piece);
    ASSERT_EQ(all.size(), 6u) << piece << ": " << Json(all);
    EXPECT_EQ(all[0], "reasoning:hm, well");
    EXPECT_EQ(all[1], "text:I add.");
    EXPECT_EQ(all[2], "call 0:add");
    EXPECT_EQ(Json::parse(all[3].substr(10)), Json::parse(R"({"a": 1})"));
    EXPECT_EQ(all[4], "call 1:add");
    EXPECT_EQ(Json::parse(all[5].substr(10)), Json::parse(R"({"a": 2})"));
    EXPECT_EQ(calls_, 2u);
    EXPECT_FALSE(broken_);
    EXPECT_EQ(HeardSink::ids_.size(), 2u) << "ids tell calls apart";
    EXPECT_EQ(HeardSink::tokens_, (text.size() + piece - 1) / piece) << "every token is said once";
  }
}

TEST_F(ServeAnswer, ReasoningThatThePromptOpenedIsCounted) {
  const auto f = form(job("null"), "x<|end|><think>\n");
  ASSERT_TRUE(f.ok()) << f.error().message;
  EXPECT_EQ(Json::parse(f->reader)["reasoning_open"], true);
  const auto all = heard(*f, "0123456789</think>A", 1);
  EXPECT_EQ(all, (std::vector<std::string>{"reasoning:0123456789", "text:A"}));
  EXPECT_EQ(reasoning_, 10u);
  const auto cut = heard(*f, "0123456789", 1);
  EXPECT_EQ(cut, std::vector<std::string>{"reasoning:0123456789"});
  EXPECT_EQ(reasoning_, 10u) << "all of an answer that never came to its end";
}

TEST_F(ServeAnswer, ACallThatIsCutOffIsReported) {
  const auto f = form(job(kTools));
  ASSERT_TRUE(f.ok());
  heard(*f, "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\":", 3);
  EXPECT_TRUE(broken_);
}

TEST_F(ServeAnswer, TheConstraintIsOfTheModelsOwnForm) {
  const auto calls = form(job(kTools, "required"));
  ASSERT_TRUE(calls.ok()) << calls.error().message;
  const Json spec = Json::parse(calls->constraint);
  EXPECT_EQ(*spec.pointee("/chat/tool_choice"), "required");
  EXPECT_EQ(*spec.pointee("/reasoning/end"), "</think>");
  Job schema = job("null");
  schema.form.constraint = {{"json_schema", {{"type", "array"}}}};
  schema.form.path = "response_format.json_schema.schema";
  schema.form.reasoning_budget = 7;
  const auto obeys = form(schema);
  ASSERT_TRUE(obeys.ok()) << obeys.error().message;
  EXPECT_EQ(*Json::parse(obeys->constraint).pointee("/reasoning/budget"), 7);
  EXPECT_EQ(form(job("null"))->constraint, "") << "nothing is asked of it";
}

TEST_F(ServeAnswer, WhatCannotBeEnforcedIsNamedByItsPlaceInTheRequest) {
  Job schema = job("null");
  schema.form.constraint = {{"json_schema", {{"properties", {{"a", {{"unheardOf", true}}}}}}}};
  schema.form.path = "response_format.json_schema.schema";
  const auto refused = form(schema);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().status, 400);
  EXPECT_EQ(refused.error().param, schema.form.path);
  EXPECT_NE(refused.error().message.find("/response_format/json_schema/schema/properties/a"), std::string::npos)
      << refused.error().message;
  const auto tool = form(job(R"([{"type": "function", "function": {"name": "f", "parameters": {"type": "object",
      "properties": {"a": {"unheardOf": true}}}}}])"));
  ASSERT_FALSE(tool.ok());
  EXPECT_EQ(tool.error().param, "tools[0].function.parameters");
  EXPECT_NE(tool.error().message.find("/tools/0/function/parameters/properties/a"), std::string::npos)
      << tool.error().message;
}

}  // namespace
}  // namespace kedge::tools::serve
