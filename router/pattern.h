// Regular expressions from outside, matched within bounds: PCRE2's interpreter, whose steps and memory are limited.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "kernels/base/result.h"

struct pcre2_real_code_8;

namespace kedge::router {

// Steps that matching may still take, for one match or many. A step is a place where the matcher may come back to.
struct MatchBudget {
  uint64_t steps = 5'000'000;  // under a second
};

class Pattern {
 public:
  enum class Kind {
    kWhole,   // PCRE2's syntax; has to match the whole text
    kSearch,  // ECMAScript's syntax as JSON schemas use it; matches anywhere in the text
  };

  // `name` is how errors call the pattern. Errors: kInvalidArgument (does not compile, with the byte where; not UTF-8),
  // kCapacity (longer than 16 KiB), kUnsupported (kSearch: what only PCRE2 knows and needs the whole pattern).
  static Result<Pattern> compile(std::string_view pattern, std::string name, Kind kind);

  // Precondition: `text` is UTF-8. Errors: kCapacity (the budget is used up, or the memory limit of a match is
  // reached).
  Result<bool> matches(std::string_view text, MatchBudget* budget) const;

 private:
  struct Free {
    void operator()(pcre2_real_code_8* code) const;
  };
  using Code = std::unique_ptr<pcre2_real_code_8, Free>;

  Pattern(Code code, std::string name) : code_(std::move(code)), name_(std::move(name)) {}
  static Result<Code> compile_code(std::string_view pattern, const std::string& name, Kind kind);

  Code code_;
  std::string name_;
};

}  // namespace kedge::router
