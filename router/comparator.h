// A comparator checks an answer without a model. Files of router/verify/ provide one each: the stem is its key, and it
// defines `constinit const ComparatorDef <stem>` in namespace kedge::router::comparators.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/json.h"
#include "kernels/base/result.h"
#include "router/derive.h"

namespace kedge::router {

// A piece of evidence the answer was given; `text` is exactly what stood in the prompt.
struct Evidence {
  std::string id;      // what a citation names, e.g. "K-10014"
  std::string text;    // UTF-8
  std::string source;  // where it comes from: a path or address; may be empty
};

struct CheckInput {
  std::string_view question;
  std::string_view answer;  // with special tokens written out: value<|ref|>[ID] "quote"
  std::span<const Evidence> evidence;
  std::span<const std::string> samples;  // other answers to the same question, for majority
  const Json* schema = nullptr;          // JSON schema the answer has to obey
  std::string_view pattern;              // regular expression (PCRE2) the whole answer has to match; empty: none
  const std::optional<Derived>* derived = nullptr;  // derive(question), where the caller has it already
  const Json* tools = nullptr;                      // functions the answer may call; null: none
  const Json* calls = nullptr;                      // that it makes: [{"name", "arguments": JSON text}]
  bool call_required = false;
  std::string_view broken_call = {};  // what is wrong with the last one as it was written; empty: nothing
};

enum class Verdict { kPass, kFail, kNotApplicable };
const char* verdict_name(Verdict verdict);  // "pass", "fail", "not_applicable"

struct CheckResult {
  std::string_view name;  // the comparator's key
  Verdict verdict = Verdict::kNotApplicable;
  std::string explanation;  // one line a person can read, with the values compared
};

struct ComparatorDef {
  const char* name;
  const char* doc;
  // Errors: kInvalidArgument for a request nobody can check (a schema or pattern that is none): never a verdict.
  Result<CheckResult> (*check)(const CheckInput& input);
};

std::span<const ComparatorDef* const> all_comparators();  // by name
const ComparatorDef* find_comparator(std::string_view name);

// All of them; those that do not apply are left out.
Result<std::vector<CheckResult>> check_answer(const CheckInput& input);

}  // namespace kedge::router
