#include "router/retrieval/hyphens.h"

#include <algorithm>
#include <unordered_map>

#include "router/words.h"

namespace kedge::router::retrieval {

namespace {

// What a compound with a hyphen usually begins and ends with in English.
constexpr std::string_view kFirst =
    " all cross eight ex fast fine first five four full half hard high ill large long low mid multi nine non one open "
    "quasi real second self semi seven short single six slow small soft ten third three two well wide ";
constexpr std::string_view kSecond =
    " aware based bound capable compatible compliant conscious controlled defined dependent driven effective efficient "
    "enabled facing free friendly generated grade heavy independent intensive known level like made making minded "
    "neutral only oriented owned prone proof ready related resistant rich safe sensitive sided specific style tuned "
    "wide year by in of off on out to up ";
// What joins to one of kFirst without a hyphen: "higher", "hardware", "realistic".
constexpr std::string_view kSuffixes =
    " age ages back backs being cover cut cuts en ened ens er ers est fall falls fold hand handed hood ing ings ise "
    "ised "
    "ish ism ist istic ity ize ized land lands less light lights lighted ly ment ments ness over overs pox road roads "
    "sense ship ships some stand standing ther ware way ways where word words ";
// No word of their own: what begins with them and a hyphen at a line's end was one word.
constexpr std::string_view kPrefixes =
    " be com con cor de dis em en fore im in inter ir mis out over per pre pro re some sub super trans un under up ";
constexpr std::string_view kConjunctions = " and bzw et nor oder or ou sowie und ";

bool is_in(std::string_view list, const std::string& word) {
  return list.find(" " + word + " ") != std::string_view::npos;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return out;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

// Upper-case letters of Latin-1 and of the Greek and Cyrillic alphabets count too.
bool begins_upper(std::string_view word) {
  const auto a = static_cast<unsigned char>(word[0]);
  const auto b = static_cast<unsigned char>(word.size() > 1 ? word[1] : 0);
  return is_upper(word[0]) || (a == 0xc3 && b <= 0x9e) || (a == 0xce && b >= 0x86 && b <= 0xab) ||
         (a == 0xd0 && b >= 0x80 && b <= 0xaf);
}

size_t hyphen_length(std::string_view text, size_t i) {
  if (text[i] == '-') return 1;
  return text.substr(i, 3) == "\xe2\x80\x90" ? 3 : text.substr(i, 2) == "\xc2\xad" ? 2 : 0;
}

// Words of the text by how often they stand there whole, with their hyphens, in lower case.
using Counts = std::unordered_map<std::string, int>;

Counts count_words(std::string_view text) {
  Counts counts;
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    while (end < text.size() && (is_word_byte(text[end]) || (text[end] == '-' && end > i))) ++end;
    if (end > i && text[end - 1] != '-') ++counts[lower(text.substr(i, end - i))];
    i = std::max(end, i + 1);
  }
  return counts;
}

enum class Way { kApart, kHyphen, kJoined };

// How "left-" at a line's end and "right" at the next one's beginning belong together. `chained`: a hyphen stands
// before left, or behind right, or a mark that holds addresses and paths together before left.
Way way_of(std::string_view left, std::string_view right, bool chained, const Counts& counts) {
  const std::string l = lower(left);
  const std::string r = lower(right);
  if (is_digit(left.back()) || is_digit(right[0])) return Way::kHyphen;
  const auto times = [&](const std::string& word) {
    const auto found = counts.find(word);
    return found == counts.end() ? 0 : found->second;
  };
  const int joined = times(l + r);
  const int hyphened = times(l + "-" + r);
  if (joined != hyphened && !chained) return joined > hyphened ? Way::kJoined : Way::kHyphen;
  if (chained || begins_upper(right)) return Way::kHyphen;
  if (is_in(kConjunctions, r)) return Way::kApart;
  if (is_in(kPrefixes, l)) return Way::kJoined;
  if (l.size() > 2 && is_in(kSecond, r)) return Way::kHyphen;
  return is_in(kFirst, l) && !is_in(kSuffixes, r) ? Way::kHyphen : Way::kJoined;
}

}  // namespace

std::string join_hyphenated(std::string_view text) {
  const Counts counts = count_words(text);
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const size_t hyphen = hyphen_length(text, i);
    size_t next = i + hyphen;
    while (hyphen > 0 && next < text.size() && (text[next] == ' ' || text[next] == '\t' || text[next] == '\r')) ++next;
    const bool at_end = hyphen > 0 && i > 0 && is_word_byte(text[i - 1]) && next < text.size() && text[next] == '\n';
    if (!at_end) {
      out += text[i++];
      continue;
    }
    ++next;
    while (next < text.size() && (text[next] == ' ' || text[next] == '\t')) ++next;
    size_t end = next;
    while (end < text.size() && is_word_byte(text[end]) && hyphen_length(text, end) == 0) ++end;
    size_t begin = i;
    while (begin > 0 && is_word_byte(text[begin - 1])) --begin;
    if (end == next || begin == i) {
      out += text[i++];
      continue;
    }
    const std::string_view left = text.substr(begin, i - begin);
    const std::string_view right = text.substr(next, end - next);
    const bool before = begin > 0 && std::string_view("-/._@:~").find(text[begin - 1]) != std::string_view::npos;
    const bool behind = end < text.size() && text[end] == '-' && end + 1 < text.size() && is_word_byte(text[end + 1]);
    const bool soft = text[i] == '\xc2';
    const Way way = soft ? Way::kJoined : way_of(left, right, before || behind, counts);
    if (way != Way::kJoined) out += text.substr(i, hyphen);
    if (way == Way::kApart) out += ' ';
    out += right;
    // The line breaks behind the word instead.
    i = end;
    while (i + 1 < text.size() && text[i] == '-' && is_word_byte(text[i + 1])) {  // with the rest of its chain
      do {
        out += text[i++];
      } while (i < text.size() && is_word_byte(text[i]));
    }
    while (i < text.size() && std::string_view(".,;:!?)\"'").find(text[i]) != std::string_view::npos) out += text[i++];
    if (i < text.size() && (text[i] == ' ' || text[i] == '\t')) {
      out += '\n';
      while (i < text.size() && (text[i] == ' ' || text[i] == '\t')) ++i;
    }
  }
  return out;
}

}  // namespace kedge::router::retrieval
