// What models write beside the form of their family, and what it is read as.
#include <gtest/gtest.h>

#include "engine/chat_options.h"
#include "engine/chat_read/json_scanner.h"
#include "engine/grammar/node_text.h"
#include "tests/engine/chat_format_cases.h"

namespace kedge::engine {
namespace {

using namespace chat_cases;  // NOLINT(google-build-using-namespace)

const ChatFormat& format_named(std::string_view name) {
  for (const ChatFormat* format : chat_formats()) {
    if (format->name == name) return *format;
  }
  ADD_FAILURE() << "no format " << name;
  return *chat_formats()[0];
}

struct Case {
  const char* format;
  const char* text;
  Reading wanted;  // an error by a part of it
};

Call call(std::string name, std::string arguments, std::string id = {}) {
  return {std::move(name), std::move(arguments), std::move(id), true};
}

void expect(const Case& c, const ChatReadOptions& options) {
  const ChatFormat& format = format_named(c.format);
  Reading whole = read(format, options, {c.text});
  EXPECT_EQ(read(format, options, characters(c.text)), whole) << c.text;
  if (!c.wanted.error.empty() && whole.error.find(c.wanted.error) != std::string::npos) whole.error = c.wanted.error;
  EXPECT_EQ(whole, c.wanted) << c.format << "\n" << c.text;
}

TEST(ChatFormatSpecial, JsonCalls) {
  const Case cases[] = {
      // Members in any order, others beside them.
      {"hermes",
       R"(<tool_call>{"arguments": {"city": "Rom"}, "id": 7, "name": "get_weather"}</tool_call>)",
       {"", "", {call("get_weather", R"({"city": "Rom"})")}, ""}},
      // Arguments as a text, none, null.
      {"hermes",
       R"(<tool_call>{"name": "get_weather", "arguments": "{\"city\": \"Rom\"}"}</tool_call>)",
       {"", "", {call("get_weather", R"({"city": "Rom"})")}, ""}},
      {"hermes", R"(<tool_call>{"name": "now"}</tool_call>)", {"", "", {call("now", "{}")}, ""}},
      {"hermes", R"(<tool_call>{"name": "now", "arguments": null}</tool_call>)", {"", "", {call("now", "{}")}, ""}},
      // A line end inside of a string; a missing closing tag; a name that is no tool's.
      {"hermes",
       "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \"x\ny\"}}",
       {"", "", {call("f", R"({"a": "x\ny"})")}, ""}},
      {"hermes",
       "<tool_call>{\"name\": \"now\"}\n<tool_call>{\"name\": \"now\"}</tool_call> Done.",
       {"Done.", "", {call("now", "{}"), call("now", "{}")}, ""}},
      {"hermes",
       "<tool_call>\n{\"name\": \"now\"}\n{\"name\": \"now\"}\n</tool_call>",
       {"", "", {call("now", "{}"), call("now", "{}")}, ""}},
      // No calls.
      {"hermes", "<tool_call>{\"title\": 1}</tool_call>", {"<tool_call>{\"title\": 1}</tool_call>", "", {}, ""}},
      {"hermes", "A <think> B", {"A <think> B", "", {}, ""}},
      // Broken ones.
      {"hermes",
       R"(<tool_call>{"name": "now", "arguments": [1]}</tool_call>)",
       {"", "", {{"now", "", "", false}}, "the call of the tool 'now' has arguments that are no JSON object"}},
      {"hermes",
       R"(<tool_call>{"name": "now", "arguments": {"a": tru}}</tool_call>)",
       {"", "", {{"now", R"({"a": tru)", "", false}}, "the call of the tool 'now' is no JSON"}},
      {"hermes", "<tool_call>\n", {"", "", {}, "a tool call is cut off before its tool's name"}},
      {"hermes",
       R"(<tool_call>{"name": "now", "arguments": {"a": ["b)",
       {"",
        "",
        {{"now", R"({"a": ["b)", "", false}},
        "the call of the tool 'now' is cut off before its JSON's '\"]}}'"}},
      {"mistral",
       R"(So: [TOOL_CALLS][{"name": "now", "arguments": {}}, {"name": "now", "arguments": {}, "id": "123456789"}])",
       {"So:", "", {call("now", "{}"), call("now", "{}")}, ""}},
      {"granite", R"(<|tool_call|>{"name": "now", "arguments": {}})", {"", "", {call("now", "{}")}, ""}},
      {"llama3", R"({"type": "function", "name": "now", "parameters": {}})", {"", "", {call("now", "{}")}, ""}},
      {"llama3", R"(<|python_tag|>{"name": "now", "parameters": {}})", {"", "", {call("now", "{}")}, ""}},
      {"llama3",
       R"(<|python_tag|>brave_search.call(query="it's \"7\""))",
       {"", "", {call("brave_search", R"({"query": "it's \"7\""})")}, ""}},
      {"llama3", R"({"name": "Ada", "born": 1815})", {R"({"name": "Ada", "born": 1815})", "", {}, ""}},
      {"llama3", R"({"title": "now"})", {R"({"title": "now"})", "", {}, ""}},
      {"llama3",
       R"(Here: {"name": "now", "parameters": {}})",
       {R"(Here: {"name": "now", "parameters": {}})", "", {}, ""}},
      {"llama3", "{", {"{", "", {}, ""}},
  };
  for (const Case& c : cases) expect(c, with_tools());
}

TEST(ChatFormatSpecial, NamedCalls) {
  const Case cases[] = {
      {"mistral-args",
       R"([TOOL_CALLS]now[CALL_ID]abcdefghi[ARGS]{}[TOOL_CALLS]now{})",
       {"", "", {call("now", "{}", "abcdefghi"), call("now", "{}")}, ""}},
      {"mistral-args", "[TOOL_CALLS]now[ARGS]", {"", "", {}, "'now' is cut off before its arguments"}},
      {"kimi-k2",
       "<|tool_calls_section_begin|> "
       "<|tool_call_begin|>functions.now:12<|tool_call_argument_begin|>{}<|tool_call_end|>",
       {"", "", {call("now", "{}", "functions.now:12")}, ""}},
      {"deepseek",
       "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n```json\n{}\n```<｜tool▁call▁end｜>",
       {"", "", {call("now", "{}")}, ""}},
      {"harmony",
       R"(<|channel|>analysis<|message|>Hm<|end|><|start|>assistant to=functions.now<|channel|>commentary json<|message|>{}<|call|>)",
       {"", "Hm", {call("now", "{}")}, ""}},
      {"harmony",
       "<|channel|>commentary<|message|>First this.<|end|><|start|>assistant<|channel|>final<|message|>Then "
       "that.<|return|>",
       {"First this.Then that.", "", {}, ""}},
      {"harmony", R"({"answer": 4})", {R"({"answer": 4})", "", {}, ""}},
      {"harmony", "<|channel|>commentary to=functions.now <|constrain|>json", {"", "", {}, "'now' is cut off"}},
  };
  for (const Case& c : cases) expect(c, with_tools());
}

TEST(ChatFormatSpecial, ValuesByTheirSchema) {
  ChatReadOptions options;
  options.tools = {{"f", Json::parse(R"({"type": "object", "$defs": {"n": {"type": "integer"}}, "properties": {
      "s": {"type": "string"}, "n": {"$ref": "#/$defs/n"}, "b": {"type": "boolean"},
      "sn": {"anyOf": [{"type": "string"}, {"type": "null"}]}, "o": {"type": "object"}, "any": {}}})")}};
  const auto with = [](const std::string& key, const std::string& value) {
    return "<tool_call>\n<function=f>\n<parameter=" + key + ">\n" + value + "\n</parameter>\n</function>\n</tool_call>";
  };
  const std::tuple<const char*, const char*, const char*> cases[] = {
      {"s", "5", R"({"s": "5"})"},
      {"s", "", R"({"s": ""})"},
      {"s", "\n a \n", R"({"s": "\n a \n"})"},
      {"s", "x </parameter> y", R"({"s": "x </parameter> y"})"},
      {"s", "{\"a\": 1}", R"({"s": "{\"a\": 1}"})"},
      {"n", " 5 ", R"({"n": 5})"},
      {"n", "five", R"({"n": "five"})"},
      {"b", "True", R"({"b": true})"},
      {"sn", "null", R"({"sn": null})"},
      {"sn", "5", R"({"sn": "5"})"},
      {"o", "{\"a\": [1, {}]}", R"({"o": {"a": [1, {}]}})"},
      {"o", "{'a': ['it\\'s', True, None, 'don't']}", R"({"o": {"a":["it's",true,null,"don't"]}})"},
      {"o", "{a", R"({"o": "{a"})"},
      {"any", "[1]", R"({"any": [1]})"},
      {"any", "\"q\"", R"({"any": "\"q\""})"},
      {"unknown", "a b", R"({"unknown": "a b"})"},
  };
  for (const auto& [key, value, wanted] : cases) {
    const std::string text = with(key, value);
    expect({"qwen3-coder", text.c_str(), {"", "", {call("f", wanted)}, ""}}, options);
  }
  // The outer tag is often forgotten, the inner closing one too.
  expect({"qwen3-coder",
          "Go.\n<function=f>\n<parameter=s>\nx\n</parameter>\n</tool_call>",
          {"Go.", "", {call("f", R"({"s": "x"})")}, ""}},
         options);
  expect({"qwen3-coder",
          "<function=f>\n<parameter=s>\nx\n</parameter>\n<parameter=s>\n",
          {"", "", {{"f", R"({"s": "x")", "", false}}, "'f' has its argument 's' twice"}},
         options);
  expect({"qwen3-coder", "<function=f>\nnonsense", {"", "", {{"f", "{", "", false}}, "'f' has 'n' where an argument"}},
         options);
  expect({"glm", "<tool_call>is a tag.", {"<tool_call>is a tag.", "", {}, ""}}, options);
  expect({"glm", "<tool_call>f</tool_call>", {"", "", {call("f", "{}")}, ""}}, options);
  expect(
      {"deepseek-dsml",
       "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">\n<｜DSML｜parameter name=\"n\" "
       "string=\"true\">5</｜DSML｜parameter>\n"
       "<｜DSML｜parameter name=\"s\" string=\"false\">5</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>",
       {"", "", {call("f", R"({"n": "5", "s": 5})")}, ""}},
      options);
}

// Strings without quotes obey their schema all the same.
TEST(ChatFormatSpecial, PlainStringsByTheirSchema) {
  ChatReadOptions options;
  options.tools = {{"f", Json::parse(R"({"type": "object", "$defs": {"c": {"enum": ["red", "blue"]}}, "properties": {
      "a": {"type": "string", "pattern": "^[A-Z]{3}$"}, "b": {"type": "string", "format": "date"},
      "c": {"allOf": [{"$ref": "#/$defs/c"}], "type": "string"}, "d": {"anyOf": [{"enum": ["x"]}, {"type": "null"}]}}})")}};
  grammar::Grammar g;
  const auto node = format_named("qwen3-coder").calls(options, g);
  ASSERT_TRUE(node.ok()) << node.error().message;
  const auto matches = [&](const std::string& key, const std::string& value) {
    const std::string text =
        "<tool_call>\n<function=f>\n<parameter=" + key + ">\n" + value + "\n</parameter>\n</function>\n</tool_call>";
    return grammar::NodeText(g, text).matches(*node);
  };
  for (const auto& [key, good, bad] :
       {std::tuple("a", "ABC", "ABCD"), std::tuple("b", "2026-11-30", "today"), std::tuple("c", "blue", "green"),
        std::tuple("d", "x", "y"), std::tuple("d", "null", "5")}) {
    EXPECT_TRUE(matches(key, good)) << key;
    EXPECT_FALSE(matches(key, bad)) << key;
  }
}

TEST(ChatFormatSpecial, Literals) {
  const Case cases[] = {
      {"lfm2",
       R"(<|tool_call_start|>[f(a='it's', b="x\ny", c=[1, 'two', (3,)], d={'k': None, "l": true}), g()]<|tool_call_end|>Ok)",
       {"Ok",
        "",
        {call("f", R"({"a": "it's", "b": "x\ny", "c": [1, "two", [3]], "d": {"k": null, "l": true}})"),
         call("g", "{}")},
        ""}},
      {"lfm2",
       R"(<|tool_call_start|>f(a=.5, b="""q"q""", c='\u00e9\U0001f98a\d', d=yes, e=1e3))",
       {"", "", {call("f", R"({"a": 0.5, "b": "q\"q", "c": "é🦊\\d", "d": "yes", "e": 1e3})")}, ""}},
      {"lfm2",
       "<|tool_call_start|>[f(1)]<|tool_call_end|>",
       {"", "", {{"f", "{", "", false}}, "'f' has '1)' where an argument's name and '=' belong"}},
      {"lfm2",
       "<|tool_call_start|>[f(a=[1, {'b': 'c",
       {"", "", {{"f", R"({"a": [1, {"b": "c)", "", false}}, "'f' is cut off before its '\x27}])'"}},
      {"gemma4",
       R"(<|tool_call>call:f{a:<|"|>it's "q"<|"|>,b:{c:[true,-1.5e3,null]}}<tool_call|><|tool_call>call:g{}<tool_call|>)",
       {"", "", {call("f", R"({"a": "it's \"q\"", "b": {"c": [true, -1.5e3, null]}})"), call("g", "{}")}, ""}},
      {"gemma4",
       R"(<|channel>thought
<channel|>Hello)",
       {"Hello", "", {}, ""}},
  };
  for (const Case& c : cases) expect(c, with_tools());
}

TEST(ChatFormatSpecial, ScannerOfJson) {
  const auto take = [](std::string_view text) {
    chat_read::JsonScanner scanner;
    for (const char c : text) {
      if (!scanner.take(c)) return std::string("no: ") + scanner.problem();
    }
    return scanner.done() ? std::string("whole") : "lacks " + scanner.closers();
  };
  for (const char* good :
       {"{}", "[]", " [1, -0.5e+7, true, false, null, \"\\u00e9\\ud83e\\udd8a\\n\"] ", "{\"a\": {\"b\": []}}", "12"}) {
    EXPECT_EQ(take(good), "whole") << good;
  }
  for (const char* bad : {"{a", "{\"a\" 1", "[1,]", "{,", "{\"a\":1,}", "01", "+1", "1.e", "--", "tru ", "nul1",
                          "\"\\x", "\"\\ud83e\"", "\"\\udd8a\"", "\"\\u12g", "[}", "1 2", "\"\n\""}) {
    EXPECT_TRUE(take(bad).starts_with("no: ")) << bad << ": " << take(bad);
  }
  EXPECT_EQ(take("[{\"a\": \"b"), "lacks \"}]");
  EXPECT_TRUE(take(std::string(65, '[')).starts_with("no: objects and arrays are nested too deep"));
}

TEST(ChatFormatSpecial, TextHasToBeWholeCharacters) {
  for (const ChatFormat* format : chat_formats()) {
    std::vector<ChatEvent> events;
    const Status status = format->reader({})->push("\xe6\x97", events);
    ASSERT_FALSE(status.ok()) << format->name;
    EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
  }
}

TEST(ChatOptionsOfJson, AreReadAndRefused) {
  const ChatFormat& hermes = format_named("hermes");
  const auto options = read_chat_options(Json::parse(R"({"tools": [{"type": "function", "function": {"name": "a"}},
      {"function": {"name": "b", "parameters": {"type": "object"}}}], "tool_choice": {"type": "function", "function":
      {"name": "b"}}, "parallel_tool_calls": false, "split_reasoning": false, "prompt": "...<|im_start|>assistant\n<think>\n"})"),
                                         hermes);
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->tools.size(), 2u);
  EXPECT_EQ(options->choice, ToolChoice::kNamed);
  EXPECT_EQ(options->named, "b");
  EXPECT_FALSE(options->parallel);
  EXPECT_FALSE(options->split_reasoning);
  EXPECT_TRUE(options->reasoning_open);
  EXPECT_FALSE(ends_in_reasoning("<think>\n\n</think>\n\n", hermes));
  EXPECT_FALSE(ends_in_reasoning("what is <think> for?<|im_end|>\n<|im_start|>assistant\n", hermes));
  EXPECT_TRUE(ends_in_reasoning("<|turn>model\n<|channel>thought\n", format_named("gemma4")));
  EXPECT_FALSE(ends_in_reasoning("anything", format_named("llama3")));
  const std::pair<const char*, const char*> refused[] = {
      {R"([])", "not a JSON object"},
      {R"({"tool": 1})", "/tool: no such option"},
      {R"({"tools": {}})", "/tools: it is not an array"},
      {R"({"tools": [{"type": "web_search"}]})", "/tools/0/type"},
      {R"({"tools": [{"function": {}}]})", "/tools/0/function/name"},
      {R"({"tools": [{"function": {"name": "a b"}}]})", "/tools/0/function/name: 'a b'"},
      {R"({"tools": [{"function": {"name": "a"}}, {"function": {"name": "a"}}]})", "/tools/1/function/name"},
      {R"({"tools": [{"function": {"name": "a", "parameters": 5}}]})", "/tools/0/function/parameters"},
      {R"({"tool_choice": "sometimes"})", "/tool_choice"},
      {R"({"tool_choice": "required"})", "/tool_choice"},
      {R"({"tool_choice": {"function": {"name": "x"}}})", "'x' is not among tools"},
      {R"({"parallel_tool_calls": 1})", "/parallel_tool_calls"},
  };
  for (const auto& [json, message] : refused) {
    const auto bad = read_chat_options(Json::parse(json), hermes);
    ASSERT_FALSE(bad.ok()) << json;
    EXPECT_NE(bad.error().message.find(message), std::string::npos) << bad.error().message;
  }
}

TEST(ChatFormatOf, TemplatesOfNoFamily) {
  EXPECT_EQ(chat_format_of("{{ messages[0].content }}"), nullptr);
  EXPECT_EQ(chat_format_of(""), nullptr);
  EXPECT_EQ(chat_format_of("<tool_call>x<invoke name='f'>"), nullptr);
  EXPECT_EQ(chat_format_of("<|start_header_id|><|python_tag|><function=f>"), nullptr);
}

}  // namespace
}  // namespace kedge::engine
