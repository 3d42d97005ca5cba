// Tool calls through the C interface: replayed ones in templates of all kinds, those of answers by a reader.
#include <gtest/gtest.h>

#include <filesystem>

#include "include/kedge/kedge.hpp"
#include "kernels/base/json.h"
#include "tests/engine/chat_format_cases.h"
#include "weights/gguf_writer.h"
#include "weights/tensor_store.h"

namespace kedge::engine {
namespace {

using base::Json;

// A vocabulary with this template.
kedge::Model with_template(const std::string& source) {
  const auto store = TensorStore::open(KEDGE_TEST_DATA "/vocab/ggml-vocab-scout.gguf");
  EXPECT_TRUE(store.ok());
  weights::GgufWriter w;
  for (const auto& entry : store->metadata().entries()) {
    if (entry.key != "tokenizer.chat_template") w.copy(entry);
  }
  w.add_string("tokenizer.chat_template", source);
  const auto path = std::filesystem::temp_directory_path() / ("kedge-chat-" + std::to_string(getpid()) + ".gguf");
  EXPECT_TRUE(w.begin(path.string()).ok());
  EXPECT_TRUE(w.finish().ok());
  kedge::ModelOptions options;
  options.vocab_only = true;
  auto model = kedge::Model::open(path.string(), options);
  std::filesystem::remove(path);
  EXPECT_TRUE(model.ok()) << (model.ok() ? "" : model.error().message);
  return *std::move(model);
}

std::string messages_with(const Json& arguments) {
  return Json::array({{{"role", "user"}, {"content", "Hi"}},
                      {{"role", "assistant"},
                       {"content", nullptr},
                       {"tool_calls", Json::array({{{"id", "a"},
                                                    {"type", "function"},
                                                    {"function", {{"name", "f"}, {"arguments", arguments}}}}})}}})
      .dump();
}

std::string template_of(const std::string& arguments) {
  return "{%- for m in messages %}{%- for c in m.tool_calls or [] %}{%- set a = c.function.arguments %}" + arguments +
         "{%- endfor %}{%- endfor %}";
}

constexpr const char* kOptions = R"({"add_generation_prompt": false})";

TEST(ReplayedCalls, TemplatesGetWhatTheyCanRead) {
  const Json text = "{\"city\":\"Rom\",  \"days\":3}";
  const Json object = Json::parse(R"({"city": "Rom", "days": 3})");
  const std::pair<const char*, const char*> cases[] = {
      {"{{- a | tojson }}", R"({"city": "Rom", "days": 3})"},
      {"{{- a if a is string else a | tojson }}", R"({"city": "Rom", "days": 3})"},
      {"{%- for k, v in a.items() %}{{- k ~ '=' ~ v ~ ';' }}{%- endfor %}", "city=Rom;days=3;"},
  };
  for (const auto& [source, wanted] : cases) {
    const kedge::Model m = with_template(template_of(source));
    for (const Json& sent : {text, object}) {
      const auto got = m.chat_render(messages_with(sent), kOptions);
      ASSERT_TRUE(got.ok()) << got.error().message;
      EXPECT_EQ(*got, wanted) << source;
      EXPECT_EQ(*m.chat_tokenize(messages_with(sent), kOptions), *m.tokenize(wanted, true, false)) << source;
    }
  }
  // Those that want the text: by failing with an object, or by printing one as Python does.
  for (const char* source : {"{{- '<' + a + '>' }}", "{{- '<' ~ a ~ '>' }}"}) {
    const kedge::Model m = with_template(template_of(source));
    EXPECT_EQ(*m.chat_render(messages_with(text), kOptions), "<" + text.get<std::string>() + ">") << source;
    EXPECT_EQ(*m.chat_render(messages_with(object), kOptions), R"(<{"city":"Rom","days":3}>)") << source;
  }
  const kedge::Model m = with_template(template_of("{{- a | tojson }}"));
  EXPECT_EQ(*m.chat_render(messages_with(""), kOptions), "{}");
}

TEST(ReplayedCalls, WhatIsNoJsonIsNamed) {
  const kedge::Model m = with_template(template_of("{{- a | tojson }}"));
  const std::pair<Json, const char*> cases[] = {
      {"{\"city\": ", "messages[1].tool_calls[0].function.arguments is a text that is no JSON"},
      {"Rom, please", "messages[1].tool_calls[0].function.arguments is a text that is no JSON"},
      {"[1]", "messages[1].tool_calls[0].function.arguments is no JSON object (array)"},
      {5, "messages[1].tool_calls[0].function.arguments is no JSON object (number)"},
  };
  for (const auto& [arguments, message] : cases) {
    for (const bool tokens : {false, true}) {
      const std::string messages = messages_with(arguments);
      const auto text = m.chat_render(messages, kOptions);
      const auto ids = m.chat_tokenize(messages, kOptions);
      ASSERT_FALSE(tokens ? ids.ok() : text.ok()) << messages;
      const kedge::Error& error = tokens ? ids.error() : text.error();
      EXPECT_EQ(error.code, KEDGE_INVALID_ARGUMENT);
      EXPECT_NE(error.message.find(message), std::string::npos) << error.message;
    }
  }
}

TEST(ChatReaderOfC, GivesEventsAndWhatIsMissing) {
  const kedge::Model m = with_template(chat_cases::family_template("hermes"));
  const Json format = Json::parse(*m.chat_format());
  EXPECT_EQ(format, Json::parse(R"({"format": "hermes", "reasoning": ["<think>", "</think>"],
      "triggers": ["<tool_call>"], "tools": true})"));
  const std::string options = R"({"tools": [{"type": "function", "function": {"name": "f"}}], "prompt": "x<think>\n"})";
  auto reader = kedge::ChatReader::create(m, options);
  ASSERT_TRUE(reader.ok()) << reader.error().message;
  auto events = reader->push("Hm.</think>\n\nOk <tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}}</tool_call>");
  ASSERT_TRUE(events.status.ok());
  EXPECT_EQ(Json::parse(events.json), Json::parse(R"([{"reasoning": "Hm."}, {"content": "Ok"},
      {"call": 0, "name": "f", "id": null}, {"call": 0, "arguments": "{\"a\": 1}"}, {"call": 0, "end": true}])"));
  events = reader->push("<tool_call>{\"name\": \"f\", \"arguments\": {\"b", true);
  EXPECT_FALSE(events.status.ok());
  EXPECT_EQ(events.status.error().code, KEDGE_INVALID_ARGUMENT);
  EXPECT_NE(events.status.error().message.find("'f' is cut off"), std::string::npos);
  EXPECT_EQ(Json::parse(events.json), Json::parse(R"([{"call": 1, "name": "f", "id": null},
      {"call": 1, "arguments": "{\"b"}])"));
  EXPECT_FALSE(kedge::ChatReader::create(m, R"({"tool_choice": "required"})").ok());
}

TEST(ChatReaderOfC, TemplatesWithoutAForm) {
  const kedge::Model m = with_template("{{ messages[0].content }}");
  EXPECT_EQ(Json::parse(*m.chat_format()),
            Json::parse(R"({"format": null, "reasoning": null, "triggers": [], "tools": false})"));
  auto reader = kedge::ChatReader::create(m, "");
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ(reader->push("<think>a</think>", true).json, R"([{"content":"<think>a</think>"}])");
  const auto refused = kedge::ChatReader::create(m, R"({"tools": [{"type": "function", "function": {"name": "f"}}]})");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, KEDGE_UNSUPPORTED);
}

// A form that the family shares, and a model that never thinks.
TEST(ChatReaderOfC, ReasoningOnlyWhereTheTemplateHasIt) {
  const kedge::Model m = with_template("{{ messages[0].content }}<tool_call>");
  EXPECT_TRUE(Json::parse(*m.chat_format())["reasoning"].is_null());
}

}  // namespace
}  // namespace kedge::engine
