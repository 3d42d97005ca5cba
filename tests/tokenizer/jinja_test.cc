// The Jinja interpreter against python3-jinja2 (tests/data/templates/snippets.json), its errors, its limits, and
// damaged templates.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "tokenizer/chat_template.h"

namespace kedge::tokenizer {
namespace {

using Json = nlohmann::ordered_json;

Json read_json(const std::string& name) {
  std::ifstream file(std::string(KEDGE_TEST_DATA) + "/templates/" + name);
  return Json::parse(file);
}

std::vector<ChatMessage> to_messages(const Json& list) {
  std::vector<ChatMessage> out;
  for (const auto& m : list) out.push_back({"", "", m.dump()});
  return out;
}

Result<std::string> render(const std::string& source, const std::string& variables = "",
                           const jinja::Limits& limits = {}) {
  KEDGE_ASSIGN(t, ChatTemplate::parse(source, "<s>", "</s>", limits));
  ChatOptions options;
  options.variables_json = variables;
  options.now = 0;
  return t.render({}, options);
}

// The message of the error, or what was rendered.
std::string error_of(const std::string& source, const std::string& variables = "", const jinja::Limits& limits = {}) {
  const auto r = render(source, variables, limits);
  return r.ok() ? "no error: " + r.value() : r.error().message;
}

class Utc : public ::testing::Environment {
 public:
  void SetUp() override { setenv("TZ", "UTC", 1); }
};
const auto* const kUtc = ::testing::AddGlobalTestEnvironment(new Utc);

TEST(Jinja, SnippetsRenderAsPythonRendersThem) {
  const Json data = read_json("snippets.json");
  const auto messages = to_messages(data["messages"]);
  const std::string variables = data["variables"].dump();
  ChatOptions options;
  options.variables_json = variables;
  options.now = data["now"].get<int64_t>();
  for (const auto& s : data["snippets"]) {
    const auto source = s["template"].get<std::string>();
    SCOPED_TRACE(source);
    const auto t = ChatTemplate::parse(source, "<s>", "</s>");
    const auto text = t.ok() ? t->render(messages, options) : Result<std::string>(t.error());
    if (s.contains("error")) {
      ASSERT_FALSE(text.ok()) << text.value() << "\nPython: " << s["error"];
      EXPECT_NE(text.error().message.find("line "), std::string::npos) << text.error().message;
    } else {
      ASSERT_TRUE(text.ok()) << text.error().message;
      EXPECT_EQ(*text, s["expected"].get<std::string>());
    }
  }
}

TEST(Jinja, ErrorsNameTheConstructAndThePlace) {
  const std::pair<std::string, std::string> cases[] = {
      {"a\n  {{ x | zork }}", "line 2, column 10: the filter 'zork' is not supported"},
      {"{{ 1 is zork }}", "line 1, column 9: the test 'zork' is not supported"},
      {"{% include 'x' %}", "line 1, column 4: the tag 'include' is not supported"},
      {"{% for a in b recursive %}{% endfor %}", "'recursive' loops are not supported"},
      {"{{ f(*a) }}", "'*' arguments are not supported"},
      {"\n{{ lipsum() }}", "line 2, column 10: 'lipsum' is undefined, and so it cannot be called"},
      {"{{ nope.x }}", "line 1, column 9: 'nope' is undefined, and so it has no attribute 'x'"},
      {"{{ raise_exception('no tools here') }}", "the template refuses: no tools here"},
      {"{% if x %}", "'if' is not closed by 'endif'"},
      {"{% for x in [1] %}\n{{ x }}", "line 1, column 4: 'for' is not closed by 'endfor'"},
      {"{{ 'abc }}", "line 1, column 4: the string is not closed"},
      {"{{ 1 + }}", "expected an expression, found '}}'"},
      {"{{ 1 ? 2 }}", "unexpected character '?'"},
      {"{{ [1].append(2) }}", "'append' would change a list"},
      {"{{ 9223372036854775807 + 1 }}", "does not fit 64 bits"},
      {"{{ 99999999999999999999 }}", "does not fit 64 bits"},
      {"{{ 0x10 }}", "hexadecimal, octal and binary numbers are not supported"},
      {"{{ namespace(a=1) }}", "a namespace cannot be printed"},
      {"{{ '%x' % 3 }}", "the format '%x' is not supported"},
  };
  for (const auto& [source, wanted] : cases)
    EXPECT_NE(error_of(source).find(wanted), std::string::npos) << source << "\n" << error_of(source);
}

TEST(Jinja, UnsupportedIsTold) {
  const auto r = ChatTemplate::parse("{% extends 'x' %}", "", "");
  ASSERT_FALSE(r.ok());
  EXPECT_EQ(r.error().code, ErrorCode::kUnsupported);
}

void expect_capacity(const std::string& source, const std::string& limit, const jinja::Limits& limits = {}) {
  const auto r = render(source, "", limits);
  ASSERT_FALSE(r.ok()) << source.substr(0, 200);
  EXPECT_EQ(r.error().code, ErrorCode::kCapacity) << r.error().message;
  EXPECT_NE(r.error().message.find(limit), std::string::npos) << r.error().message;
}

std::string repeated(const std::string& s, size_t n) {
  std::string out;
  for (size_t i = 0; i < n; ++i) out += s;
  return out;
}

TEST(Jinja, SourceAndNestingAreBounded) {
  jinja::Limits small;
  small.max_source_bytes = 10;
  expect_capacity("01234567890", "max_source_bytes", small);
  const std::pair<const char*, const char*> nests[] = {
      {"(", ")"},  {"[", "]"},  {"{1:", "}"},         {"-", ""},     {"not ", ""},
      {"a[", "]"}, {"f(", ")"}, {"1 if 1 else ", ""}, {"x|d(", ")"}, {"x is in [", "]"}};
  for (const auto& [open, close] : nests)
    expect_capacity("{{ " + repeated(open, 50000) + "1" + repeated(close, 50000) + " }}", "max_depth");
  for (const char* chain : {"+1", "|e", ".x", "[0]", " or 1", "()", "**1"})
    expect_capacity("{{ 1" + repeated(chain, 100000) + " }}", "max_depth");
  expect_capacity(repeated("{% if x %}", 100000), "max_depth");
  expect_capacity(repeated("{% for x in y %}", 30000), "max_depth");
  // Long but flat is fine.
  EXPECT_TRUE(render("{{ 1" + repeated("~1", 50000) + " }}").ok());
  EXPECT_TRUE(render("{% if 0 %}" + repeated("{% elif 0 %}", 30000) + "{% endif %}").ok());
}

TEST(Jinja, RunningIsBounded) {
  const std::string loop = "{% for a in range(100000) %}{% for b in range(100000) %}";
  jinja::Limits short_run;
  short_run.max_steps = 1000000;
  short_run.max_output_bytes = 1000000;
  expect_capacity(loop + "{% endfor %}{% endfor %}", "max_steps", short_run);
  expect_capacity(loop + repeated("x", 160) + "{% endfor %}{% endfor %}", "max_output_bytes", short_run);
  expect_capacity("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "max_call_depth");
  jinja::Limits deep;
  deep.max_call_depth = 100000;
  expect_capacity("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "max_eval_depth", deep);
  jinja::Limits small;
  small.max_memory_bytes = 1 << 20;
  expect_capacity("{{ 'x' * 999999999999 }}", "max_memory_bytes");
  expect_capacity("{{ [1] * 999999999999 }}", "max_memory_bytes");
  expect_capacity("{{ range(999999999) }}", "range");
  expect_capacity("{{ 'a'.ljust(9999999999) }}", "max_memory_bytes");
  expect_capacity("{{ 'a' | indent(9999999999, true) }}", "max_memory_bytes");
  expect_capacity("{% set a = 'ab' * 50000 %}{{ a.replace('b', a) | length }}", "max_memory_bytes");
  expect_capacity("{% set n = namespace(s='aaaaaaaa') %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}",
                  "max_memory_bytes", small);
}

TEST(Jinja, SharedListsCannotExplode) {
  const std::string bomb =
      "{% set n = namespace(l=[]) %}{% for i in range(100) %}{% set n.l = [n.l, n.l] %}{% endfor %}";
  EXPECT_TRUE(render(bomb).ok());
  jinja::Limits limits;
  limits.max_steps = 1000000;
  expect_capacity(bomb + "{{ n.l }}", "limit", limits);
  expect_capacity(bomb + "{{ n.l | tojson }}", "limit", limits);
  const std::string other =
      bomb + "{% set k = namespace(l=[]) %}{% for i in range(100) %}{% set k.l = [k.l, k.l] %}{% endfor %}";
  expect_capacity(other + "{{ k.l == n.l }}", "max_steps", limits);
  expect_capacity(other + "{{ k.l < n.l }}", "max_steps", limits);
  expect_capacity("{% set n = namespace(l=[]) %}{% for i in range(1000) %}{% set n.l = [n.l] %}{% endfor %}",
                  "max_depth");
  expect_capacity("{{ x }}" + bomb + "{% for i in range(1000) %}{% set n.l = {'a': n.l} %}{% endfor %}", "max_depth");
}

// Under AddressSanitizer these would show as leaks, or as a stack that is used up.
TEST(Jinja, CirclesAndLongChainsAreFreed) {
  EXPECT_TRUE(render("{% set n = namespace() %}{% set n.self = n %}{% set n.list = [n] %}").ok());
  EXPECT_TRUE(render("{% set n = namespace(next=none) %}{% for i in range(100000) %}{% set n.next = "
                     "namespace(next=n.next) %}{% endfor %}")
                  .ok());
  EXPECT_TRUE(render("{% for i in [1] %}{% macro m() %}{{ m }}{% endmacro %}{% set k = m %}{% endfor %}").ok());
  EXPECT_TRUE(render("{% set n = namespace(f=none) %}{% macro a(f) %}{% macro b() %}{{ f() }}{% endmacro %}{% set n.f "
                     "= b %}{% endmacro %}"
                     "{% for i in range(20000) %}{{ a(n.f) }}{% endfor %}")
                  .ok());
  EXPECT_TRUE(render("{% set n = namespace() %}{% for i in [1] %}{% set n.l = loop %}{{ loop.changed(1) }}{% endfor "
                     "%}{{ n.l.index }}")
                  .ok());
  EXPECT_TRUE(render("{% for i in [1] %}{% macro m() %}x{% endmacro %}{% set n = namespace(m=m) %}{% for j in [1] %}{% "
                     "macro k() %}{{ m }}"
                     "{% endmacro %}{% set n.k = k %}{% endfor %}{% set up = n.k %}{% endfor %}")
                  .ok());
}

TEST(Jinja, SearchingIsLinear) {
  const std::string make = "{% set a = 'a' * 1000000 %}{% set b = 'a' * 500000 + 'b' %}";
  const auto r = render(
      make +
      "{{ b in a }} {{ a.find(b) }} {{ a.replace(b, 'x') | length }} {{ a.count(b) }} {{ a.split(b) | length }}");
  ASSERT_TRUE(r.ok()) << r.error().message;
  EXPECT_EQ(*r, "False -1 1000000 0 1");
}

TEST(Jinja, VariablesAreChecked) {
  EXPECT_NE(error_of("x", "[1]").find("variables_json: it must be a JSON object"), std::string::npos);
  EXPECT_NE(error_of("x", "{\"a\":").find("variables_json: it is not valid JSON"), std::string::npos);
  EXPECT_NE(error_of("x", "{\"a\": 18446744073709551615}").find("does not fit 64 bits"), std::string::npos);
  EXPECT_NE(error_of("x", "{\"messages\": []}").find("may not set 'messages'"), std::string::npos);
  EXPECT_NE(error_of("x", "{\"a\":" + repeated("[", 100000) + repeated("]", 100000) + "}").find("deeper than 200"),
            std::string::npos);
  const auto r = render("{% for k in v %}{{ k }}{% endfor %}", R"({"v": {"z": 1, "a": 2, "m": 3}})");
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(*r, "zam");  // in the order written
}

TEST(Jinja, BytesThatAreNotUtf8Survive) {
  const auto t = ChatTemplate::parse(
      "{{ messages[0].content | trim | upper }}|{{ messages[0].content[::-1] }}|{{ messages[0].content | length }}", "",
      "");
  ASSERT_TRUE(t.ok());
  const ChatMessage m{"user", "a\xff\xc3(\xe4\xb8\xad\xf0\x9f", ""};
  const auto r = t->render(std::span(&m, 1));
  ASSERT_TRUE(r.ok()) << r.error().message;
  EXPECT_EQ(*r,
            "A\xff\xc3(\xe4\xb8\xad\xf0\x9f|\x9f\xf0\xe4\xb8\xad(\xc3\xff"
            "a|7");
}

// Damaged templates: whatever happens is a text or an error, soon.
class Damage : public ::testing::Test {
 protected:
  void SetUp() override {
    data_ = read_json("snippets.json");
    snippet_variables_ = data_["variables"].dump();
    snippet_messages_ = to_messages(data_["messages"]);
    const Json chats = read_json("chats.json");
    chat_messages_ = to_messages(chats["conversations"][5]["messages"]);
    chat_variables_ = chats["conversations"][5]["variables"].dump();
    for (const auto& t : chats["templates"]) chats_.push_back(t["template"].get<std::string>());
    for (const auto& s : data_["snippets"]) snippets_.push_back(s["template"].get<std::string>());
    limits_.max_steps = 20000;
    limits_.max_memory_bytes = 1 << 20;
    limits_.max_output_bytes = 1 << 18;
  }

  void run(const std::string& source, bool chat) {
    auto t = ChatTemplate::parse(source, "<s>", "</s>", limits_);
    ++runs_;
    if (!t.ok()) {
      ASSERT_FALSE(t.error().message.empty());
      return;
    }
    ChatOptions options;
    options.variables_json = chat ? chat_variables_ : snippet_variables_;
    options.now = 0;
    const auto r = t->render(chat ? chat_messages_ : snippet_messages_, options);
    if (r.ok()) {
      ++rendered_;
    } else {
      ASSERT_FALSE(r.error().message.empty());
      ASSERT_NE(r.error().code, ErrorCode::kInternal) << r.error().message;
    }
  }

  Json data_;
  std::string snippet_variables_, chat_variables_;
  std::vector<ChatMessage> snippet_messages_, chat_messages_;
  std::vector<std::string> chats_, snippets_;
  jinja::Limits limits_;
  size_t runs_ = 0, rendered_ = 0;
};

TEST_F(Damage, TruncatedAtEveryByte) {
  for (const auto& s : chats_) {
    for (size_t n = 0; n < s.size(); ++n) run(s.substr(0, n), true);
  }
  for (const auto& s : snippets_) {
    for (size_t n = 0; n < s.size(); ++n) run(s.substr(0, n), false);
  }
  EXPECT_GT(rendered_, 100u);
}

TEST_F(Damage, RandomBytesAndPiecesExchanged) {
  std::mt19937 random(20250214);
  const auto below = [&](size_t n) { return static_cast<size_t>(random()) % n; };
  static const std::string kBytes = "{}%#-+()[]|.,:='\"~*/<>!_ \n\\09azif\xff\x80";
  const auto mutate = [&](std::string s, const std::string& other) {
    for (size_t edits = 1 + below(4); edits > 0 && !s.empty(); --edits) {
      const size_t at = below(s.size());
      switch (below(5)) {
        case 0:
          s[at] = kBytes[below(kBytes.size())];
          break;
        case 1:
          s[at] = static_cast<char>(below(256));
          break;
        case 2:
          s.erase(at, 1 + below(8));
          break;
        case 3:
          s.insert(at, s.substr(below(s.size()), below(30)));
          break;
        default:
          if (!other.empty()) s.insert(at, other.substr(below(other.size()), below(40)));
      }
    }
    return s;
  };
  for (size_t i = 0; i < 4000; ++i) run(mutate(chats_[below(chats_.size())], chats_[below(chats_.size())]), true);
  for (size_t i = 0; i < 20000; ++i)
    run(mutate(snippets_[below(snippets_.size())], snippets_[below(snippets_.size())]), false);
  EXPECT_GT(rendered_, 1000u);
}

}  // namespace
}  // namespace kedge::tokenizer
