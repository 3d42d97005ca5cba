#include "memory/anchors/names.h"

#include <algorithm>
#include <optional>

#include "memory/anchors/bytes.h"
#include "memory/anchors/terms.h"

namespace kedge::memory {
namespace {

using anchors::at;
using anchors::digits_end;
using anchors::has_at;
using anchors::is_alnum;
using anchors::is_alpha;
using anchors::is_blank;
using anchors::is_digit;
using anchors::is_hex;
using anchors::is_lower;
using anchors::is_one_of;
using anchors::is_upper;
using anchors::is_word;
using anchors::to_lower;

constexpr size_t kLeastHex = 7;

std::string_view trim(std::string_view s, std::string_view what) {
  while (!s.empty() && what.find(s.front()) != std::string_view::npos) s.remove_prefix(1);
  while (!s.empty() && what.find(s.back()) != std::string_view::npos) s.remove_suffix(1);
  return s;
}

std::string lower(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = to_lower(c);
  return out;
}

class Names {
 public:
  Names(std::string_view surface, std::vector<Name>* out) : surface_(surface), out_(out) {
    std::replace(surface_.begin(), surface_.end(), '\n', ' ');  // of a citation over two lines
  }

  // As compared text. Numbers alone are a name when they are long or several.
  void folded(std::string_view text, uint32_t flags = 0) {
    const NameScanner s = scan(text);
    int n = s.words();
    while (n > 0 && s.chars(n) > NameScanner::kMostChars) --n;  // of a long one, its end
    if (n == 0 || s.chars(n) < ((flags & kNameBracket) != 0 ? 2 : 3)) return;
    const bool letters = std::any_of(text.begin(), text.end(), [](char c) { return is_word(c) && !is_digit(c); });
    const bool sign = text.find_first_of("#[") != std::string_view::npos;
    if (!letters && !sign && n < 3 && s.chars(n) < 7) return;
    add(NameTable::folded_key(s.folded(n), s.chars(n)), s.chars(n), s.tail(), flags, surface_);
  }

  // As code.
  void exact(std::string_view text) {
    text = trim(text, "` \t()");
    size_t begin = 0;
    while (begin < text.size() && !is_alnum(text[begin])) ++begin;
    size_t end = text.size();
    while (end > begin && !is_alnum(text[end - 1])) --end;
    text = text.substr(begin, end - begin);
    if (text.size() < 3 || text.size() > NameScanner::kMostChars) return;
    bool plain = true;
    for (size_t i = 1; i < text.size(); ++i)
      plain = plain && is_alpha(text[i]) && !(is_upper(text[i]) && is_lower(text[i - 1]));
    add(NameTable::exact_key(exact_hash(text), text.size()), text.size(), scan(text).tail(),
        plain ? kNameExact | kNameInCode : kNameExact, surface_);
    // "kv::make_room" is often make_room.
    const size_t scope = text.rfind("::");
    if (scope != std::string_view::npos && text.find('_', scope) != std::string_view::npos)
      exact(text.substr(scope + 2));
  }

  void hex(std::string_view digits) { add(NameTable::hex_key(digits), digits.size(), 0, kNameHex, surface_); }

 private:
  static NameScanner scan(std::string_view text) {
    NameScanner s;
    s.push(text, [](const NameScanner&) {});
    s.push("\n", [](const NameScanner&) {});
    return s;
  }
  void add(uint64_t key, size_t chars, uint16_t tail, uint32_t flags, std::string text) {
    if (std::any_of(out_->begin(), out_->end(), [&](const Name& n) { return n.key == key; })) return;
    out_->push_back({key, static_cast<uint16_t>(chars), tail, flags, std::move(text)});
  }

  std::string surface_;
  std::vector<Name>* out_;
};

// The digits (64 at most are compared) of a hexadecimal number of at least seven, of both sorts; hyphens and "0x" left
// out.
std::optional<std::string> hex_digits(std::string_view s) {
  if (has_at(s, 0, "0x") || has_at(s, 0, "0X")) s.remove_prefix(2);
  std::string digits;
  bool number = false;
  bool letter = false;
  for (const char c : s) {
    if (c == '-') continue;
    if (!is_hex(c)) return std::nullopt;
    number |= is_digit(c);
    letter |= is_alpha(c);
    digits += to_lower(c);
  }
  if (digits.size() < kLeastHex || !number || !letter) return std::nullopt;
  return digits;
}

// Where "1982" or "1982a" begins that ends the text (and a bracket), or npos.
size_t last_year(std::string_view s) {
  s = trim(s, " ()[].,;");
  if (!s.empty() && is_lower(s.back())) s.remove_suffix(1);
  if (s.size() < 6 || !(is_alpha(s[0]) || anchors::is_high(s[0]))) return std::string_view::npos;
  const size_t year = s.size() - 4;
  return anchors::is_year(s, year) && !is_word(s[year - 1]) ? year : std::string_view::npos;
}

// "Harlow et al., 2019" is also Harlow 2019, "van der Berg, J. (2019)" Berg 2019.
void citation(std::string_view surface, Names& names) {
  const std::string_view text = trim(surface, " ()[]");
  names.folded(text);
  const size_t year = last_year(text);
  if (year == std::string_view::npos) return;
  std::string_view author = text.substr(0, year);
  for (const std::string_view stop : {",", " and ", " & ", " et ", " und ", " y ", "("})
    author = author.substr(0, author.find(stop));
  author = trim(author, " .");
  const size_t blank = author.rfind(' ');
  const std::string_view last = blank == std::string_view::npos ? author : author.substr(blank + 1);
  if (last.size() > 1) names.folded(std::string(last) + " " + std::string(text.substr(year)));
}

// "[3, 7-9]": [3, [7, [8 and [9.
void bracket(std::string_view s, Names& names) {
  constexpr int kMostRange = 32;
  int from = -1;
  bool dash = false;
  for (size_t i = 0; i < s.size(); ++i) {
    if (!is_digit(s[i])) {
      dash = dash || s[i] == '-' || has_at(s, i, "\xe2\x80\x93");
      if (s[i] == ',') dash = false;
      continue;
    }
    const size_t end = std::min(digits_end(s, i), i + 6);
    const int number = std::stoi(std::string(s.substr(i, end - i)));
    const int first = dash && from >= 0 && number > from && number - from <= kMostRange ? from + 1 : number;
    for (int n = first; n <= number; ++n) names.folded("[" + std::to_string(n) + "]", kNameBracket);
    from = number;
    dash = false;
    i = end - 1;
  }
}

std::string without(std::string_view s, std::string_view signs) {
  std::string out(s);
  std::erase_if(out, [&](char c) { return signs.find(c) != std::string_view::npos; });
  return out;
}

// Words whose number is a name even when it is set like a value: "port: 8443".
bool is_numbered(std::string_view word) {
  constexpr std::string_view kWords[] = {"port", "order", "ticket", "issue", "invoice", "account", "case",    "flight",
                                         "gate", "room",  "rfc",    "pep",   "isbn",    "section", "article", "clause"};
  return is_one_of(word, kWords);
}

// "order #5" and "order no. 5" are also order 5; "version 1.2.3" is 1.2.3.
void numbered(std::string_view s, Names& names) {
  size_t word = 0;
  while (word < s.size() && !is_blank(s[word]) && !is_digit(s[word]) &&
         std::string_view("#:=.").find(s[word]) == std::string_view::npos)
    ++word;
  const std::string designator = lower(s.substr(0, word));
  if (s.find_first_of(":=") != std::string_view::npos && !is_numbered(designator)) return;
  const size_t number = s.find_first_of("0123456789");
  if (number == std::string_view::npos) return;
  names.folded(s);
  const std::string_view rest = s.substr(number);
  if (word > 0 && is_alpha(s[0])) {
    names.folded(designator + " " + std::string(rest));
    names.folded(designator + " # " + std::string(rest));
  }
  // "version 1.2.3" is 1.2.3, "number 77-1032" 77-1032, "request #1234" #1234, an ISBN its digits.
  const auto digits = std::count_if(rest.begin(), rest.end(), is_digit);
  if (std::count(rest.begin(), rest.end(), '.') >= 2 || digits >= 6) names.folded(rest);
  if (s.find('#') != std::string_view::npos && digits >= 3) names.folded(s.substr(s.find('#')));
  if (digits >= 9) names.folded(without(rest, " -"));
}

void url(std::string_view s, Names& names) {
  const size_t scheme = s.find("://");
  if (scheme != std::string_view::npos) s.remove_prefix(scheme + 3);
  if (has_at(s, 0, "mailto:")) s.remove_prefix(7);
  names.folded(s, kNameSlashed);
  for (const std::string_view host : {"doi.org/", "arxiv.org/abs/", "arxiv.org/pdf/"}) {
    const size_t at_host = lower(s).find(host);
    if (at_host != std::string_view::npos) names.folded(s.substr(at_host + host.size()), kNameSlashed);
  }
}

// "3 March 2031" and "March 3, 2031".
void date(std::string_view s, Names& names) {
  names.folded(s);
  std::vector<std::string> words(1);
  for (const char c : s) {
    const bool inside = is_word(c);
    if (inside) words.back() += c;
    if (!inside && !words.back().empty()) words.emplace_back();
  }
  if (words.back().empty()) words.pop_back();
  if (words.size() != 3 || !is_digit(words[2][0])) return;
  const bool day_first = is_digit(words[0][0]);
  if (day_first == is_digit(words[1][0])) return;
  names.folded(words[1] + " " + words[0] + " " + words[2]);
}

// "4.2" before a heading is Section 4.2.
void section(std::string_view s, Names& names) {
  if (!is_digit(s[0])) return numbered(s, names);
  names.folded("section " + std::string(s));
}

// "DE89 3704 0044 ..." is written with blanks or without.
bool is_account(std::string_view s) {
  return s.size() >= 15 && s.size() <= 34 && is_upper(s[0]) && is_upper(s[1]) && is_digit(s[2]) && is_digit(s[3]) &&
         std::all_of(s.begin(), s.end(), is_alnum);
}

void account(const std::string& compact, Names& names) {
  std::string grouped;
  for (size_t i = 0; i < compact.size(); ++i) {
    if (i > 0 && i % 4 == 0) grouped += ' ';
    grouped += compact[i];
  }
  names.folded(compact);
  names.folded(grouped);
}

// DOIs and arXiv numbers without what stands before them.
void identifier(std::string_view s, Names& names) {
  const std::string small = lower(s);
  if (const auto digits = hex_digits(s)) return names.hex(*digits);
  if (s.find('#') != std::string_view::npos) return numbered(s, names);
  if (const std::string compact = without(s, " "); is_account(compact)) return account(compact, names);
  const size_t doi = small.find("10.");
  if (doi != std::string::npos && small.find('/', doi) != std::string::npos)
    return names.folded(s.substr(doi), kNameSlashed);
  if (has_at(small, 0, "arxiv:")) {
    std::string_view number = s.substr(6);
    const size_t version = number.find_first_of("vV");
    if (version != std::string_view::npos && version > 8) {
      names.folded(number);
      number = number.substr(0, version);
    }
    names.folded("arxiv " + std::string(number));
    return names.folded(number);
  }
  names.folded(s, small.find_first_of("/@") != std::string::npos ? kNameSlashed : 0);
}

// What the surface alone tells: of sources, and of kinds without rules of their own.
void by_form(std::string_view s, Names& names) {
  const auto has = [&](std::string_view what) { return s.find(what) != std::string_view::npos; };
  const bool digit = std::any_of(s.begin(), s.end(), is_digit);
  const bool words = s.find(' ') != std::string_view::npos;
  if (has("://") || has("@")) return url(s, names);
  if (has("/") || has("\\")) return names.folded(s, kNameSlashed);
  if (s[0] == '-' && s.size() > 2) return names.folded(s);
  if (last_year(s) != std::string_view::npos) return citation(s, names);
  if (const auto digits = hex_digits(s)) return names.hex(*digits);
  if (has("::") || (!words && !digit && (has("_") || has(".")))) return names.exact(s);
  if (digit && is_alpha(s[0])) return numbered(s, names);
  if (digit || has("\xc2\xa7")) return names.folded(s);
}

bool is_stop_word(std::string_view word) {
  constexpr std::string_view kWords[] = {"the",  "a",     "an",   "of",   "in",  "on",   "at",  "to",  "for",
                                         "from", "by",    "with", "and",  "or",  "is",   "was", "are", "as",
                                         "that", "which", "what", "who",  "how", "does", "did", "do",  "has",
                                         "had",  "have",  "will", "were", "be",  "it",   "its"};
  return is_one_of(word, kWords);
}

}  // namespace

uint64_t NameTable::hex_key(std::string_view digits) {
  return mix(exact_hash(digits.substr(0, kLeastHex)) ^ 0x68657821u);
}

void NameTable::add(const Name& name, uint32_t owner) {
  std::vector<uint32_t>& owners = by_key_[name.key];
  const auto place = std::lower_bound(owners.begin(), owners.end(), owner);
  if (place != owners.end() && *place == owner) return;
  owners.insert(place, owner);
  tails_[tail_bit(name.tail) / 64] |= uint64_t{1} << (tail_bit(name.tail) % 64);
  size_t& longest = (name.flags & kNameExact) != 0 ? longest_exact_ : longest_;
  longest = std::max(longest, std::min<size_t>(name.chars, NameScanner::kMostChars));
}

void NameTable::remove(const Name& name, uint32_t owner) {
  const auto found = by_key_.find(name.key);
  if (found == by_key_.end()) return;
  std::erase(found->second, owner);
  if (found->second.empty()) by_key_.erase(found);
}

std::vector<Name> reference_names(ReferenceKind kind, std::string_view surface) {
  std::vector<Name> out;
  if (surface.empty()) return out;
  Names names(surface, &out);
  switch (kind) {
    case ReferenceKind::kCitation:
      citation(surface, names);
      break;
    case ReferenceKind::kBracket:
      bracket(surface, names);
      break;
    case ReferenceKind::kFunction:
      names.exact(surface);
      break;
    case ReferenceKind::kIdentifier:
      identifier(surface, names);
      break;
    case ReferenceKind::kUrl:
      url(surface, names);
      break;
    case ReferenceKind::kNumber:
      numbered(surface, names);
      break;
    case ReferenceKind::kSection:
      section(surface, names);
      break;
    case ReferenceKind::kPath:
      names.folded(surface, kNameSlashed);
      break;
    case ReferenceKind::kEmail:
      url(surface, names);
      break;
    case ReferenceKind::kVersion:
      numbered(surface, names);
      break;
    case ReferenceKind::kPhone:
      names.folded(surface);
      names.folded(without(surface, " -/()."));
      break;
    case ReferenceKind::kDate:
      date(surface, names);
      break;
    case ReferenceKind::kOption:
    case ReferenceKind::kManual:
    case ReferenceKind::kStandard:
      names.folded(surface);
      break;
    case ReferenceKind::kAmount:  // a value
      break;
  }
  return out;
}

std::vector<Name> given_names(std::string_view source_id) {
  std::vector<Name> out;
  const std::string_view text = trim(source_id, " `()[]\"'");
  if (text.empty()) return out;
  Names names(source_id, &out);
  by_form(text, names);
  for (const Reference& r : detect_references(text, true).references) {
    for (Name& name : reference_names(r.kind, text.substr(r.begin, r.end - r.begin))) {
      if (std::none_of(out.begin(), out.end(), [&](const Name& n) { return n.key == name.key; }))
        out.push_back(std::move(name));
    }
  }
  std::vector<Term> terms;
  distinctive_terms(text, &terms);
  if (out.empty() && !terms.empty()) names.folded(text);
  return out;
}

std::vector<Name> subject_names(std::string_view statement, bool alone) {
  std::vector<Name> out;
  std::vector<Term> terms;
  distinctive_terms(statement, &terms);
  for (const Term& term : terms) {
    const std::string_view word = statement.substr(term.begin, term.end - term.begin);
    if (!is_upper(word[0]) && !anchors::is_high(word[0])) continue;
    if (std::any_of(word.begin(), word.end(), is_digit)) continue;  // a name
    if (alone) Names(word, &out).folded(word, kNameSubject);
    const auto add = [&](size_t begin, size_t end, std::string_view beside) {
      if (beside.size() < 2 || is_stop_word(lower(beside)) || std::any_of(beside.begin(), beside.end(), is_digit))
        return;
      const std::string_view both = statement.substr(begin, end - begin);
      Names(both, &out).folded(both, kNameSubject);
    };
    if (term.begin > 1 && statement[term.begin - 1] == ' ') {
      const size_t begin = anchors::word_begin(statement, term.begin - 1);
      add(begin, term.end, statement.substr(begin, term.begin - 1 - begin));
    }
    if (at(statement, term.end) == ' ') {
      const size_t end = anchors::word_end(statement, term.end + 1);
      add(term.begin, end, statement.substr(term.end + 1, end - term.end - 1));
    }
  }
  return out;
}

std::vector<uint64_t> word_keys(std::string_view statement) {
  std::vector<Term> terms;
  distinctive_terms(statement, &terms);
  std::vector<uint64_t> keys;
  for (const Term& term : terms) keys.push_back(term.hash);
  return keys;
}

bool is_mention(const Name& name, const NameScanner& scanner, const NameTable::Match& match) {
  const auto is = [&](uint32_t flag) { return (name.flags & flag) != 0; };
  if (is(kNameHex)) {
    if (match.words != 0) return false;
    const std::string_view digits = scanner.hex();
    const std::string all = hex_digits(name.text).value_or("").substr(0, NameScanner::kMostWord);
    return digits.starts_with(all) || all.starts_with(digits);
  }
  if (match.words == 0) return false;
  const auto before = static_cast<char>(scanner.joined_by(match.words));
  const auto next = static_cast<char>(scanner.next());
  const auto goes_on = static_cast<char>(scanner.goes_on());
  if (before == '-' || before == '_' || (before == '.' && !is(kNameExact))) return false;
  if (is(kNameExact)) {
    if (scanner.is_key() || (goes_on != '\0' && (next == '-' || next == '_'))) return false;
    return !is(kNameInCode) || scanner.before(match.words) == '`' || next == '(';
  }
  if (goes_on == '\0') return true;
  const bool number = is_digit(static_cast<char>(name.tail & 0xFFU));
  if (is(kNameBracket)) return next == '-';
  switch (next) {
    case '-':
      return number && is_lower(goes_on);  // "DOC-7-like"
    case '_':
    case '.':
      return false;
    case '(':
      return !number;  // 4.2(b)
    case '"':
    case '\'':
      return true;
    default:
      return !is(kNameSlashed);
  }
}

}  // namespace kedge::memory
