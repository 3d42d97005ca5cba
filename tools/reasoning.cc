#include "tools/reasoning.h"

#include <algorithm>
#include <string_view>

namespace kedge::tools {

namespace {

// Tokens at the end of a prompt within which a mark would stand.
constexpr size_t kTail = 32;

std::string_view without_space_behind(std::string_view text) {
  return text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
}

}  // namespace

Json reasoning_marks(const kedge::Model& model) {
  const auto format = model.chat_format();
  if (!format.ok()) return {};
  const Json described = Json::parse(*format);
  const Json* marks = described.pointee("/reasoning");
  return marks != nullptr && marks->is_array() && marks->size() == 2 ? *marks : Json();
}

bool reasoning_is_open(const kedge::Model& model, std::span<const int32_t> prompt, const Json& marks) {
  const std::string begin = marks.at(0);
  const auto text = model.detokenize(prompt.last(std::min(kTail, prompt.size())), true);
  return text.ok() && without_space_behind(*text).ends_with(without_space_behind(begin));
}

void ReasoningBudget::add_to(CLI::App* command) {
  const CLI::CommonOptions common(command);
  option_ = command
                ->add_option(
                    "--reasoning-budget", tokens_,
                    "Tokens a model may think before its answer; then its reasoning is closed. -1: as many as it likes")
                ->check(in_range(-1, 1 << 24))
                ->capture_default_str();
}

Json ReasoningBudget::of(const Json& marks, bool open) const {
  Json reasoning = {{"begin", marks.at(0)}, {"end", marks.at(1)}, {"open", open}};
  if (given()) reasoning["budget"] = tokens_;
  return reasoning;
}

}  // namespace kedge::tools
