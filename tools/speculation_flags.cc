#include "tools/speculation_flags.h"

#include "tools/model_flags.h"

namespace kedge::tools {

namespace {

constexpr std::string_view kDraft = "draft:";

std::string guesser(const std::string& text) {
  if (text == "none" || text == "ngram" || text == "mtp") return "";
  if (text.starts_with(kDraft) && text.size() > kDraft.size()) return "";
  return "'" + text + "' is none of none, ngram, mtp, draft:FILE";
}

}  // namespace

void SpeculationFlags::add_to(CLI::App* command) {
  const CLI::CommonOptions common(command);
  const char* group = "Speculation";
  command
      ->add_option("--speculate", how_,
                   "Evaluate guessed tokens ahead: what followed in the text before (ngram), what the model's "
                   "own block for further tokens says (mtp), or what a small model with the same vocabulary says "
                   "(draft:FILE, or "
                   "draft:NAME of an embedded model); never changes the text, only "
                   "how long it takes [none]")
      ->check(CLI::Validator(guesser, ""))
      ->type_name("HOW")
      ->group(group);
  command->add_option("--speculate-max", most_, "Tokens guessed at once, at most; fewer where it does not pay")
      ->check(in_range(1, 31))
      ->capture_default_str()
      ->group(group);
}

std::string SpeculationFlags::json() const {
  if (how_.empty() || how_ == "none") return {};
  const bool drafts = how_.starts_with(kDraft);
  return Json{{"kind", drafts ? std::string("draft") : how_}, {"max", most_}}.dump();
}

std::optional<kedge::Session> SpeculationFlags::draft(kedge::SessionOptions options) const {
  if (!how_.starts_with(kDraft)) return std::nullopt;
  ModelFlags flags;
  flags.model = how_.substr(kDraft.size());
  const kedge::Model model = flags.open();
  options.kv.clear();  // its memory is its own: it forgets what was not taken
  return need(kedge::Session::create(model, options));
}

std::string speculation_line(std::string_view speculation) {
  if (speculation.empty()) return {};
  const Json json = Json::parse(speculation);
  const double guessed = json.value("guessed", 0.0);
  const double accepted = json.value("accepted", 0.0);
  const double steps = json.value("steps", 0.0);
  std::string line =
      format("speculation (%s): %.0f steps, %.0f tokens guessed, %.0f came (%.0f %%), %.2f tokens a step",
             json.value("kind", std::string()).c_str(), steps, guessed, accepted,
             guessed > 0 ? 100 * accepted / guessed : 0, steps > 0 ? (steps + accepted) / steps : 0);
  if (json.contains("stopped")) line += "; it stopped: " + json.value("stopped", std::string());
  return line;
}

}  // namespace kedge::tools
