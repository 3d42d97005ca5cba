// Masks, ends, forced tokens and budgets of grammars against what their expressions mean.
#include <gtest/gtest.h>

#include <random>

#include "tests/engine/grammar_oracle.h"
#include "tests/engine/grammar_vocab.h"

namespace kedge::engine::grammar {
namespace {

std::shared_ptr<const Compiled> compile_text(const std::string& gbnf, std::shared_ptr<const Vocabulary> vocabulary) {
  Grammar grammar;
  const auto root = read_gbnf(gbnf, grammar);
  EXPECT_TRUE(root.ok()) << root.error().message;
  if (!root.ok()) return nullptr;
  grammar.start(*root);
  auto compiled = Compiled::make(grammar, std::move(vocabulary));
  EXPECT_TRUE(compiled.ok()) << gbnf << ": " << compiled.error().message;
  return compiled.ok() ? *compiled : nullptr;
}

// A random grammar over a, b, c and e with an acute accent (two bytes). Rules may call any rule anywhere, so that there
// is recursion of all kinds, rules that never end, and every ambiguity.
class RandomGrammar {
 public:
  explicit RandomGrammar(uint32_t seed) : random_(seed) {}

  void make(Grammar& into) {
    const size_t n = 1 + random_() % 3;
    for (size_t i = 0; i < n; ++i) rules_.push_back(into.declare("r" + std::to_string(i)));
    for (const auto rule : rules_) into.define(rule, node(into, 3));
    into.start(into.rule(rules_[0]));
  }

 private:
  Grammar::NodeId leaf(Grammar& into) {
    switch (random_() % 6) {
      case 0:
        return into.text("ab");
      case 1:
        return into.chars({{'a', 'c'}});
      case 2:
        return into.chars({{'b', 'b'}, {0xe9, 0xea}});
      case 3:
        return into.text("\u00e9");
      case 4:
        return into.empty();
      default:
        return into.text(std::string(1, static_cast<char>('a' + random_() % 3)));
    }
  }

  Grammar::NodeId node(Grammar& into, int depth) {
    const auto part = [&] { return node(into, depth - 1); };
    if (depth == 0) return leaf(into);
    switch (random_() % 8) {
      case 0:
      case 1:
        return into.sequence({part(), part()});
      case 2:
        return into.sequence({part(), part(), part()});
      case 3:
      case 4:
        return into.choice({part(), part()});
      case 5: {
        const size_t least = random_() % 3;
        const size_t most = random_() % 2 == 0 ? kNoLimit : least + random_() % 3;
        return into.repeat(part(), least, most);
      }
      case 6:
        return into.rule(rules_[random_() % rules_.size()]);
      default:
        return leaf(into);
    }
  }

  std::mt19937 random_;
  std::vector<Grammar::RuleId> rules_;
};

std::vector<std::string> small_pieces() {
  return bytes_and({"aa", "ab", "ba", "abc", "bb", "cc", "ca", "bca", "aab", "a\u00e9", "\u00e9\u00e9", "\u00e9",
                    "\xa9"
                    "b",
                    "b\xc3", "\xa9\xc3", "\u00eab", "abab", "ccc", "bbbb"});
}

// Goes along random allowed tokens; at each place every token is asked for.
void check_masks(const Grammar& grammar, std::shared_ptr<const Vocabulary> vocabulary, std::mt19937& random,
                 size_t& checked) {
  const auto compiled = Compiled::make(grammar, vocabulary);
  const bool has_texts = GrammarOracle(grammar, "").begins();
  ASSERT_EQ(compiled.ok(), has_texts) << compiled.error().message;
  if (!has_texts) return;
  GrammarFilter filter(*compiled);
  std::string text;
  for (int step = 0; step < 4; ++step) {
    const auto allowed = allowed_tokens(filter, vocabulary->n_vocab(), 1000000);
    ASSERT_EQ(filter.may_end(), GrammarOracle(grammar, text).matches()) << text;
    std::vector<int32_t> some;
    for (size_t id = 0; id < allowed.size(); ++id) {
      const auto token = static_cast<int32_t>(id);
      if (vocabulary->is_end(token)) {
        ASSERT_EQ(allowed[id], filter.may_end());
        continue;
      }
      const std::string longer = text + std::string(vocabulary->tokenizer().piece(token));
      // Bytes that are none of the alphabet's are asked for once in a while only.
      const bool foreign = !allowed[id] && id > 20 + 19 && random() % 16 != 0;
      if (!foreign) {
        ASSERT_EQ(allowed[id], GrammarOracle(grammar, longer).begins()) << "'" << text << "' + " << longer;
      }
      if (allowed[id]) some.push_back(token);
      ++checked;
    }
    ASSERT_EQ(filter.over(), filter.may_end() && some.empty());
    if (some.empty()) return;
    const int32_t next = some[random() % some.size()];
    ASSERT_TRUE(filter.accept(next).ok());
    text += vocabulary->tokenizer().piece(next);
  }
}

TEST(Grammar, MasksAreTheTokensWithWhichATextGoesOn) {
  const auto tokenizer = make_tokenizer(small_pieces());
  const auto vocabulary = std::make_shared<const Vocabulary>(*tokenizer, static_cast<size_t>(tokenizer->size()));
  std::mt19937 random(1);
  size_t checked = 0;
  for (uint32_t seed = 0; seed < 150; ++seed) {
    Grammar grammar;
    RandomGrammar(seed).make(grammar);
    check_masks(grammar, vocabulary, random, checked);
    if (HasFatalFailure()) FAIL() << "seed " << seed;
  }
  EXPECT_GT(checked, 20000u);
}

// Within so many tokens as are left there is always an end, and nothing that leads to one is forbidden without need.
TEST(Grammar, ClosesWithinTheTokensThatAreLeft) {
  const auto tokenizer = make_tokenizer(small_pieces());
  const auto vocabulary = std::make_shared<const Vocabulary>(*tokenizer, static_cast<size_t>(tokenizer->size()));
  std::mt19937 random(2);
  size_t closed = 0;
  for (uint32_t seed = 0; seed < 400; ++seed) {
    Grammar grammar;
    RandomGrammar(seed).make(grammar);
    const auto compiled = Compiled::make(grammar, vocabulary);
    if (!compiled.ok()) continue;
    GrammarFilter filter(*compiled);
    size_t left = filter.cost() + random() % 6;
    for (; left > 0 && !filter.over(); --left) {
      const auto allowed = allowed_tokens(filter, vocabulary->n_vocab(), left);
      std::vector<int32_t> some;
      for (size_t id = 1; id < allowed.size(); ++id) {
        if (allowed[id]) some.push_back(static_cast<int32_t>(id));
      }
      if (some.empty()) break;
      ASSERT_TRUE(filter.accept(some[random() % some.size()]).ok());
      ASSERT_LE(filter.cost(), left - 1);
    }
    ASSERT_TRUE(filter.may_end()) << "seed " << seed;
    ++closed;
  }
  EXPECT_GT(closed, 200u);
}

TEST(Grammar, TooFewTokensForAnyEndIsAnErrorThatSaysBoth) {
  const auto tokenizer = make_tokenizer(bytes_and({"abc"}));
  const auto vocabulary = std::make_shared<const Vocabulary>(*tokenizer, static_cast<size_t>(tokenizer->size()));
  GrammarFilter filter(compile_text("root ::= \"abcabcd\"", vocabulary));
  std::vector<uint64_t> bits(token_words(vocabulary->n_vocab()), ~uint64_t{0});
  const Status status = filter.allow(bits, 2);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kCapacity);
  EXPECT_EQ(status.error().message, "the text takes 3 more tokens to its end, and 2 are left");
  bits.assign(bits.size(), ~uint64_t{0});
  ASSERT_TRUE(filter.allow(bits, 3).ok());
  const auto abc = static_cast<size_t>(vocabulary->tokenizer().size() - 256 - 1);
  EXPECT_TRUE(token_allowed(bits, abc));
  EXPECT_FALSE(token_allowed(bits, abc + 1 + 'a'));  // "a" would leave six tokens to two
}

// What is long has an end that takes long tokens, where any will do.
TEST(Grammar, LongTextsAreCountedInLongTokens) {
  const auto tokenizer = make_tokenizer(bytes_and({"international"}));
  const auto vocabulary = std::make_shared<const Vocabulary>(*tokenizer, static_cast<size_t>(tokenizer->size()));
  EXPECT_LE(GrammarFilter(compile_text("root ::= [^x]{600,}", vocabulary)).cost(), 600u / 13 + 16);
  EXPECT_EQ(GrammarFilter(compile_text("root ::= [0-9]{600,}", vocabulary)).cost(), 600u);
}

TEST(Grammar, ForcedTokensAreTheTokenizersAndHoldBackWhatMayGrow) {
  const auto tokenizer = make_tokenizer(bytes_and({"{\"", "name", "\":", " \"", "\":\""}), {"<call>", "<ca"});
  const auto vocabulary = std::make_shared<const Vocabulary>(*tokenizer, static_cast<size_t>(tokenizer->size()));
  const auto forced_text = [&](const std::string& gbnf, size_t left = 100) {
    GrammarFilter filter(compile_text(gbnf, vocabulary));
    std::vector<int32_t> tokens(32);
    tokens.resize(filter.forced(tokens, left));
    std::string text;
    for (const int32_t token : tokens) {
      EXPECT_TRUE(filter.accept(token).ok());
      text += std::string(text.empty() ? "" : "|") + std::string(tokenizer->piece(token));
    }
    return text;
  };
  EXPECT_EQ(forced_text(R"(root ::= "{\"name\":" [0-9]+ "}")"), "{\"|name|\":");
  // A quote that comes may make another token of the colon.
  EXPECT_EQ(forced_text(R"(root ::= "{\"name\":" [0-9"]+ "}")"), "{\"|name");
  EXPECT_EQ(forced_text(R"(root ::= "{\"name\":" [0-9"]+ "}")", 6), "{\"|name");
  EXPECT_EQ(forced_text(R"(root ::= "xy")"), "x|y");
  EXPECT_EQ(forced_text(R"(root ::= "x" | "y")"), "");
  EXPECT_EQ(forced_text(R"(root ::= "x"?)"), "");
  EXPECT_EQ(forced_text(R"(root ::= "a" <call> "b" [cd])"), "a|<call>|b");
  // Where the marker's bytes are one text of several, a control token would leave the others out.
  EXPECT_EQ(forced_text(R"(root ::= "a" (<call> | "<cal") "b")"), "a|<|c|a|l");
}

TEST(Grammar, ControlTokensStandForMarkersOnly) {
  const auto tokenizer = make_tokenizer(bytes_and({"call"}), {"<call>", "<other>"});
  const auto vocabulary = std::make_shared<const Vocabulary>(*tokenizer, static_cast<size_t>(tokenizer->size()));
  GrammarFilter marker(compile_text("root ::= <call> [a-z]", vocabulary));
  auto allowed = allowed_tokens(marker, vocabulary->n_vocab(), 100);
  EXPECT_TRUE(allowed[1]);
  EXPECT_FALSE(allowed[2]);
  EXPECT_TRUE(allowed[3 + 1 + '<']);
  EXPECT_FALSE(allowed[0]);
  ASSERT_TRUE(marker.accept(1).ok());
  EXPECT_FALSE(marker.accept(1).ok());
  EXPECT_TRUE(marker.accept(3 + 1 + 'q').ok());
  EXPECT_TRUE(marker.over());
  GrammarFilter text(compile_text("root ::= \"<call>\" | .*", vocabulary));
  allowed = allowed_tokens(text, vocabulary->n_vocab(), 100);
  EXPECT_FALSE(allowed[1]);
  EXPECT_FALSE(allowed[2]);
  EXPECT_TRUE(allowed[0]);
  ASSERT_TRUE(text.accept(0).ok());
  EXPECT_TRUE(text.over());
  EXPECT_FALSE(text.accept(0).ok());
}

// A text of a million bytes neither takes more memory nor more time per token than a short one.
TEST(Grammar, LongTextsAndDeepNesting) {
  const auto tokenizer = make_tokenizer(bytes_and({"[[[[", "]]]]", "ab"}));
  const auto vocabulary = std::make_shared<const Vocabulary>(*tokenizer, static_cast<size_t>(tokenizer->size()));
  GrammarFilter list(compile_text("root ::= \"ab\" root | \"c\"", vocabulary));
  for (int i = 0; i < 500000; ++i) ASSERT_TRUE(list.accept(3).ok());
  EXPECT_EQ(list.cost(), 1u);
  GrammarFilter left(compile_text("root ::= root \"ab\" | \"c\"", vocabulary));
  ASSERT_TRUE(left.accept(4 + 'c').ok());
  for (int i = 0; i < 100000; ++i) ASSERT_TRUE(left.accept(3).ok());
  EXPECT_TRUE(left.may_end());
  GrammarFilter nested(compile_text("root ::= \"[\" root \"]\" | \"x\"", vocabulary));
  for (int i = 0; i < 10000; ++i) ASSERT_TRUE(nested.accept(1).ok());
  EXPECT_EQ(nested.cost(), 40001u);  // tokens that end several calls at once are not counted on
  ASSERT_TRUE(nested.accept(4 + 'x').ok());
  for (int i = 0; i < 10000; ++i) ASSERT_TRUE(nested.accept(2).ok());
  EXPECT_TRUE(nested.over());
}

}  // namespace
}  // namespace kedge::engine::grammar
