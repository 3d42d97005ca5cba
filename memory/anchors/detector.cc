#include "memory/anchors/detector.h"

#include <algorithm>
#include <bitset>
#include <iterator>
#include <string>

#include "memory/anchors/bytes.h"
#include "memory/anchors/kinds/kinds.h"
#include "memory/anchors/statements.h"

namespace kedge::memory {
namespace {

using anchors::Statement;
using anchors::StatementStatus;

constexpr size_t kMaxBytes = anchors::kMaxStatementBytes + anchors::kLookaheadBytes;  // of a statement
static_assert(kMaxUnsettledBytes == kMaxBytes);

// A statement as the kinds read it: white space of any sort and length is one blank; hyphens, quotation marks and angle
// brackets of any sort are those of ASCII.
struct Plain {
  std::string text;
  std::vector<uint16_t> at;  // where each of its bytes, and its end, is in the statement
};

struct Typographic {
  std::string_view character;
  char as;
};
constexpr Typographic kTypographic[] = {
    {"\xc2\xa0", ' '},      {"\xe2\x80\xaf", ' '}, {"\xe2\x80\x89", ' '},   // blanks that do not break, narrow ones
    {"\xe2\x80\x90", '-'},  {"\xe2\x80\x91", '-'},                          // hyphens
    {"\xc2\xab", '"'},      {"\xc2\xbb", '"'},     {"\xe2\x80\x9c", '"'},   // quotation marks
    {"\xe2\x80\x9d", '"'},  {"\xe2\x80\x9e", '"'}, {"\xe2\x80\x98", '\''},  // and apostrophes
    {"\xe2\x80\x99", '\''}, {"\xe2\x9f\xa8", '<'}, {"\xe2\x9f\xa9", '>'}};

Plain plain(std::string_view s) {
  Plain p;
  p.text.reserve(s.size());
  for (size_t i = 0; i < s.size();) {
    char c = anchors::is_space(s[i]) ? ' ' : s[i];
    size_t bytes = 1;
    if (c == '\xc2' || c == '\xe2') {
      for (const Typographic& t : kTypographic) {
        if (!anchors::has_at(s, i, t.character)) continue;
        c = t.as;
        bytes = t.character.size();
      }
    }
    if (c != ' ' || p.text.empty() || p.text.back() != ' ') {
      p.text += c;
      p.at.push_back(static_cast<uint16_t>(i));
    }
    i += bytes;
  }
  p.at.push_back(static_cast<uint16_t>(s.size()));
  return p;
}

// Every kind looks at the statement; where two claim the same bytes the earlier of this list has them: an id in a URL
// belongs to the URL, a year in a citation to the citation.
void find_all(std::string_view statement, std::vector<Reference>* found) {
  struct Finder {
    void (*find)(std::string_view, std::vector<Reference>*);
    bool digits = false;  // what it finds has one: most statements have none
  };
  constexpr Finder kFinders[] = {
      {anchors::find_urls},           {anchors::find_emails},        {anchors::find_citations, true},
      {anchors::find_dates, true},    {anchors::find_sections},      {anchors::find_standards, true},
      {anchors::find_manuals, true},  {anchors::find_amounts, true}, {anchors::find_paths},
      {anchors::find_identifiers},    {anchors::find_phones, true},  {anchors::find_options},
      {anchors::find_versions, true}, {anchors::find_functions},     {anchors::find_brackets, true},
      {anchors::find_numbers, true}};
  found->clear();
  const Plain p = plain(statement);
  const bool digits = std::any_of(p.text.begin(), p.text.end(), anchors::is_digit);
  std::bitset<kMaxBytes + 1> claimed;
  std::vector<Reference> candidates;
  for (const Finder& finder : kFinders) {
    if (finder.digits && !digits) continue;
    candidates.clear();
    finder.find(p.text, &candidates);
    for (Reference r : candidates) {
      bool free = true;
      for (size_t i = r.begin; i < r.end && free; ++i) free = !claimed[i];
      if (!free) continue;
      for (size_t i = r.begin; i < r.end; ++i) claimed.set(i);
      r.begin = p.at[r.begin];
      r.end = p.at[r.end];
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
  constexpr const char* kNames[] = {"citation", "bracket", "function", "identifier", "url",     "number",
                                    "section",  "path",    "email",    "option",     "version", "date",
                                    "amount",   "phone",   "manual",   "standard"};
  static_assert(std::size(kNames) == static_cast<size_t>(ReferenceKind::kStandard) + 1);
  const auto k = static_cast<size_t>(kind);
  return k < std::size(kNames) ? kNames[k] : "?";
}

}  // namespace kedge::memory
