#include "router/retrieval/sentence_match.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "router/retrieval/language.h"

namespace kedge {

namespace {

using retrieval::FoldedWord;
using retrieval::Language;
using retrieval::Stemmer;

constexpr double kLeastShare = 0.5;  // of the best sentence's score

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

}  // namespace

Result<std::vector<SentenceMatch>> matching_sentences(std::string_view question,
                                                      std::span<const std::string_view> passages, size_t max) {
  KEDGE_ASSIGN(stemmers, stemmers_of(question, passages));
  const std::vector<std::set<std::string>> wanted = question_terms(question, stemmers);
  std::vector<SentenceMatch> matches;
  std::vector<std::vector<size_t>> has;  // of each sentence: the places in `wanted` of the words it has
  std::vector<size_t> counts(wanted.size(), 0);
  for (size_t p = 0; p < passages.size(); ++p) {
    for (const ByteRange& range : sentences(passages[p])) {
      std::set<std::string> terms;
      for (const FoldedWord& word : retrieval::folded_words(passages[p].substr(range.begin, range.end - range.begin))) {
        for (const Stemmer& stemmer : stemmers) terms.insert(stemmer.term(word));
      }
      std::vector<size_t> found;
      for (size_t w = 0; w < wanted.size(); ++w) {
        const auto stands = [&](const std::string& term) { return terms.contains(term); };
        if (std::any_of(wanted[w].begin(), wanted[w].end(), stands)) found.push_back(w);
      }
      for (const size_t w : found) ++counts[w];
      matches.push_back({p, range, 0});
      has.push_back(std::move(found));
    }
  }
  const auto n = static_cast<double>(matches.size());
  std::vector<double> weights;
  double all = 0;
  for (const size_t count : counts) {
    weights.push_back(std::log(1 + (n - static_cast<double>(count) + 0.5) / (static_cast<double>(count) + 0.5)));
    all += weights.back();
  }
  for (size_t i = 0; i < matches.size(); ++i) {
    for (const size_t w : has[i]) matches[i].score += weights[w] / all;
  }
  std::stable_sort(matches.begin(), matches.end(),
                   [](const SentenceMatch& a, const SentenceMatch& b) { return a.score > b.score; });
  const double least = matches.empty() ? 0 : matches.front().score * kLeastShare;
  std::erase_if(matches, [&](const SentenceMatch& m) { return m.score <= 0 || m.score < least; });
  if (matches.size() > max) matches.resize(max);
  return matches;
}

}  // namespace kedge
