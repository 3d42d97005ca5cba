#include "router/retrieval/sentence_match.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "router/retrieval/language.h"

namespace kedge::router {

namespace {

using retrieval::FoldedWord;
using retrieval::Language;
using retrieval::Stemmer;

constexpr double kLeastShare = 0.5;  // of the best sentence's score
constexpr double kNearby = 0.5;      // what a word counts that stands in the passage, but not in the sentence

Result<std::vector<Stemmer>> stemmers_of(std::string_view question, std::span<const std::string_view> passages) {
  std::set<const Language*> met = {retrieval::language_of(retrieval::folded_words(question))};
  for (const std::string_view passage : passages) met.insert(retrieval::language_of(retrieval::folded_words(passage)));
  met.erase(nullptr);
  if (met.empty()) met.insert(&retrieval::languages().front());
  std::vector<Stemmer> stemmers;
  for (const Language& language : retrieval::languages()) {
    if (!met.contains(&language)) continue;
    KEDGE_ASSIGN(stemmer, Stemmer::create(language));
    stemmers.push_back(std::move(stemmer));
  }
  return stemmers;
}

// The terms of each word of a question that says something.
std::vector<std::set<std::string>> question_terms(std::string_view question, const std::vector<Stemmer>& stemmers) {
  std::vector<FoldedWord> words = retrieval::folded_words(question);
  std::erase_if(words, [&](const FoldedWord& w) {
    return w.kind == FoldedWord::Kind::kCharacter || retrieval::is_function_word(stemmers, w.text);
  });
  std::vector<std::set<std::string>> all;
  for (const FoldedWord& word : words) {
    std::set<std::string> terms;
    for (const Stemmer& stemmer : stemmers) terms.insert(stemmer.term(word));
    if (std::find(all.begin(), all.end(), terms) == all.end()) all.push_back(std::move(terms));
  }
  return all;
}

struct Sentence {
  SentenceMatch match;
  std::set<size_t> has;    // the question's words that stand in it
  bool says_more = false;  // than the question: a heading with its words answers nothing
};

Sentence read_sentence(std::string_view text, const std::vector<std::set<std::string>>& wanted,
                       const std::vector<Stemmer>& stemmers) {
  Sentence sentence;
  for (const FoldedWord& word : retrieval::folded_words(text)) {
    if (retrieval::is_function_word(stemmers, word.text)) continue;
    bool asked = false;
    for (const Stemmer& stemmer : stemmers) {
      const std::string term = stemmer.term(word);
      for (size_t w = 0; w < wanted.size(); ++w) {
        if (!wanted[w].contains(term)) continue;
        sentence.has.insert(w);
        asked = true;
      }
    }
    sentence.says_more = sentence.says_more || !asked;
  }
  return sentence;
}

}  // namespace

Result<std::vector<SentenceMatch>> matching_sentences(std::string_view question,
                                                      std::span<const std::string_view> passages, size_t max) {
  KEDGE_ASSIGN(stemmers, stemmers_of(question, passages));
  const std::vector<std::set<std::string>> wanted = question_terms(question, stemmers);
  std::vector<Sentence> all;
  std::vector<size_t> counts(wanted.size(), 0);
  std::vector<std::set<size_t>> in_passage(passages.size());
  for (size_t p = 0; p < passages.size(); ++p) {
    for (const ByteRange& range : sentences(passages[p])) {
      Sentence s = read_sentence(passages[p].substr(range.begin, range.end - range.begin), wanted, stemmers);
      s.match = {p, range, 0};
      for (const size_t w : s.has) ++counts[w];
      in_passage[p].insert(s.has.begin(), s.has.end());
      all.push_back(std::move(s));
    }
  }
  const auto n = static_cast<double>(all.size());
  std::vector<double> weights;
  double total = 0;
  for (const size_t count : counts) {
    weights.push_back(std::log(1 + (n - static_cast<double>(count) + 0.5) / (static_cast<double>(count) + 0.5)));
    total += weights.back();
  }
  std::vector<SentenceMatch> matches;
  for (Sentence& s : all) {
    if (s.has.empty() || !s.says_more) continue;
    for (const size_t w : in_passage[s.match.passage]) {
      s.match.score += weights[w] / total * (s.has.contains(w) ? 1 : kNearby);
    }
    matches.push_back(s.match);
  }
  std::stable_sort(matches.begin(), matches.end(),
                   [](const SentenceMatch& a, const SentenceMatch& b) { return a.score > b.score; });
  const double least = matches.empty() ? 0 : matches.front().score * kLeastShare;
  std::erase_if(matches, [&](const SentenceMatch& m) { return m.score < least; });
  if (matches.size() > max) matches.resize(max);
  return matches;
}

}  // namespace kedge::router
