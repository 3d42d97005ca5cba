// The detector: where statements end, what does not depend on the cut, and F1 on a sample of the recall set.
#include "memory/anchors/detector.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>

#include "memory/anchors/anchor_basic.h"
#include "tests/memory/recall_sample.h"

namespace kedge::memory {
namespace {

bool same(const Reference& a, const Reference& b) {
  return a.begin == b.begin && a.end == b.end && a.span_begin == b.span_begin && a.span_end == b.span_end &&
         a.kind == b.kind && a.strength == b.strength;
}

// Shows the text in pieces of random length, each call from the last `settled` on.
std::vector<Reference> in_pieces(std::string_view text, uint32_t seed, size_t longest) {
  std::mt19937 random(seed);
  std::vector<Reference> all;
  size_t settled = 0, shown = 0;
  while (shown < text.size()) {
    shown = std::min(text.size(), shown + 1 + random() % longest);
    const Detection d = detect_references(text.substr(settled, shown - settled), shown == text.size());
    for (Reference r : d.references) {
      r.begin += settled, r.end += settled, r.span_begin += settled, r.span_end += settled;
      all.push_back(r);
    }
    settled += d.settled;
    EXPECT_LE(shown - settled, kMaxUnsettledBytes);
  }
  EXPECT_EQ(text.size(), settled);
  return all;
}

void expect_same_in_pieces(std::string_view text, uint32_t seed, size_t longest) {
  const std::vector<Reference> whole = detect_references(text, true).references;
  const std::vector<Reference> pieces = in_pieces(text, seed, longest);
  ASSERT_EQ(whole.size(), pieces.size()) << "seed " << seed;
  for (size_t i = 0; i < whole.size(); ++i) {
    ASSERT_TRUE(same(whole[i], pieces[i])) << "seed " << seed << " reference " << i << " at " << whole[i].begin;
  }
}

// The statement of the first strong reference.
std::string statement_of(std::string_view text) {
  for (const Reference& r : detect_references(text, true).references) {
    if (r.strength == ReferenceStrength::kStrong) {
      return std::string(text.substr(r.span_begin, r.span_end - r.span_begin));
    }
  }
  return "";
}

TEST(Statements, AreSentences) {
  EXPECT_EQ("Case DOC-569B is open.", statement_of("First. Case DOC-569B is open. Last."));
  EXPECT_EQ("Is DOC-569B open?", statement_of("First! Is DOC-569B open? Last."));
  EXPECT_EQ("\"Look at DOC-569B.\"", statement_of("He said: yes. \"Look at DOC-569B.\" Then he left."));
  EXPECT_EQ("Mr. Holmes of St. Ives filed DOC-569B at 3.30 p.m.",
            statement_of("No. Mr. Holmes of St. Ives filed DOC-569B at 3.30 p.m. Nobody came."));
  EXPECT_EQ("See e.g. J. R. Smith, Fig. 3, on DOC-569B.", statement_of("See e.g. J. R. Smith, Fig. 3, on DOC-569B. X"));
  EXPECT_EQ("It melts at 20 degrees. (Smith, 1990)", statement_of("Yes. It melts at 20 degrees. (Smith, 1990) Then"));
  EXPECT_EQ("(Smith, 1990) reports a yield of 7.", statement_of("It melts. (Smith, 1990) reports a yield of 7. Then"));
}

TEST(Statements, AreLinesUnlessProseIsWrapped) {
  EXPECT_EQ("id: DOC-569B", statement_of("name: pump\nid: DOC-569B\nstate: open\n"));
  EXPECT_EQ("- DOC-569B is open", statement_of("Cases\n- DOC-569B is open\n- the next"));
  EXPECT_EQ("def f2(a): return a. real * 7  # DOC-569B",
            statement_of("x = 1\ndef f2(a): return a. real * 7  # DOC-569B\ny"));
  EXPECT_EQ("The pressure of the valve was given as\n263 kPa (Harlow et al., 2019).",
            statement_of("Title\n\nThe pressure of the valve was given as\n263 kPa (Harlow et al., 2019).\nNext"));
  EXPECT_EQ("The valve opened at a pressure of 263 kPa\n(Harlow et al., 2019).",
            statement_of("The valve opened at a pressure of 263 kPa\n(Harlow et al., 2019). Next"));
  EXPECT_EQ("Entry DOC-569B gives it.", statement_of("that was the cause of the fire\nEntry DOC-569B gives it.\n"));
}

TEST(Statements, OfOtherScripts) {
  const std::string chinese =
      "\xe7\x81\xab\xe8\xbd\xa6\xe3\x80\x82\xe7\xbc\x96\xe5\x8f\xb7 DOC-569B\xe3\x80\x82\xe5\xa5\xbd";
  EXPECT_EQ("\xe7\xbc\x96\xe5\x8f\xb7 DOC-569B\xe3\x80\x82", statement_of(chinese));
}

TEST(Detector, SettlesEndlessStatements) {
  std::string text = "DOC-569B ";
  for (int i = 0; i < 1000; ++i) text += "and on ";
  text += "DOC-77AB";
  for (const std::string& t : {text, std::string(5000, 'x'), std::string(5000, '('), std::string(5000, '.'),
                               std::string(5000, '`'), std::string(5000, '\n'), std::string(3000, '\xe3')}) {
    const Detection d = detect_references(t, false);
    EXPECT_LE(t.size() - d.settled, kMaxUnsettledBytes);
    for (const Reference& r : d.references) EXPECT_LE(r.span_end - r.span_begin, kMaxUnsettledBytes);
    expect_same_in_pieces(t, 1, 300);
  }
  EXPECT_EQ(2u, detect_references(text, true).references.size());
}

TEST(Detector, OfNothing) {
  EXPECT_TRUE(detect_references("", true).references.empty());
  EXPECT_EQ(0u, detect_references("", false).settled);
  EXPECT_EQ(3u, detect_references(" \n ", true).settled);
}

TEST(Detector, WhatFollowsDoesNotMatter) {
  // A tail that is not settled lists nothing; at_end lists it.
  const std::string text = "Record KB-228V: the access code is 4282";
  EXPECT_TRUE(detect_references(text, false).references.empty());
  EXPECT_EQ(0u, detect_references(text, false).settled);
  EXPECT_FALSE(detect_references(text, true).references.empty());
  EXPECT_EQ(text.size() + 2, detect_references(text + ". Then", false).settled);
}

TEST(Detector, PiecesGiveTheSameReferences) {
  for (const RecallRow& row : recall_sample()) {
    for (uint32_t seed = 0; seed < 6; ++seed) expect_same_in_pieces(row.text, seed, seed < 2 ? 3 : 700);
  }
}

TEST(Detector, AnyBytesGiveTheSameReferencesInPieces) {
  // The characters that decide something, in any order.
  const std::string alphabet = "aZ9.?!()[]`\"' \n\r\t-_,;:#{=\xe2\x80\x9d\xe3\x80\x82\xff";
  std::mt19937 random(7);
  for (uint32_t round = 0; round < 60; ++round) {
    std::string text;
    for (int i = 0; i < 3000; ++i) text += alphabet[random() % alphabet.size()];
    expect_same_in_pieces(text, round, 200);
  }
}

TEST(Detector, WordsThatBindGiveTheSameReferencesInPieces) {
  const std::string_view words[] = {"Section",  "4.2",        "(Harlow",   "et al.,",    "2019)", "(2019)",
                                    "\n",       "\n    ",     " ",         ".",          "RFC",   "8878",
                                    "5.6.27.",  "A.1.",       "Paragraph", "--no-color", "May",   "12,",
                                    "(Closes:", "#1107720)",  "\xc2\xa7",  "\xc2\xa0",   "Abs.",  "1",
                                    "BGB",      "/etc/fstab", "gzip(1)",   "port",       "x = 1;"};
  std::mt19937 random(11);
  for (uint32_t round = 0; round < 40; ++round) {
    std::string text;
    for (int i = 0; i < 500; ++i) {
      text += words[random() % std::size(words)];
      if (random() % 2 == 0) text += ' ';
    }
    expect_same_in_pieces(text, round, 150);
  }
}

struct Score {
  size_t found = 0, missed = 0, wrong = 0, bytes_found = 0, bytes_missed = 0, bytes_wrong = 0;
};

double f1(size_t found, size_t missed, size_t wrong) {
  return 2.0 * static_cast<double>(found) / static_cast<double>(2 * found + missed + wrong);
}

// Statements with a strong reference against the data's spans. Found: 90 % of the span's bytes in a statement at most
// half as long again (and 8 bytes). Wrong: a statement that touches no span.
void add_row(const RecallRow& row, Score* s) {
  std::vector<std::pair<size_t, size_t>> statements;
  for (const Reference& r : detect_references(row.text, true).references) {
    const std::pair<size_t, size_t> span(r.span_begin, r.span_end);
    if (r.strength == ReferenceStrength::kStrong && (statements.empty() || statements.back() != span)) {
      statements.push_back(span);
    }
  }
  const auto common = [](const RecallSpan& a, const std::pair<size_t, size_t>& b) {
    const size_t begin = std::max(a.begin, b.first), end = std::min(a.end, b.second);
    return end > begin ? end - begin : 0;
  };
  size_t all = 0, both = 0;
  for (const auto& b : statements) {
    size_t here = 0;
    for (const RecallSpan& a : row.spans) here += common(a, b);
    s->wrong += here == 0;
    both += here;
    s->bytes_wrong += b.second - b.first - here;
  }
  for (const RecallSpan& a : row.spans) {
    bool found = false;
    for (const auto& b : statements) {
      found |= 10 * common(a, b) >= 9 * (a.end - a.begin) && 2 * (b.second - b.first) <= 3 * (a.end - a.begin) + 16;
    }
    (found ? s->found : s->missed)++;
    all += a.end - a.begin;
  }
  s->bytes_found += both;
  s->bytes_missed += all - both;
}

TEST(Detector, F1OnTheRecallSample) {
  Score s;
  for (const RecallRow& row : recall_sample()) add_row(row, &s);
  EXPECT_GE(s.found + s.missed, 50u);
  EXPECT_GE(f1(s.found, s.missed, s.wrong), 0.95);
  EXPECT_GE(f1(s.bytes_found, s.bytes_missed, s.bytes_wrong), 0.95);
}

TEST(Detector, SurfaceFormsAreTheKeys) {
  for (const RecallRow& row : recall_sample()) {
    const std::vector<Reference> references = detect_references(row.text, true).references;
    for (const RecallSpan& span : row.spans) {
      bool found = false;
      for (const Reference& r : references) {
        if (r.begin < span.begin || r.end > span.end) continue;
        found |= row.text.substr(r.begin, r.end - r.begin) == span.key;
      }
      EXPECT_TRUE(found) << span.key;
    }
  }
}

TEST(Detector, AgreesWithTheBasicPredicate) {
  // Every word of a pinned surface form is a reference token by itself, but for the words that join names.
  for (const RecallRow& row : recall_sample()) {
    for (const Reference& r : detect_references(row.text, true).references) {
      if (r.strength != ReferenceStrength::kStrong) continue;
      size_t begin = r.begin;
      for (size_t i = r.begin; i <= r.end; ++i) {
        if (i < r.end && row.text[i] != ' ') continue;
        const std::string word = row.text.substr(begin, i - begin);
        begin = i + 1;
        if (word == "and" || word == "et" || word == "al.,") continue;
        // The name of a function may be one small word; its back-tick tells.
        const std::string_view token = r.kind == ReferenceKind::kFunction ? "`" : "";
        EXPECT_TRUE(is_reference_token(std::string(token) + word)) << word;
      }
    }
  }
}

}  // namespace
}  // namespace kedge::memory
