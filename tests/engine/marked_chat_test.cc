// Segments of chats land on the tokens that came from the marked text, whatever the text reads.
#include "engine/marked_chat.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "engine/chat_tokens.h"
#include "engine/vocab_loader.h"
#include "include/kedge/kedge.hpp"
#include "weights/tensor_store.h"

namespace kedge::engine {
namespace {

using Json = nlohmann::json;

const kedge::Model& scout() {
  static const kedge::Model model = [] {
    kedge::ModelOptions options;
    options.vocab_only = true;
    return *kedge::Model::open(KEDGE_TEST_DATA "/vocab/ggml-vocab-scout.gguf", options);
  }();
  return model;
}

struct Marked {
  std::vector<int32_t> tokens;
  Json segments;
  std::string text(const Json& segment) const {
    const size_t first = segment["range"][0];
    const size_t last = segment["range"][1];
    return *scout().detokenize(std::span(tokens).subspan(first, last - first), true);
  }
  // Of the segments that have a source.
  std::vector<std::string> marks() const {
    std::vector<std::string> all;
    for (const Json& s : segments) {
      if (s.contains("source_id")) all.push_back(text(s));
    }
    return all;
  }
};

Marked mark(const Json& messages) {
  const auto marked = scout().chat_tokenize_marked(messages.dump());
  EXPECT_TRUE(marked.ok()) << (marked.ok() ? "" : marked.error().message);
  if (!marked.ok()) return {};
  EXPECT_EQ(marked->tokens, *scout().chat_tokenize(messages.dump()));
  return {marked->tokens, Json::parse(marked->segments)};
}

Json whole(const char* role, const std::string& content) {
  return {
      {"role", role}, {"content", content}, {"segments", {{{"range", {0, content.size()}}, {"source_id", content}}}}};
}

using Strings = std::vector<std::string>;

TEST(MarkedChat, TextsThatReadLikeTheTemplate) {
  for (const char* text : {"user", "assistant", "end", "<|user|>", "|", "s", "<s>", "system"}) {
    EXPECT_EQ(mark(Json::array({whole("user", text)})).marks(), Strings{text});
    EXPECT_EQ(mark(Json::array({whole("system", text), whole("user", text)})).marks(), (Strings{text, text}));
  }
  const Marked one = mark(Json::array({whole("user", "user")}));
  for (const Json& s : one.segments) {
    if (!s.contains("source_id")) continue;
    for (size_t i = s["range"][0]; i < s["range"][1]; ++i) EXPECT_FALSE(scout().token(one.tokens[i])->is_control());
  }
}

TEST(MarkedChat, RepeatedTextsAndTextsInside) {
  const Json messages = {
      {{"role", "system"}, {"content", "the port is 8443"}},
      {{"role", "user"}, {"content", "x"}},
      {{"role", "assistant"}, {"content", "x"}},
      {{"role", "user"},
       {"content", "8443 x 8443"},
       {"segments", {{{"range", {7, 11}}, {"source_id", "b"}}, {{"range", {0, 4}}, {"source_id", "a"}}}}}};
  const Marked m = mark(messages);
  EXPECT_EQ(m.marks(), (Strings{"8443", "8443"}));
  EXPECT_GT(m.segments[4]["range"][0], m.segments[5]["range"][0]) << "the second one was asked for first";
  const Strings kinds = {"system", "user", "generated", "user"};
  int32_t at = 0;
  for (size_t i = 0; i < kinds.size(); ++i) {
    EXPECT_EQ(m.segments[i]["kind"], kinds[i]);
    EXPECT_EQ(m.segments[i]["range"][0], at) << "they cover the chat without gaps";
    at = m.segments[i]["range"][1];
  }
  EXPECT_EQ(at, static_cast<int32_t>(m.tokens.size()));
  EXPECT_NE(m.text(m.segments[3]).find("8443 x 8443"), std::string::npos);
}

TEST(MarkedChat, PartsOfAContent) {
  const Json messages = {
      {{"role", "user"},
       {"content",
        {{{"type", "text"}, {"text", "user"}},
         {{"type", "text"}, {"text", "the user name"}, {"segments", {{{"range", {4, 8}}, {"source_id", "u"}}}}}}}}};
  const Marked m = mark(messages);
  EXPECT_EQ(m.marks(), Strings{"user"});
  EXPECT_EQ(m.tokens, *scout().chat_tokenize(Json({{{"role", "user"}, {"content", "user\nthe user name"}}}).dump()))
      << "a template that takes a string gets the texts, a line each";
  Json outside = messages;
  outside[0]["content"][1]["segments"][0]["range"] = {4, 99};
  EXPECT_EQ(scout().chat_tokenize_marked(outside.dump()).error().code, KEDGE_INVALID_ARGUMENT);
  const Json picture = {{{"role", "user"}, {"content", {{{"type", "image_url"}, {"image_url", "x"}}}}}};
  const auto refused = scout().chat_tokenize(picture.dump());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, KEDGE_UNSUPPORTED);
  EXPECT_NE(refused.error().message.find("messages[0].content[0]"), std::string::npos) << refused.error().message;
}

TEST(MarkedChat, EmptyMessages) {
  const Marked m = mark({{{"role", "user"}, {"content", ""}}});
  ASSERT_EQ(m.segments.size(), 1u);
  EXPECT_EQ(m.segments[0]["range"], Json({0, m.tokens.size()}));
}

// Other templates, on scout's vocabulary: trimming, changing, repeating, moving, dropping.
class Templates : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const auto store = TensorStore::open(KEDGE_TEST_DATA "/vocab/ggml-vocab-scout.gguf");
    tokenizer_ = *Tokenizer::make(*load_vocab(store->metadata()));
  }

  // What the tokens of the mark spell, a string per range.
  static Result<Strings> spell(const char* source, std::vector<ChatMessage> messages, ContentMark mark) {
    const auto chat = ChatTemplate::parse(source, "<s>", "</s>");
    EXPECT_TRUE(chat.ok()) << chat.error().message;
    const auto parts = chat->render_segments(messages);
    EXPECT_TRUE(parts.ok()) << parts.error().message;
    std::vector<size_t> begins;
    const auto ids = *encode_chat(*tokenizer_, *parts, {}, &begins);
    const auto ranges = find_marked(*parts, begins, messages.size(), {&mark, 1});
    if (!ranges.ok()) return ranges.error();
    Strings texts;
    for (const TokenRange& r : ranges->marks[0]) {
      const auto range = std::span(ids).subspan(static_cast<size_t>(r.first), static_cast<size_t>(r.last - r.first));
      texts.push_back(*tokenizer_->decode(range, {.at_text_start = true}));
    }
    return texts;
  }
  static Strings spelt(const char* source, std::vector<ChatMessage> messages, ContentMark mark) {
    const auto texts = spell(source, std::move(messages), mark);
    EXPECT_TRUE(texts.ok()) << texts.error().message;
    return texts.ok() ? *texts : Strings{};
  }

  static inline std::unique_ptr<Tokenizer> tokenizer_;
};

constexpr const char* kEach = "{% for m in messages %}<|user|>{{ m.content }}<|end|>{% endfor %}";

TEST_F(Templates, Trimmed) {
  const char* trim = "{% for m in messages %}<|user|>{{ m.content | trim }}<|end|>{% endfor %}";
  EXPECT_EQ(spelt(trim, {{"user", "  user  ", ""}}, {.message = 0, .begin = 0, .end = 8}), Strings{"user"});
  EXPECT_EQ(spelt(trim, {{"user", "\n\nab user", ""}}, {.message = 0, .begin = 5, .end = 9}), Strings{"user"});
  const auto gone = spell(trim, {{"user", "user   ", ""}}, {.message = 0, .begin = 5, .end = 7});
  ASSERT_FALSE(gone.ok());
  EXPECT_EQ(gone.error().code, ErrorCode::kUnsupported);
}

TEST_F(Templates, Changed) {
  EXPECT_EQ(
      spelt("{{ messages[0].content | upper }}", {{"user", "user name", ""}}, {.message = 0, .begin = 5, .end = 9}),
      Strings{"NAME"});
  EXPECT_EQ(
      spelt("{{ messages[0].content | escape }}", {{"user", "a <b> user", ""}}, {.message = 0, .begin = 6, .end = 10}),
      Strings{"user"});
  EXPECT_EQ(spelt("{{ messages[0].content.replace('x', '<|doc|>') }}", {{"user", "one x two", ""}},
                  {.message = 0, .begin = 0, .end = 9}),
            (Strings{"one ", "two"}))
      << "never a token of the template";
  EXPECT_EQ(spelt("{{ messages[0] | tojson }}", {{"user", "user", ""}}, {.message = 0, .begin = 0, .end = 4}),
            Strings{"user"});
  EXPECT_EQ(spelt("{{ messages[0].content.split('|')[1] }}", {{"user", "user|user|user", ""}},
                  {.message = 0, .begin = 5, .end = 9}),
            Strings{"user"});
}

TEST_F(Templates, RepeatedMovedAndDropped) {
  EXPECT_EQ(spelt("{{ messages[0].content }}<|end|>{{ messages[0].content }}", {{"user", "user", ""}},
                  {.message = 0, .begin = 0, .end = 4}),
            (Strings{"user", "user"}));
  const char* moved =
      "{% for m in messages[1:] %}<|user|>{{ messages[0].content ~ '\n\n' ~ m.content }}<|end|>{% endfor %}";
  const std::vector<ChatMessage> two = {{"system", "same", ""}, {"user", "same", ""}};
  EXPECT_EQ(spelt(moved, two, {.message = 0, .begin = 0, .end = 4}), Strings{"same"});
  EXPECT_EQ(spelt(moved, two, {.message = 1, .begin = 0, .end = 4}), Strings{"same"});
  EXPECT_EQ(spelt(kEach, two, {.message = 1, .begin = 1, .end = 3}), Strings{"same"}) << "whole tokens";
  const auto dropped = spell("{{ messages[0].content }}", two, {.message = 1, .begin = 0, .end = 4});
  ASSERT_FALSE(dropped.ok()) << "the same words elsewhere are not it";
  EXPECT_NE(dropped.error().message.find("messages[1]"), std::string::npos) << dropped.error().message;
}

TEST_F(Templates, PartsAsTheTemplateReadsThem) {
  const char* parts =
      "{% for m in messages %}<|user|>{% for p in m.content %}{% if p.type == 'text' %}{{ p.text }};{% endif %}"
      "{% endfor %}<|end|>{% endfor %}";
  const ChatMessage m{"user", "", R"({"content":[{"type":"text","text":"user"},{"type":"text","text":"a user"}]})"};
  EXPECT_EQ(spelt(parts, {m}, {.message = 0, .begin = 2, .end = 6, .part = 1}), Strings{"user"});
  EXPECT_EQ(spelt(kEach, {m}, {.message = 0, .begin = 2, .end = 6, .part = 1}), Strings{"user"});
  EXPECT_EQ(spelt(kEach, {m}, {.message = 0, .begin = 0, .end = 4, .part = 0}), Strings{"user"});
}

}  // namespace
}  // namespace kedge::engine
