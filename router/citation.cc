#include "router/citation.h"

#include <algorithm>
#include <array>

#include "router/subject.h"

namespace kedge::router {

namespace {

constexpr size_t npos = std::string_view::npos;

// The quotation in its normal form in a normalised text.
size_t find_normal(std::string_view text, std::string_view quote, size_t* length) {
  *length = quote.size();
  const size_t at = find_words(text, quote);
  if (at != npos) return at;
  // A sentence that goes on in the passage is often closed by the writer of the quotation.
  const size_t last = quote.find_last_not_of(".,;:!?");
  if (last == npos || last + 1 == quote.size()) return npos;
  *length = last + 1;
  return find_words(text, quote.substr(0, last + 1));
}

// One passage made ready for comparing.
struct Passage {
  explicit Passage(std::string_view source) : norm(source) {}
  NormText norm;
};

struct Candidate {
  size_t evidence = 0;
  ByteRange range = {};
  int rank = 0;
};

bool holds_all(std::string_view text, std::span<const std::string> subjects) {
  return std::all_of(subjects.begin(), subjects.end(),
                     [&](const std::string& subject) { return names_subject(text, subject); });
}

// The sentence may call the subject by the last part of its name where the passage has all of it.
bool mentions(std::string_view sentence, std::string_view subject) {
  if (names_subject(sentence, subject)) return true;
  const size_t space = subject.rfind(' ');
  return space != npos && find_words(sentence, subject.substr(space + 1)) != npos;
}

class Resolver {
 public:
  Resolver(const Citation& citation, std::string_view question, std::span<const Evidence> evidence)
      : citation_(citation), evidence_(evidence), subjects_(question_subjects(question)) {
    passages_.reserve(evidence.size());
    for (const Evidence& e : evidence) passages_.emplace_back(e.text);
  }

  ResolvedCitation resolve() const {
    if (auto found = best(by_quote())) return result(*found, ResolvedBy::kQuote);
    if (auto found = best(by_sentence())) return result(*found, ResolvedBy::kSentence);
    for (size_t i = 0; i < evidence_.size() && !citation_.id.empty(); ++i) {
      if (evidence_[i].id == citation_.id) return result({.evidence = i}, ResolvedBy::kId);
    }
    return {.citation = citation_};
  }

 private:
  std::vector<Candidate> by_quote() const {
    std::vector<Candidate> found;
    const std::string quote = normalized(citation_.quote);
    if (quote.empty()) return found;
    for (size_t i = 0; i < passages_.size(); ++i) {
      size_t length = 0;
      const size_t at = find_normal(passages_[i].norm.text(), quote, &length);
      if (at != npos) found.push_back(candidate(i, at, at + length));
    }
    return found;
  }

  std::vector<Candidate> by_sentence() const {
    std::vector<Candidate> found;
    const std::string value = normalized(citation_.value);
    const std::string_view bare = bare_value(value);
    if (bare.empty() || subjects_.empty()) return found;
    for (size_t i = 0; i < passages_.size(); ++i) {
      const std::string_view text = passages_[i].norm.text();
      if (!holds_all(text, subjects_)) continue;
      for (const ByteRange& r : sentences(text)) {
        const std::string_view sentence = text.substr(r.begin, r.end - r.begin);
        if (find_words_any_initial(sentence, bare) == npos) continue;
        if (!std::all_of(subjects_.begin(), subjects_.end(),
                         [&](const std::string& s) { return mentions(sentence, s); })) {
          continue;
        }
        found.push_back(candidate(i, r.begin, r.end));
      }
    }
    return found;
  }

  Candidate candidate(size_t i, size_t begin, size_t end) const {
    Candidate c{.evidence = i, .range = passages_[i].norm.source_range(begin, end)};
    if (evidence_[i].id == citation_.id) c.rank += 2;
    if (!subjects_.empty() && holds_all(passages_[i].norm.text(), subjects_)) c.rank += 1;
    return c;
  }

  static std::optional<Candidate> best(const std::vector<Candidate>& candidates) {
    if (candidates.empty()) return std::nullopt;
    return *std::max_element(candidates.begin(), candidates.end(),
                             [](const Candidate& a, const Candidate& b) { return a.rank < b.rank; });
  }

  ResolvedCitation result(const Candidate& c, ResolvedBy by) const {
    const Evidence& e = evidence_[c.evidence];
    return {
        .citation = citation_,
        .by = by,
        .evidence = c.evidence,
        .resolved_id = e.id,
        .id_agrees = e.id == citation_.id,
        .byte_exact = by == ResolvedBy::kQuote &&
                      std::string_view(e.text).substr(c.range.begin, c.range.end - c.range.begin) == citation_.quote,
        .range = c.range};
  }

  const Citation& citation_;
  std::span<const Evidence> evidence_;
  std::vector<std::string> subjects_;
  std::vector<Passage> passages_;
};

}  // namespace

const char* resolved_by_name(ResolvedBy by) {
  switch (by) {
    case ResolvedBy::kNone:
      return "none";
    case ResolvedBy::kQuote:
      return "quote";
    case ResolvedBy::kSentence:
      return "sentence";
    case ResolvedBy::kId:
      return "id";
  }
  return "unknown";
}

ResolvedCitation resolve_citation(const Citation& citation, std::string_view question,
                                  std::span<const Evidence> evidence) {
  return Resolver(citation, question, evidence).resolve();
}

std::vector<ResolvedCitation> resolve_answer(std::string_view question, std::string_view answer,
                                             std::span<const Evidence> evidence) {
  std::vector<ResolvedCitation> resolved;
  for (const Citation& c : parse_answer(answer, evidence).citations) {
    resolved.push_back(resolve_citation(c, question, evidence));
  }
  return resolved;
}

std::optional<ByteRange> find_quote(std::string_view text, std::string_view quote) {
  const NormText norm(text);
  size_t length = 0;
  const std::string normal = normalized(quote);
  const size_t at = find_normal(norm.text(), normal, &length);
  if (at == npos || length == 0) return std::nullopt;
  return norm.source_range(at, at + length);
}

}  // namespace kedge::router
