// GBNF and regular expressions: what they match, what is wrong with them, and regular expressions beside PCRE2.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <gtest/gtest.h>
#include <pcre2.h>

#include <random>

#include "engine/grammar/automaton.h"
#include "engine/grammar/grammar.h"
#include "engine/grammar/matcher.h"

namespace kedge::engine::grammar {
namespace {

using Read = Result<Grammar::NodeId> (*)(std::string_view, Grammar&);

// What became of a source: its automaton, or the error.
Result<Automaton> automaton_of(Read read, const std::string& source) {
  Grammar grammar;
  KEDGE_ASSIGN(root, read(source, grammar));
  grammar.start(root);
  return compile(grammar, {});
}

bool matches(const Automaton& automaton, const std::string& text) {
  Matcher at(automaton);
  at.begin();
  for (const char c : text) {
    if (!at.step(static_cast<uint8_t>(c))) return false;
  }
  return at.may_end();
}

struct Case {
  std::string source;
  std::vector<std::string> texts;
  std::vector<std::string> others;
};

void check(Read read, const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    const auto automaton = automaton_of(read, c.source);
    ASSERT_TRUE(automaton.ok()) << c.source << ": " << automaton.error().message;
    for (const std::string& text : c.texts)
      EXPECT_TRUE(matches(*automaton, text)) << c.source << " and '" << text << "'";
    for (const std::string& text : c.others)
      EXPECT_FALSE(matches(*automaton, text)) << c.source << " and '" << text << "'";
  }
}

struct Wrong {
  std::string source;
  ErrorCode code;
  std::string message;  // a part of it
};

void check(Read read, const std::vector<Wrong>& cases) {
  for (const Wrong& c : cases) {
    const auto automaton = automaton_of(read, c.source);
    ASSERT_FALSE(automaton.ok()) << c.source;
    EXPECT_EQ(automaton.error().code, c.code) << c.source << ": " << automaton.error().message;
    EXPECT_NE(automaton.error().message.find(c.message), std::string::npos)
        << c.source << ": " << automaton.error().message;
  }
}

TEST(Gbnf, WhatItMatches) {
  check(read_gbnf, std::vector<Case>{
                       {"root ::= \"a\"", {"a"}, {"", "b", "aa"}},
                       {"root ::= \"a\" | \"b\" \"c\" |", {"a", "bc", ""}, {"b", "c"}},
                       {"# a comment\nroot ::= x # another\n\nx ::= [a-c]+\n", {"a", "abc"}, {"", "d"}},
                       {"root ::= [^a-c\\n]", {"d", "\u00e9", "\U0001f600"}, {"a", "\n", "", "dd"}},
                       {"root ::= [a-]", {"a", "-"}, {"b"}},
                       {"root ::= [-a]", {"a", "-"}, {"b"}},
                       {"root ::= [\\]\\[\\\\\\\"]", {"]", "[", "\\", "\""}, {"a"}},
                       {"root ::= \"\\x41\\u00e9\\U0001F600\\t\\r\\n\\\\\\\"\"", {"A\u00e9\U0001f600\t\r\n\\\""}, {""}},
                       {"root ::= .", {"a", "\n", "\u00e9"}, {"", "ab"}},
                       {"root ::= \"ab\"*", {"", "ab", "abab"}, {"a", "aba", "abb"}},
                       {"root ::= \"a\"{2}", {"aa"}, {"a", "aaa"}},
                       {"root ::= \"a\"{2,}", {"aa", "aaaa"}, {"a"}},
                       {"root ::= \"a\"{1,3} \"b\"?", {"a", "aaa", "aaab"}, {"", "aaaa"}},
                       {"root ::= (\"a\" |\n  \"b\"\n)+ \"c\"", {"ac", "bac"}, {"c", "ab"}},
                       {"root ::=\n  \"a\" |\n  \"b\"", {"a", "b"}, {"ab"}},
                       {"root ::= sum\nsum ::= sum \"+\" n | n\nn ::= [0-9] | \"(\" sum \")\"",
                        {"1", "1+2+3", "(1+2)+(3)"},
                        {"", "+1", "(1"}},
                       {"root ::= a a\na ::= \"x\"? b\nb ::= a | \"y\"", {"yy", "xyy", "xxyxy"}, {"y", "x", "yyy"}},
                       {"root ::= \"\"", {""}, {"a"}},
                       {"root ::= <think> \"a\"", {"<think>a"}, {"a", "think"}},
                   });
}

TEST(Gbnf, WhatIsWrongWithIt) {
  using enum ErrorCode;
  check(read_gbnf,
        std::vector<Wrong>{
            {"", kInvalidArgument, "no rule is called 'root'"},
            {"start ::= \"a\"", kInvalidArgument, "no rule is called 'root'"},
            {"root ::= x", kInvalidArgument, "line 1, column 10: the rule 'x' is not defined"},
            {"root ::= \"a\"\nroot ::= \"b\"", kInvalidArgument, "line 2, column 1: the rule 'root' is defined twice"},
            {"root = \"a\"", kInvalidArgument, "'::=' is missing"},
            {"root ::= \"a", kInvalidArgument, "column 10: the string is not closed"},
            {"root ::= [a", kInvalidArgument, "the character class is not closed"},
            {"root ::= [c-a]", kInvalidArgument, "the range ends before it begins"},
            {"root ::= (\"a\"", kInvalidArgument, "')' is missing before the end"},
            {"root ::= \"a\")", kInvalidArgument, "')' is not expected"},
            {"root ::= *", kInvalidArgument, "nothing stands before '*'"},
            {"root ::= \"a\"{", kInvalidArgument, "a number is missing"},
            {"root ::= \"a\"{3,2}", kInvalidArgument, "at least 3 and at most 2"},
            {"root ::= \"\\q\"", kInvalidArgument, "unknown escape of 'q'"},
            {"root ::= \"\\xg0\"", kInvalidArgument, "hexadecimal"},
            {"root ::= \"\\ud800\"", kInvalidArgument, "no character"},
            {"root ::= \"\xff\"", kInvalidArgument, "byte 10 is not UTF-8"},
            {"root ::= root", kInvalidArgument, "no text matches"},
            {"root ::= \"a\" root", kInvalidArgument, "no text matches"},
            {"root ::= <[12]>", kUnsupported, "by its number"},
            {"root ::= !<think>", kUnsupported, "excluded"},
            {"root ::= \"a\"{1000000000}", kCapacity, "more than"},
            {"root ::= " + std::string(300, '(') + "\"a\"" + std::string(300, ')'), kCapacity, "parentheses"},
        });
}

TEST(Regex, WhatItMatches) {
  check(read_regex,
        std::vector<Case>{
            {"", {""}, {"a"}},
            {"a|bc|", {"a", "bc", ""}, {"b"}},
            {"^\\d{3}-\\d{4}$", {"555-1234"}, {"5551234", "555-12345"}},
            {"a*?b+?c??", {"b", "aabbc"}, {"a", "bcc"}},
            {"(?:ab)+(?<name>c)(d)", {"abcd", "ababcd"}, {"cd", "abc"}},
            {"[^\\d\\s]", {"a", "\u00e9"}, {"1", " ", "\u00a0"}},
            {"[\\w.-]+@[\\w-]+\\.com", {"a.b-c@d.com"}, {"@d.com", "a@dxcom"}},
            {".", {"a", "\u00e9"}, {"\n", "\u2028", ""}},
            {"[^]", {"\n", "a"}, {""}},
            {"\\u00e9\\u{1F600}\\uD83D\\uDE00\\x41\\cJ\\0", {std::string("\u00e9\U0001f600\U0001f600A\n\0", 13)}, {""}},
            {"\\p{Lu}\\p{gc=Nd}\\P{L}", {"\u00c91!", "A\u06637"}, {"a1!", "A1a"}},
            {"[\\p{Ll}_]+", {"a_\u00e9"}, {"A"}},
            {"\\/\\-\\\"\\]", {"/-\"]"}, {""}},
            {"(^a|b)c", {"ac", "bc"}, {"c"}},
            {"x*^a", {"a"}, {"xa"}},
            {"[\\s\\S]*(?:^ab$|cd)[\\s\\S]*", {"ab", "cd", "xcdx"}, {"abx", "xab", "c"}},
            {"(a|b$)c?", {"a", "ac", "b"}, {"bc"}},
            {"[a-\\x7a]", {"m"}, {"A"}},
        });
}

TEST(Regex, WhatIsWrongWithIt) {
  using enum ErrorCode;
  check(read_regex, std::vector<Wrong>{
                        {"(a", kInvalidArgument, "offset 0: '(' without ')'"},
                        {"a)", kInvalidArgument, "offset 1: ')' without '('"},
                        {"[a", kInvalidArgument, "'[' without ']'"},
                        {"*a", kInvalidArgument, "nothing stands before '*'"},
                        {"a**", kInvalidArgument, "nothing stands before '*'"},
                        {"a{2,1}", kInvalidArgument, "out of order"},
                        {"a{", kInvalidArgument, "a number is missing"},
                        {"a}", kInvalidArgument, "a lone '}'"},
                        {"[b-a]", kInvalidArgument, "the range ends before it begins"},
                        {"[\\d-a]", kInvalidArgument, "no end of a range"},
                        {"\\q", kInvalidArgument, "unknown escape of 'q'"},
                        {"\\", kInvalidArgument, "backslash at the end"},
                        {"\\u{110000}", kInvalidArgument, "no character"},
                        {"\\ud800", kInvalidArgument, "no character"},
                        {"^*", kInvalidArgument, "anchor cannot be repeated"},
                        {"a$b", kInvalidArgument, "no text matches"},
                        {"(?=a)b", kUnsupported, "offset 0: look-around"},
                        {"x(?<!a)b", kUnsupported, "offset 1: look-around"},
                        {"(a)\\1", kUnsupported, "offset 3: a back-reference"},
                        {"(?<n>a)\\k<n>", kUnsupported, "a back-reference"},
                        {"\\bword", kUnsupported, "a word boundary"},
                        {"\\p{Script=Greek}", kUnsupported, "'Script=Greek'"},
                        {"(?i:a)", kUnsupported, "this kind of group"},
                        {"(a|^b)*", kUnsupported, "an anchor in what is repeated"},
                        {"(a|b)*a(a|b){24}", kCapacity, "more than"},
                        {"\xff", kInvalidArgument, "not UTF-8"},
                    });
}

// Whether all of a text matches, by PCRE2; -1: it does not compile.
class Pcre {
 public:
  explicit Pcre(const std::string& pattern) {
    int error = 0;
    PCRE2_SIZE offset = 0;
    code_ =
        pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                      PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOLLAR_ENDONLY, &error, &offset, nullptr);
    if (code_ != nullptr) data_ = pcre2_match_data_create_from_pattern(code_, nullptr);
  }
  ~Pcre() {
    pcre2_match_data_free(data_);
    pcre2_code_free(code_);
  }
  Pcre(const Pcre&) = delete;
  Pcre& operator=(const Pcre&) = delete;
  bool ok() const { return code_ != nullptr; }
  bool matches(const std::string& text) const {
    return pcre2_match(code_, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0, 0, data_, nullptr) >= 0;
  }

 private:
  pcre2_code* code_ = nullptr;
  pcre2_match_data* data_ = nullptr;
};

class RandomPattern {
 public:
  explicit RandomPattern(uint32_t seed) : random_(seed) {}

  std::string make() { return choice(3); }
  std::string text() {
    static const std::vector<std::string> kCharacters = {"a", "b", "c", "1", " ", "-", "\u00e9", "\n", "_"};
    std::string text;
    for (size_t n = random_() % 7; n > 0; --n) text += kCharacters[random_() % kCharacters.size()];
    return text;
  }

 private:
  std::string choice(int depth) {
    std::string out = sequence(depth);
    while (random_() % 3 == 0) out += "|" + sequence(depth);
    return out;
  }

  std::string sequence(int depth) {
    std::string out;
    for (size_t n = random_() % 4; n > 0; --n) {
      switch (random_() % 12) {
        case 0:
          out += "^";
          continue;
        case 1:
          out += "$";
          continue;
        default:
          out += atom(depth) + quantifier();
      }
    }
    return out;
  }

  std::string atom(int depth) {
    static const std::vector<std::string> kAtoms = {"a",   "b",     "c",     "\u00e9",   ".",     "\\d",  "\\w",
                                                    "\\s", "\\D",   "\\W",   "\\S",      "[a-c]", "[^b]", "[^\\d]",
                                                    "-",   "[a1-]", "\\x61", "[\\s\\w]", "[^\\W]"};
    if (depth > 0 && random_() % 3 == 0) return (random_() % 2 == 0 ? "(" : "(?:") + choice(depth - 1) + ")";
    return kAtoms[random_() % kAtoms.size()];
  }

  std::string quantifier() {
    static const std::vector<std::string> kQuantifiers = {"*",     "+",    "?",  "{2}", "{1,3}",
                                                          "{0,2}", "{2,}", "*?", "+?",  "??"};
    return random_() % 2 == 0 ? "" : kQuantifiers[random_() % kQuantifiers.size()];
  }

  std::mt19937 random_;
};

TEST(Regex, MatchesWhatPcre2Matches) {
  size_t patterns = 0;
  size_t found = 0;
  for (uint32_t seed = 0; seed < 2000; ++seed) {
    RandomPattern random(seed);
    const std::string pattern = random.make();
    const Pcre pcre(pattern);
    ASSERT_TRUE(pcre.ok()) << pattern;
    const auto automaton = automaton_of(read_regex, pattern);
    if (!automaton.ok() && automaton.error().code == ErrorCode::kUnsupported) continue;  // anchors in what is repeated
    ++patterns;
    for (int i = 0; i < 30; ++i) {
      const std::string text = random.text();
      const bool expected = pcre.matches(text);
      found += expected ? 1 : 0;
      const bool is = automaton.ok() && matches(*automaton, text);
      ASSERT_EQ(is, expected) << pattern << " and '" << text << "'";
    }
  }
  EXPECT_GT(patterns, 1500u);
  EXPECT_GT(found, 3000u);
}

TEST(GrammarOperations, BothAndWithout) {
  Grammar g;
  const auto read = [&](const char* pattern) { return *read_regex(pattern, g); };
  const auto automaton = [&](Grammar::NodeId node) {
    g.start(node);
    return *compile(g, {});
  };
  const Automaton both = automaton(g.both(read("[a-z]{2,4}"), read(".*e.*")));
  EXPECT_TRUE(matches(both, "bed"));
  EXPECT_FALSE(matches(both, "bad"));
  EXPECT_FALSE(matches(both, "bedded"));
  const Automaton without = automaton(g.without(read("[a-z]*"), read("for|while|.*z")));
  EXPECT_TRUE(matches(without, "fo"));
  EXPECT_TRUE(matches(without, "form"));
  EXPECT_TRUE(matches(without, "zoo"));
  EXPECT_FALSE(matches(without, "for"));
  EXPECT_FALSE(matches(without, "fizz"));
  g.start(g.both(read("a+"), read("b+")));
  EXPECT_EQ(compile(g, {}).error().message, "no text matches the grammar");
  const auto rule = g.declare("r");
  g.define(rule, g.choice({g.text("x"), g.sequence({g.text("("), g.rule(rule), g.text(")")})}));
  g.start(g.without(g.rule(rule), g.text("x")));
  EXPECT_EQ(compile(g, {}).error().code, ErrorCode::kUnsupported);
}

// Expressions that share what comes behind them, as automata of digits do, are as small as they are written.
TEST(GrammarOperations, SharedEndsAreNotWrittenOut) {
  Grammar g;
  std::vector<Grammar::NodeId> level(7);
  for (size_t rest = 0; rest < 7; ++rest) level[rest] = rest == 0 ? g.empty() : g.nothing();
  for (int digit = 0; digit < 60; ++digit) {
    std::vector<Grammar::NodeId> next(7);
    for (size_t rest = 0; rest < 7; ++rest) {
      std::vector<Grammar::NodeId> ways;
      for (size_t d = 0; d < 10; ++d) {
        ways.push_back(g.sequence({g.text(std::to_string(d)), level[(rest * 10 + d) % 7]}));
      }
      next[rest] = g.choice(ways);
    }
    level = next;
  }
  g.start(level[0]);
  const auto automaton = compile(g, {});
  ASSERT_TRUE(automaton.ok()) << automaton.error().message;
  EXPECT_LT(automaton->n_states(), 1000u);
  EXPECT_TRUE(matches(*automaton, std::string(59, '0') + "7"));
  EXPECT_TRUE(matches(*automaton, std::string(58, '0') + "14"));
  EXPECT_FALSE(matches(*automaton, std::string(59, '0') + "8"));
}

}  // namespace
}  // namespace kedge::engine::grammar
