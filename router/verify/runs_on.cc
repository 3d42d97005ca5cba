// An answer that goes on with lines of a prompt ("204, Proposed answer: 180 euros") is more than an answer.
#include <algorithm>
#include <array>

#include "router/comparator.h"
#include "router/text_norm.h"

namespace kedge::router::comparators {
namespace {

struct Mark {
  std::string_view text;     // folded
  bool begins_line = false;  // it is a mark only there
};
constexpr auto kMarks = std::to_array<Mark>({{"proposed answer:"},
                                             {"is the answer supported"},
                                             {"is the answer correct"},
                                             {"<|user|>"},
                                             {"<|system|>"},
                                             {"<|assistant|>"},
                                             {"question:", true},
                                             {"user:", true},
                                             {"assistant:", true}});

bool stands(const std::string& text, const Mark& mark) {
  for (size_t at = text.find(mark.text); at != std::string::npos; at = text.find(mark.text, at + 1)) {
    if (!mark.begins_line || (at > 0 && text[at - 1] == '\n')) return true;
  }
  return false;
}

// Line by line, because folding makes one line of all.
std::string folded_lines(std::string_view text) {
  std::string lines;
  for (size_t i = 0; i <= text.size();) {
    const size_t end = std::min(text.find('\n', i), text.size());
    lines += (i == 0 ? "" : "\n") + folded(text.substr(i, end - i));
    i = end + 1;
  }
  return lines;
}

Result<CheckResult> check(const CheckInput& input) {
  CheckResult result{.name = "runs_on", .explanation = {}};
  const std::string answer = folded_lines(input.answer);
  const std::string question = folded(input.question);
  for (const Mark& mark : kMarks) {
    // What the question says itself may be repeated.
    if (!stands(answer, mark) || question.find(mark.text) != std::string::npos) continue;
    result.verdict = Verdict::kFail;
    result.explanation = "the answer runs on into '" + std::string(mark.text) + "', a part of prompts";
    break;
  }
  return result;
}

}  // namespace

extern constinit const ComparatorDef runs_on;
constinit const ComparatorDef runs_on = {"runs_on", "fails answers that go on with parts of a prompt", check};

}  // namespace kedge::router::comparators
