// What keeps questions of other kinds out of a calibrator: wording, likelihood, ranges; fitted, written and read.
#include "router/calibration/gate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "router/calibration/calibrator.h"
#include "router/calibration/wording.h"

namespace kedge::router {
namespace {

using Words = std::vector<std::string>;

TEST(Wording, NamesAndNumbersAreOneWordEach) {
  const Words openers = {"When"};
  EXPECT_EQ(wording_pairs("When was Ada Marquist born?", openers),
            (Words{"^ When", "When was", "was @", "@ born", "born ?", "? $"}));
  EXPECT_EQ(wording_pairs("Ada Marquist was born in 1901.", openers),
            (Words{"^ @", "@ was", "was born", "born in", "in #", "# .", ". $"}));
  EXPECT_EQ(wording_pairs("when was ada born", openers), (Words{"^ when", "when was", "was ada", "ada born", "born $"}))
      << "small letters are other words";
  EXPECT_EQ(wording_pairs("Sort the words: pear, fig", {}), (Words{"^ @", "@ the", "the words", "words :", ": >"}))
      << "what is brought along is no wording";
  EXPECT_EQ(wording_pairs("", {}), (Words{"^ $"}));
  EXPECT_EQ(wording_pairs("\u00c9lise?", {}), (Words{"^ @", "@ ?", "? $"}));
}

TEST(Wording, TheQuestionStandsBehindThePassages) {
  EXPECT_EQ(asked_part("<|doc|>[A] Question: no\n<|doc|>[B] x\nQuestion: Who?"), "Who?");
  EXPECT_EQ(asked_part("Question: Who?"), "Question: Who?") << "without passages these are words like others";
  EXPECT_EQ(asked_part("Question: Who?\nProposed answer: I"), "Who?\nProposed answer: I");
  EXPECT_EQ(brought_text("What is this? "), std::string_view::npos);
  EXPECT_EQ(brought_text("Say: hello"), 5u);
}

// Questions of two wordings, whose likelihood is about -1; others are about -9.
ObservationSet questions(size_t n, bool inside) {
  std::mt19937_64 random(inside ? 1 : 2);
  ObservationSet set;
  set.features = {"length", "question_mean"};
  for (size_t i = 0; i < n; ++i) {
    const double noise = static_cast<double>(random() >> 11) * 0x1p-53;
    LabelledAnswer row;
    row.id = (inside ? "in-" : "out-") + std::to_string(i);
    row.features = {noise, (inside ? -1 : -9) - noise};
    row.question = !inside      ? "why do cats purr at " + std::to_string(i)
                   : i % 2 == 0 ? "When was Ada Marquist born?"
                                : "What is 3 + " + std::to_string(i) + "?";
    row.correct = i % 10 != 0;
    set.rows.push_back(row);
  }
  return set;
}

Calibration gated(bool with_outside = true) {
  CalibrateOptions options;
  options.task = "any";
  const auto made = calibrate(questions(400, true), options, with_outside ? questions(40, false) : ObservationSet{});
  EXPECT_TRUE(made.ok()) << made.error().message;
  return made->calibration;
}

TEST(Gate, KnowsItsOwnQuestions) {
  const Calibration c = gated();
  ASSERT_TRUE(c.gate);
  const double usual[] = {-1.5};
  EXPECT_TRUE((*c.gate)("When was Otto Ashgate born?", usual).inside);
  EXPECT_TRUE((*c.gate)("What is 12 + 7?", usual).inside);
  const auto worded = (*c.gate)("Which mayor opened the bridge?", usual);
  EXPECT_FALSE(worded.inside) << "other words, however likely";
  EXPECT_NE(worded.why.find("unseen_wording"), std::string::npos) << worded.why;
  const double unlikely[] = {-9};
  const auto strange = (*c.gate)("When was Otto Ashgate born?", unlikely);
  EXPECT_FALSE(strange.inside) << "the usual words, but the model has never met such a name";
  EXPECT_NE(strange.why.find("question_mean is -9.00"), std::string::npos) << strange.why;
  const double none[] = {NAN};
  EXPECT_FALSE((*c.gate)("When was Otto Ashgate born?", none).inside);
  EXPECT_GE(c.gate->fit["inside_kept"].get<double>(), 0.98);
  EXPECT_EQ(c.gate->fit["outside_kept"].get<double>(), 0.0);
  EXPECT_FALSE(gated(false).gate);
}

// Reworded rows teach nothing about what is usual, and those outside take no part in the fit.
TEST(Gate, RewordedRowsAreNoExamples) {
  ObservationSet set = questions(400, true);
  ObservationSet strange = questions(200, false);
  for (LabelledAnswer& row : strange.rows) {
    row.reworded = true;
    row.correct = false;
    set.rows.push_back(row);
  }
  CalibrateOptions options;
  options.task = "any";
  const auto made = calibrate(set, options, questions(40, false));
  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_EQ(made->calibration.gate->pairs, gated().gate->pairs);
  EXPECT_LE(made->calibration.confidence.fit["n"], 400);
  EXPECT_GE(made->calibration.confidence.fit["n"], 390);
}

TEST(Gate, StandsInTheFileAndItsId) {
  const Calibration c = gated();
  const Json file = calibration_json(c);
  const auto read = parse_calibration(file.dump());
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(calibration_json(*read).dump(), file.dump());
  for (const char* question : {"When was Otto Ashgate born?", "why me", "What is 1 + 1?"}) {
    for (const double x : {-0.5, -1.5, -4.0}) {
      const double values[] = {x};
      EXPECT_EQ((*read->gate)(question, values).score, (*c.gate)(question, values).score);
    }
  }
  Calibration other = c;
  other.gate->cut -= 1;
  EXPECT_FALSE(parse_calibration(calibration_json(other).dump()).ok()) << "the id covers it";
  seal(other);
  EXPECT_TRUE(parse_calibration(calibration_json(other).dump()).ok());
  EXPECT_NE(other.id, c.id);
}

TEST(Gate, TooFewOrBlindRowsAreRefused) {
  CalibrateOptions options;
  options.task = "any";
  const auto few = calibrate(questions(400, true), options, questions(19, false));
  ASSERT_FALSE(few.ok());
  EXPECT_NE(few.error().message.find("19 rows"), std::string::npos) << few.error().message;
  ObservationSet blind = questions(400, true);
  blind.features[1] = "mean";
  const auto made = calibrate(blind, options, questions(40, false));
  ASSERT_FALSE(made.ok());
  EXPECT_NE(made.error().message.find("question_"), std::string::npos) << made.error().message;
}

}  // namespace
}  // namespace kedge::router
