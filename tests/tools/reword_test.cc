// Questions in other words, and what is counted of questions of which only the given answers count.
#include "tools/reword.h"

#include <gtest/gtest.h>

#include "tools/eval/route_asked.h"

namespace kedge::tools {
namespace {

TEST(Reword, EveryKindChangesWhatItSays) {
  const std::string fact = "When was Ada Marquist born?";
  const std::string sum = "What is 417 + 268?";
  const std::string list = "Sort the words: Pear, fig";
  const struct {
    const char* kind;
    std::string question;
    std::string want;
  } cases[] = {
      {"tell", fact, "Please tell me: When was Ada Marquist born?"},
      {"polite", fact, "Hello, I would like to ask you something. When was Ada Marquist born? Thank you very much!"},
      {"lower", fact, "when was ada marquist born?"},
      {"lower", list, "sort the words: Pear, fig"},
      {"joined", sum, "What is 417+268?"},
      {"joined", fact, fact},
      {"bare", sum, "417 + 268"},
      {"bare", "In 1933 and 1951", "In 1933 and 1951"},
      {"shout", list, "SORT THE WORDS: Pear, fig"},
      {"unstopped", fact, "When was Ada Marquist born"},
      {"unstopped", list, list},
      {"typo", "What is the landmark of Ulm?", "What is the lanmdark of Ulm?"},
      {"spaced", sum, "What  is  417  +  268?"},
      {"need", fact, "I need to know when was Ada Marquist born?"},
  };
  for (const auto& c : cases) EXPECT_EQ(reworded(c.question, c.kind), c.want) << c.kind;
}

TEST(Reword, FitsAndTestsShareNoKind) {
  for (const std::string_view held : heldout_rewordings()) {
    for (const std::string_view fit : fit_rewordings()) EXPECT_NE(held, fit);
    EXPECT_NE(reworded("What is 417 + 268?", held), "What is 417 + 268?") << held;
  }
}

// By hand: 2 of 10, Brown, Cai, DasGupta 2001 give (0.057, 0.510).
TEST(Asked, WilsonsInterval) {
  EXPECT_NEAR(wilson(2, 10).first, 0.0567, 1e-4);
  EXPECT_NEAR(wilson(2, 10).second, 0.5098, 1e-4);
  EXPECT_EQ(wilson(0, 4).first, 0.0);
  EXPECT_NEAR(wilson(0, 4).second, 0.4899, 1e-4) << "never of zero width";
}

TEST(Asked, OnlyWhatIsGivenCounts) {
  RouteRow known;
  known.task = "asked";
  known.pattern = "paris";
  RouteRow unknown;
  unknown.task = "asked";
  const auto run = [](const RouteRow& row, const char* outcome, const Json& answer, bool by_model) {
    RouteRun r;
    r.row = &row;
    r.answer = {{"outcome", outcome}, {"answer", answer}, {"attempts", Json::array()}, {"source", "deterministic"}};
    if (by_model) r.answer["source"] = "model";
    r.right = row.is_right(r.answer["answer"]);
    return r;
  };
  const Json figures =
      asked_figures({run(known, "answered", "It is PARIS, of course", true), run(known, "answered", "Rome", true),
                     run(known, "low_confidence", nullptr, true), run(known, "not_found", "", true),
                     run(unknown, "not_found", "", true), run(unknown, "answered", "42", false)});
  EXPECT_EQ(figures["n"], 6);
  EXPECT_EQ(figures["given"], 5);
  EXPECT_EQ(figures["wrong"], 3);
  EXPECT_EQ(figures["not_found"], 2);
  EXPECT_EQ(figures["deterministic"], 1);
  EXPECT_EQ(figures["wrong_share"], 0.6);
}

}  // namespace
}  // namespace kedge::tools
