#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <utf8proc.h>

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <string>

#include "kernels/base/utf8.h"
#include "tokenizer/pretokenizers.h"

namespace kedge::tokenizer {
namespace {

struct FreePcre {
  void operator()(pcre2_code* p) const { pcre2_code_free(p); }
  void operator()(pcre2_match_data* p) const { pcre2_match_data_free(p); }
  void operator()(pcre2_match_context* p) const { pcre2_match_context_free(p); }
  void operator()(pcre2_compile_context* p) const { pcre2_compile_context_free(p); }
  void operator()(pcre2_jit_stack* p) const { pcre2_jit_stack_free(p); }
};
template <class T>
using Pcre = std::unique_ptr<T, FreePcre>;

constexpr uint32_t kMatchLimit = 500'000'000;  // steps of one match; a linear pattern over the longest text needs fewer
constexpr uint32_t kHeapLimitKib = 256 * 1024;  // the interpreter's backtracking memory
constexpr size_t kJitStackStart = 64 * 1024;
constexpr size_t kJitStackMax = 64 * 1024 * 1024;

std::string pcre_message(int code) {
  unsigned char buffer[200];
  pcre2_get_error_message(code, buffer, sizeof(buffer));
  return reinterpret_cast<const char*>(buffer);
}

// PCRE2's \s takes in U+180E, which is no longer white space; the property is exact.
std::string white_space_property(std::string_view pattern) {
  std::string out;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char next = pattern[i] == '\\' && i + 1 < pattern.size() ? pattern[i + 1] : '\0';
    if (next == 's' || next == 'S') {
      out += next == 's' ? "\\p{White_Space}" : "\\P{White_Space}";
      ++i;
    } else {
      out.push_back(pattern[i]);
      if (next != '\0') out.push_back(pattern[++i]);
    }
  }
  return out;
}

struct Step {
  Pcre<pcre2_code> code;  // null: digit groups
  bool whole_words = false;
};

bool is_category(uint32_t cp, std::initializer_list<utf8proc_category_t> categories) {
  const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(cp));
  return std::find(categories.begin(), categories.end(), category) != categories.end();
}

// \d or \p{N}.
bool is_digit(uint32_t cp, bool decimal) {
  if (cp < 0x80) return cp >= '0' && cp <= '9';
  if (decimal) return is_category(cp, {UTF8PROC_CATEGORY_ND});
  return is_category(cp, {UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NL, UTF8PROC_CATEGORY_NO});
}

// \w of the digits' neighbours, which are no digits themselves.
bool is_word_character(uint32_t cp) {
  return is_category(cp, {UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LL, UTF8PROC_CATEGORY_LT, UTF8PROC_CATEGORY_LM,
                          UTF8PROC_CATEGORY_LO, UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_MC, UTF8PROC_CATEGORY_ME,
                          UTF8PROC_CATEGORY_NL, UTF8PROC_CATEGORY_PC});
}

// Ends of the parts of text[begin, end): runs of digits by threes from the right, and what lies between runs. With
// `whole_words` digits are decimal and a run that a letter follows is not grouped.
void split_digits(std::string_view text, size_t begin, size_t end, bool whole_words, std::vector<size_t>* ends) {
  std::vector<size_t> digit_ends;
  size_t done = begin;
  for (size_t i = begin; i < end;) {
    const size_t run = i;
    size_t length = 0;
    uint32_t cp = 0;
    digit_ends.clear();
    for (; i < end; i += length, digit_ends.push_back(i)) {
      length = utf8_char_length(text, i);
      cp = utf8_code_point(text, i, length);
      if (!is_digit(cp, whole_words)) break;
    }
    const bool skip = digit_ends.empty() || (whole_words && i < end && is_word_character(cp));
    if (!skip) {
      if (run > done) ends->push_back(run);
      const size_t first = digit_ends.size() % 3 == 0 ? 3 : digit_ends.size() % 3;
      for (size_t k = first; k <= digit_ends.size(); k += 3) ends->push_back(digit_ends[k - 1]);
      done = i;
    }
    if (i < end) i += length;
  }
  if (done < end) ends->push_back(end);
}

// What one split() call needs to run patterns; the compiled patterns are shared, this is not.
class Matcher {
 public:
  static Result<Matcher> make() {
    Matcher m;
    m.data_.reset(pcre2_match_data_create(1, nullptr));
    m.context_.reset(pcre2_match_context_create(nullptr));
    if (!m.data_ || !m.context_) return Error{ErrorCode::kCapacity, "pre-tokeniser: out of memory"};
    pcre2_set_match_limit(m.context_.get(), kMatchLimit);
    pcre2_set_heap_limit(m.context_.get(), kHeapLimitKib);
    return m;
  }

  // First match of `code` in text[from..], as [begin, end); nothing when there is none.
  Result<std::optional<std::pair<size_t, size_t>>> find(const pcre2_code* code, std::string_view text, size_t from) {
    int rc = run(code, text, from);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT && !stack_) {
      stack_.reset(pcre2_jit_stack_create(kJitStackStart, kJitStackMax, nullptr));
      pcre2_jit_stack_assign(context_.get(), nullptr, stack_.get());
      rc = run(code, text, from);
    }
    if (rc == PCRE2_ERROR_NOMATCH) return std::optional<std::pair<size_t, size_t>>();
    if (rc < 0) {
      return Error{ErrorCode::kCapacity, "pre-tokeniser: " + pcre_message(rc) + " at byte " + std::to_string(from) +
                                             " of a text of " + std::to_string(text.size()) + " bytes"};
    }
    const size_t* at = pcre2_get_ovector_pointer(data_.get());
    return std::optional(std::pair(at[0], at[1]));
  }

 private:
  Matcher() = default;
  int run(const pcre2_code* code, std::string_view text, size_t from) {
    const auto* subject = reinterpret_cast<const unsigned char*>(text.data());
    return pcre2_match(code, subject, text.size(), from, PCRE2_NO_UTF_CHECK, data_.get(), context_.get());
  }

  Pcre<pcre2_match_data> data_;
  Pcre<pcre2_match_context> context_;
  Pcre<pcre2_jit_stack> stack_;
};

// Ends of the parts of text[begin, end): matches, and what lies between them.
Status split_matches(const pcre2_code* code, Matcher* matcher, std::string_view text, size_t begin, size_t end,
                     std::vector<size_t>* ends) {
  const std::string_view part = text.substr(begin, end - begin);  // a pattern never looks beyond its part
  size_t done = 0;
  for (size_t from = 0; from < part.size();) {
    KEDGE_ASSIGN(match, matcher->find(code, part, from));
    if (!match) break;
    const auto [a, b] = *match;
    if (a == b) {  // an empty match cuts nothing; go on after the next character
      if (a >= part.size()) break;
      from = a + utf8_char_length(part, a);
      continue;
    }
    if (a > done) ends->push_back(begin + a);
    ends->push_back(begin + b);
    done = from = b;
  }
  if (done < part.size()) ends->push_back(end);
  return {};
}

}  // namespace

struct Pretokenizer::Impl {
  std::vector<Step> steps;
};

Pretokenizer::Pretokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Pretokenizer::Pretokenizer(Pretokenizer&&) noexcept = default;
Pretokenizer& Pretokenizer::operator=(Pretokenizer&&) noexcept = default;
Pretokenizer::~Pretokenizer() = default;

Result<Pretokenizer> Pretokenizer::make(const PretokenizerRules& rules) {
  auto impl = std::make_unique<Impl>();
  for (const std::string_view pattern : rules.patterns) {
    Step step;
    step.whole_words = pattern == kDigitGroupsOfWords;
    if (pattern != kDigitGroups && pattern != kDigitGroupsOfWords) {
      const std::string text = white_space_property(pattern);
      int code = 0;
      size_t at = 0;
      // DOLLAR_ENDONLY: in the tokenizer.json dialect `$` is the very end, not "before a last newline".
      step.code.reset(pcre2_compile(reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                                    PCRE2_UTF | PCRE2_UCP | PCRE2_DOLLAR_ENDONLY | PCRE2_NO_AUTO_CAPTURE, &code, &at,
                                    nullptr));
      if (!step.code) {
        return Error{ErrorCode::kInternal, "pre-tokeniser '" + std::string(rules.names[0]) +
                                               "': " + pcre_message(code) + " at offset " + std::to_string(at) +
                                               " of its pattern"};
      }
      // Without a just-in-time compiler (or where the system forbids it) the interpreter does the same, slower.
      (void)pcre2_jit_compile(step.code.get(), PCRE2_JIT_COMPLETE);
    }
    impl->steps.push_back(std::move(step));
  }
  return Pretokenizer(std::move(impl));
}

Status Pretokenizer::split(std::string_view text, std::vector<size_t>* ends) const {
  ends->clear();
  if (text.empty()) return {};
  KEDGE_ASSIGN(matcher, Matcher::make());
  ends->push_back(text.size());
  std::vector<size_t> finer;
  for (const Step& step : impl_->steps) {
    finer.clear();
    size_t begin = 0;
    for (const size_t end : *ends) {
      if (step.code) {
        KEDGE_TRY(split_matches(step.code.get(), &matcher, text, begin, end, &finer));
      } else {
        split_digits(text, begin, end, step.whole_words, &finer);
      }
      begin = end;
    }
    std::swap(*ends, finer);
  }
  return {};
}

}  // namespace kedge::tokenizer
