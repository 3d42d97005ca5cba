#include "memory/anchors/detector.h"

#include <algorithm>
#include <bitset>

#include "memory/anchors/kinds/kinds.h"
#include "memory/anchors/statements.h"

namespace kedge {
namespace {

using anchors::Statement;
using anchors::StatementStatus;

constexpr size_t kMaxBytes = anchors::kMaxStatementBytes + anchors::kLookaheadBytes;  // of a statement
static_assert(kMaxUnsettledBytes == kMaxBytes);

// Every kind looks at the statement; where two claim the same bytes the earlier of this list has them: an id in a URL
// belongs to the URL, a year in a citation to the citation.
void find_all(std::string_view statement, std::vector<Reference>* found) {
  using Finder = void (*)(std::string_view, std::vector<Reference>*);
  constexpr Finder kFinders[] = {anchors::find_urls,      anchors::find_citations, anchors::find_identifiers,
                                 anchors::find_functions, anchors::find_brackets,  anchors::find_numbers};
  found->clear();
  std::bitset<kMaxBytes + 1> claimed;
  std::vector<Reference> candidates;
  for (const Finder find : kFinders) {
    candidates.clear();
    find(statement, &candidates);
    for (const Reference& r : candidates) {
      bool free = true;
      for (size_t i = r.begin; i < r.end && free; ++i) free = !claimed[i];
      if (!free) continue;
      for (size_t i = r.begin; i < r.end; ++i) claimed.set(i);
      found->push_back(r);
    }
  }
  std::sort(found->begin(), found->end(), [](const Reference& a, const Reference& b) { return a.begin < b.begin; });
}

}  // namespace

Detection detect_references(std::string_view text, bool at_end) {
  Detection d;
  std::vector<Reference> found;
  Statement s{};
  while (anchors::first_statement(text.substr(d.settled), at_end, &s) == StatementStatus::kFound) {
    const size_t begin = d.settled + s.begin;
    const size_t end = d.settled + s.end;
    find_all(text.substr(begin, end - begin), &found);
    for (const Reference& r : found) {
      d.references.push_back({begin + r.begin, begin + r.end, begin, end, r.kind, r.strength});
    }
    d.settled = end;
  }
  d.settled = at_end ? text.size() : d.settled + s.begin;  // white space before a statement never matters
  return d;
}

const char* reference_kind_name(ReferenceKind kind) {
  switch (kind) {
    case ReferenceKind::kCitation:
      return "citation";
    case ReferenceKind::kBracket:
      return "bracket";
    case ReferenceKind::kFunction:
      return "function";
    case ReferenceKind::kIdentifier:
      return "identifier";
    case ReferenceKind::kUrl:
      return "url";
    case ReferenceKind::kNumber:
      return "number";
  }
  return "?";
}

}  // namespace kedge
