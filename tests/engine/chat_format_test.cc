// Answers of every family, written by a template of its own and read back: whole, in every split, cut off everywhere.
#include "engine/chat_format.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/grammar/node_text.h"
#include "tests/engine/chat_format_cases.h"

namespace kedge::engine {
namespace {

using namespace chat_cases;  // NOLINT(google-build-using-namespace)

class ChatFamily : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    template_ = family_template(GetParam());
    format_ = chat_format_of(template_);
    ASSERT_NE(format_, nullptr);
  }
  std::string text(const Answer& answer) const {
    auto out = written(template_, answer);
    EXPECT_TRUE(out.ok()) << (out.ok() ? "" : out.error().message);
    return out.ok() ? *out : "";
  }
  bool calls() const { return !format_->triggers.empty(); }
  bool reasons() const { return *format_->reasoning_begin != 0; }

  // The same whatever the pieces.
  Reading read_every_way(const std::string& text, const ChatReadOptions& options) const {
    const Reading whole = read(*format_, options, {text});
    EXPECT_EQ(read(*format_, options, characters(text)), whole) << text;
    for (const size_t cut : cuts(text)) {
      const std::string_view view = text;
      EXPECT_EQ(read(*format_, options, {view.substr(0, cut), view.substr(cut)}), whole) << text << "\ncut at " << cut;
    }
    return whole;
  }

  void expect_calls(const Answer& answer, const ChatReadOptions& options) const {
    const std::string written = text(answer);
    const Reading r = read_every_way(written, options);
    EXPECT_EQ(r.error, "") << written;
    EXPECT_EQ(r.content, answer.content) << written;
    EXPECT_EQ(r.reasoning, answer.reasoning) << written;
    ASSERT_EQ(r.calls.size(), answer.calls.size()) << written;
    for (size_t i = 0; i < r.calls.size(); ++i) {
      EXPECT_EQ(r.calls[i].name, answer.calls[i].first);
      EXPECT_TRUE(r.calls[i].ended);
      const auto arguments = base::parse_json(r.calls[i].arguments, "arguments");
      ASSERT_TRUE(arguments.ok()) << r.calls[i].arguments;
      EXPECT_EQ(*arguments, answer.calls[i].second) << r.calls[i].arguments << "\n" << written;
    }
  }

  std::string template_;
  const ChatFormat* format_ = nullptr;
};

TEST_P(ChatFamily, IsFoundByItsTemplate) {
  std::string name = GetParam();
  std::replace(name.begin(), name.end(), '_', '-');
  std::string found = format_->name;
  found.erase(std::remove(found.begin(), found.end(), '.'), found.end());
  EXPECT_EQ(found, name);
}

TEST_P(ChatFamily, ContentOnly) {
  for (const char* content :
       {"Hello, world.", "a < b, {\"x\": [1]} and `<tool`\n\n  indented\n", "<", "日本 🦊 [TOOL", " \n"}) {
    const std::string written = text({.content = content});
    const Reading r = read_every_way(written, with_tools());
    EXPECT_EQ(r, (Reading{.content = content, .reasoning = {}, .calls = {}, .error = {}})) << written;
  }
}

TEST_P(ChatFamily, Calls) {
  if (!calls()) return;
  expect_calls({.calls = {{"get_weather", paris()}}}, with_tools());
  expect_calls({.calls = {{"place-order", order()}}}, with_tools());
  expect_calls({.calls = {{"now", Json::object()}}}, with_tools());
  expect_calls({.calls = {{"get_weather", paris()}, {"now", Json::object()}, {"place-order", order()}}}, with_tools());
}

TEST_P(ChatFamily, ContentReasoningAndCalls) {
  if (!calls()) return;
  const std::string name = GetParam();
  if (name != "llama3") expect_calls({.content = "I will look.", .calls = {{"get_weather", paris()}}}, with_tools());
  if (!reasons()) return;
  expect_calls({.reasoning = "Where? <tool>\n\nIn Paris.", .calls = {{"get_weather", paris()}}}, with_tools());
  expect_calls({.content = "So.", .reasoning = "Hm", .calls = {{"get_weather", paris()}, {"now", Json::object()}}},
               with_tools());
}

TEST_P(ChatFamily, Reasoning) {
  if (!reasons()) return;
  const Answer answer{.content = "It is 4.", .reasoning = "2 + 2\n= 4"};
  const std::string written = text(answer);
  expect_calls(answer, with_tools());
  // Opened by the prompt.
  const std::string begin = format_->reasoning_begin;
  ASSERT_TRUE(written.starts_with(begin)) << written;
  ChatReadOptions options = with_tools();
  options.reasoning_open = true;
  const Reading open = read_every_way(written.substr(begin.size()), options);
  EXPECT_EQ(open, (Reading{.content = answer.content, .reasoning = answer.reasoning, .calls = {}, .error = {}}));
  // Left in the content, markers included.
  options = with_tools();
  options.split_reasoning = false;
  const Reading kept = read_every_way(written, options);
  EXPECT_EQ(kept.reasoning, "");
  const size_t end = written.find(format_->reasoning_end) + std::string_view(format_->reasoning_end).size();
  EXPECT_TRUE(kept.content.starts_with(written.substr(0, end))) << kept.content;
  EXPECT_TRUE(kept.content.ends_with(answer.content));
}

TEST_P(ChatFamily, WithoutToolsACallIsContent) {
  if (!calls()) return;
  ChatReadOptions none = with_tools();
  none.choice = ToolChoice::kNone;
  const std::string written = text({.calls = {{"get_weather", paris()}}});
  for (const ChatReadOptions& options : {none, ChatReadOptions()}) {
    const Reading r = read_every_way(written, options);
    EXPECT_EQ(r.error, "");
    EXPECT_TRUE(r.calls.empty());
    EXPECT_NE(r.content.find("Paris"), std::string::npos) << r.content;
  }
}

// Wherever the text ends: what was given out is the beginning of the whole, and a call that is not is an error by name.
TEST_P(ChatFamily, CutOffAnywhere) {
  if (!calls()) return;
  const std::string written =
      text({.reasoning = reasons() ? "Hm" : "", .calls = {{"get_weather", paris()}, {"place-order", order()}}});
  const Reading whole = read(*format_, with_tools(), {written});
  ASSERT_EQ(whole.calls.size(), 2u);
  for (const size_t cut : cuts(written)) {
    const std::string_view part = std::string_view(written).substr(0, cut);
    const Reading r = read(*format_, with_tools(), {part});
    EXPECT_EQ(r, read(*format_, with_tools(), characters(part))) << part;
    if (reasons()) {
      EXPECT_TRUE(r.reasoning.starts_with("Hm") || std::string_view("Hm").starts_with(r.reasoning)) << part;
    }
    for (size_t i = 0; i < r.calls.size(); ++i) {
      EXPECT_EQ(r.calls[i].name, whole.calls[i].name);
      EXPECT_TRUE(whole.calls[i].arguments.starts_with(r.calls[i].arguments)) << part << "\n" << r.calls[i].arguments;
      if (r.calls[i].ended) {
        EXPECT_EQ(r.calls[i].arguments, whole.calls[i].arguments);
      } else {
        EXPECT_NE(r.error.find("'" + r.calls[i].name + "'"), std::string::npos) << part << "\n" << r.error;
        EXPECT_NE(r.error.find("cut off"), std::string::npos) << part;
      }
    }
    if (r.error.empty() && r.calls.empty()) {  // content it may be, but nothing of a call was lost
      EXPECT_TRUE(part.empty() || r.content.empty() || part.ends_with(r.content)) << part;
    }
  }
}

TEST_P(ChatFamily, ProseBehindAMarkerIsContent) {
  if (!calls()) return;
  for (const char* trigger : format_->triggers) {
    if (GetParam() == "harmony" || GetParam() == "llama3") continue;  // no marker, or one that is never a text
    const std::string prose = "Write " + std::string(trigger) + " is a marker, and so on.\nMore.";
    const Reading r = read_every_way(prose, with_tools());
    EXPECT_EQ(r, (Reading{.content = prose, .reasoning = {}, .calls = {}, .error = {}}));
  }
}

// What the template writes is what the grammar wants, and nothing short of it.
TEST_P(ChatFamily, TheGrammarAcceptsWhatTheTemplateWrites) {
  if (!calls()) return;
  const auto matches = [&](const ChatReadOptions& options, std::string_view text) {
    grammar::Grammar g;
    const auto node = format_->calls(options, g);
    EXPECT_TRUE(node.ok()) << (node.ok() ? "" : node.error().message);
    return node.ok() && grammar::NodeText(g, text).matches(*node);
  };
  const std::string begin(text({}));
  const auto one = [&](const char* name, const Json& arguments) {
    std::string out = text({.calls = {{name, arguments}}});
    return out.substr(out.find_first_not_of("\n"));
  };
  const std::string weather = one("get_weather", paris());
  EXPECT_TRUE(matches(with_tools(), weather)) << weather;
  EXPECT_TRUE(matches(with_tools(), one("place-order", order()))) << one("place-order", order());
  EXPECT_TRUE(matches(with_tools(), one("now", Json::object()))) << one("now", Json::object());
  EXPECT_FALSE(matches(with_tools(), one("no_such_tool", paris())));
  EXPECT_FALSE(matches(with_tools(), one("get_weather", Json::parse(R"({"city": "Paris", "days": "three"})"))));
  EXPECT_FALSE(matches(with_tools(), one("get_weather", Json::parse(R"({"days": 3})"))));
  EXPECT_FALSE(matches(with_tools(), weather.substr(0, weather.size() - 1)));
  EXPECT_FALSE(matches(with_tools(), "Hello"));
  // Several, unless calls are to come alone; gpt-oss makes one in an answer.
  std::string two = text({.calls = {{"get_weather", paris()}, {"now", Json::object()}}});
  two = two.substr(two.find_first_not_of("\n"));
  ChatReadOptions options = with_tools();
  EXPECT_EQ(matches(options, two), GetParam() != "harmony") << two;
  options.parallel = false;
  EXPECT_FALSE(matches(options, two));
  EXPECT_TRUE(matches(options, weather));
  // The named tool and no other.
  options.choice = ToolChoice::kNamed;
  options.named = "now";
  EXPECT_FALSE(matches(options, weather));
  EXPECT_TRUE(matches(options, one("now", Json::object())));
  options.named = "none";
  grammar::Grammar g;
  const auto none = format_->calls(options, g);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, ErrorCode::kInvalidArgument);
}

INSTANTIATE_TEST_SUITE_P(Families, ChatFamily, testing::ValuesIn(families()),
                         [](const auto& test_info) { return test_info.param; });

}  // namespace
}  // namespace kedge::engine
