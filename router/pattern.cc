#include "router/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>

#include "kernels/base/utf8.h"
#include "kernels/base/utf8_cut.h"

namespace kedge::router {
namespace {

struct FreePcre {
  void operator()(pcre2_compile_context* p) const { pcre2_compile_context_free(p); }
  void operator()(pcre2_match_context* p) const { pcre2_match_context_free(p); }
  void operator()(pcre2_match_data* p) const { pcre2_match_data_free(p); }
};
template <class T>
using Pcre = std::unique_ptr<T, FreePcre>;

constexpr size_t kMaxPatternBytes = 16 * 1024;
constexpr uint32_t kMaxGroupDepth = 100;        // the compiler recurses
constexpr uint32_t kHeapLimitKib = 64 * 1024;   // memory to come back to earlier places
constexpr uint32_t kDepthLimit = 1'000'000;     // such places at once
constexpr uint64_t kFirstTry = 256;             // steps; nearly every match needs fewer
constexpr uint64_t kNextTry = 16;               // times the try before
constexpr uint64_t kMostSteps = 1'000'000'000;  // fits PCRE2's 32 bits

constexpr uint32_t kWholeOptions = PCRE2_ANCHORED | PCRE2_ENDANCHORED;
constexpr uint32_t kSearchOptions =
    PCRE2_ANCHORED | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_BSUX | PCRE2_MATCH_UNSET_BACKREF | PCRE2_ALLOW_EMPTY_CLASS;

std::string pcre_message(int code) {
  unsigned char buffer[200];
  pcre2_get_error_message(code, buffer, sizeof(buffer));
  return reinterpret_cast<const char*>(buffer);
}

const unsigned char* bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

Error out_of_memory(const std::string& name) { return {ErrorCode::kCapacity, name + ": out of memory"}; }

}  // namespace

void Pattern::Free::operator()(pcre2_real_code_8* code) const { pcre2_code_free(code); }

Result<Pattern::Code> Pattern::compile_code(std::string_view pattern, const std::string& name, Kind kind) {
  const Pcre<pcre2_compile_context> context(pcre2_compile_context_create(nullptr));
  if (!context) return out_of_memory(name);
  pcre2_set_parens_nest_limit(context.get(), kMaxGroupDepth);
  int error = 0;
  size_t at = 0;
  const uint32_t options =
      PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | (kind == Kind::kWhole ? kWholeOptions : kSearchOptions);
  Code code(pcre2_compile(bytes(pattern), pattern.size(), options, &error, &at, context.get()));
  if (code) return code;
  return Error{ErrorCode::kInvalidArgument, name + " '" + std::string(utf8_cut(pattern, 80)) +
                                                "' is no regular expression: " + pcre_message(error) + " at byte " +
                                                std::to_string(at)};
}

Result<Pattern> Pattern::compile(std::string_view pattern, std::string name, Kind kind) {
  if (pattern.size() > kMaxPatternBytes) {
    return Error{ErrorCode::kCapacity, name + " has " + std::to_string(pattern.size()) + " bytes; the limit is " +
                                           std::to_string(kMaxPatternBytes)};
  }
  if (const size_t valid = utf8_valid_until(pattern, 0); valid < pattern.size()) {
    return Error{ErrorCode::kInvalidArgument, name + " is not UTF-8 at byte " + std::to_string(valid)};
  }
  KEDGE_ASSIGN(code, compile_code(pattern, name, kind));
  if (kind == Kind::kWhole) return Pattern(std::move(code), std::move(name));
  // PCRE2 limits the steps per start of a match. One start, and everything before the match is steps too.
  auto anywhere = compile_code("(?s:.*?)(?:" + std::string(pattern) + ")", name, kind);
  if (!anywhere.ok()) {
    return Error{ErrorCode::kUnsupported,
                 name + " '" + std::string(utf8_cut(pattern, 80)) + "' uses what ECMAScript's expressions do not have"};
  }
  return Pattern(std::move(*anywhere), std::move(name));
}

Result<bool> Pattern::matches(std::string_view text, MatchBudget* budget) const {
  const Pcre<pcre2_match_data> data(pcre2_match_data_create(1, nullptr));
  const Pcre<pcre2_match_context> context(pcre2_match_context_create(nullptr));
  if (!data || !context) return out_of_memory(name_);
  pcre2_set_heap_limit(context.get(), kHeapLimitKib);
  pcre2_set_depth_limit(context.get(), kDepthLimit);
  // PCRE2 does not tell the steps it took, so small limits come first and every try is paid in full.
  for (uint64_t limit = kFirstTry;; limit *= kNextTry) {
    const uint64_t steps = std::min({limit, budget->steps, kMostSteps});
    budget->steps -= steps;
    pcre2_set_match_limit(context.get(), static_cast<uint32_t>(steps));
    const int rc = pcre2_match(code_.get(), bytes(text), text.size(), 0, PCRE2_NO_UTF_CHECK, data.get(), context.get());
    if (rc >= 0) return true;
    if (rc == PCRE2_ERROR_NOMATCH) return false;
    if (rc == PCRE2_ERROR_MATCHLIMIT && budget->steps > 0 && steps < kMostSteps) continue;
    std::string problem = pcre_message(rc);
    if (rc == PCRE2_ERROR_MATCHLIMIT) problem += " (the steps of a check are used up)";
    if (rc == PCRE2_ERROR_HEAPLIMIT) problem += " (" + std::to_string(kHeapLimitKib / 1024) + " MiB)";
    if (rc == PCRE2_ERROR_DEPTHLIMIT) problem += " (" + std::to_string(kDepthLimit) + ")";
    return Error{ErrorCode::kCapacity,
                 name_ + ": " + problem + " on a text of " + std::to_string(text.size()) + " bytes"};
  }
}

}  // namespace kedge::router
