// Distinctive words: what is one, and that questions meet the statements they ask for.
#include "memory/anchors/terms.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "tests/memory/recall_sample.h"

namespace kedge::memory {
namespace {

std::vector<std::string> words(std::string_view text) {
  std::vector<Term> terms;
  distinctive_terms(text, &terms);
  std::vector<std::string> out;
  for (const Term& t : terms) out.emplace_back(text.substr(t.begin, t.end - t.begin));
  return out;
}

std::set<uint64_t> hashes(std::string_view text) {
  std::vector<Term> terms;
  distinctive_terms(text, &terms);
  std::set<uint64_t> out;
  for (const Term& t : terms) out.insert(t.hash);
  return out;
}

bool meet(std::string_view a, std::string_view b) {
  const std::set<uint64_t> of_b = hashes(b);
  for (const uint64_t h : hashes(a)) {
    if (of_b.count(h) != 0) return true;
  }
  return false;
}

using Words = std::vector<std::string>;

TEST(Terms, NamesIdentifiersAndRecords) {
  EXPECT_EQ((Words{"Eskby", "DOC-569B"}), words("The departure time of ferry Eskby is 13:44 (see DOC-569B)."));
  EXPECT_EQ((Words{"map_bias"}), words("The default timeout of `map_bias` is 1342 ms."));
  EXPECT_EQ((Words{"hashKey"}), words("def hashKey(n, k): return n * 97 - k"));
  EXPECT_EQ((Words{"Winshade", "Kaldley"}),
            words("A mean density of 17.10 g/cm3 was measured for the Winshade alloy (Kaldley, 1982)."));
  EXPECT_EQ((Words{"Lanwick"}), words("Gate Lanwick: access code?"));
  EXPECT_EQ((Words{"clamp"}), words("What does `clamp` return?"));
  EXPECT_EQ((Words{"clamp"}), words("def clamp(x): return 3 * x"));
  EXPECT_EQ((Words{"Jean-Luc", "NASA", "Brien"}), words("Jean-Luc of NASA met O'Brien."));
  EXPECT_EQ((Words{"\xc3\x89lodie",
                   "\xc5\x81\xc3\xb3"
                   "d\xc5\xba"}),
            words("\xc3\x89lodie saw \xc5\x81\xc3\xb3"
                  "d\xc5\xba and \xc3\xa9t\xc3\xa9."));
}

TEST(Terms, NotWordsOfTheLanguageNorNumbers) {
  EXPECT_EQ(Words{},
            words("The 2nd of May 1990 was 3.5 kPa or 12 MHz; What is it? On Monday, 13:44. A-7 1990s -- cm3"));
  EXPECT_EQ(Words{}, words("Read the document and answer the question. According to Record: a well-known (fact)."));
  EXPECT_EQ(Words{}, words(""));
}

TEST(Terms, CaseMattersOnlyInCode) {
  EXPECT_TRUE(meet("ESKBY", "ferry Eskby"));
  EXPECT_TRUE(meet("see doc-569b", "see DOC-569B."));
  EXPECT_FALSE(meet("PARSE_HEADER", "`parse_header`"));
  EXPECT_TRUE(meet("Eskby's berth",
                   "vessel \xe2\x80\x9c"
                   "Eskby\xe2\x80\x9d"));
  EXPECT_TRUE(
      meet("\xe6\xb8\xaf\xe5\x8f\xa3"
           "Eskby\xe6\x98\xaf",
           "Eskby"));
}

TEST(Terms, QuestionsMeetTheirStatementsAndFewOthers) {
  size_t asked = 0, met = 0, others = 0, cited = 0;
  for (const RecallRow& row : recall_sample()) {
    for (const RecallSpan& span : row.spans) {
      const std::string statement = row.text.substr(span.begin, span.end - span.begin);
      const bool m = meet(row.question, statement);
      asked += span.asked;
      met += span.asked && m;
      others += !span.asked && m;
      for (const std::string& r : row.answer_references) {
        if (r.find(span.key) != std::string::npos) cited += meet(r, statement);
      }
    }
  }
  EXPECT_GE(asked, 8u);
  EXPECT_EQ(asked, met);
  EXPECT_EQ(asked, cited);
  EXPECT_LE(others, 1u);
}

}  // namespace
}  // namespace kedge::memory
