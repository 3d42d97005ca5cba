// The path of an answer as a drawing.
#include <algorithm>
#include <cmath>

#include "tools/why.h"

namespace kedge::tools {

namespace {

constexpr int kMeter = 20;  // characters

const Json& list_of(const Json& json, const char* member) {
  static const Json kNone = Json::array();
  return json.is_object() && json.contains(member) && json[member].is_array() ? json[member] : kNone;
}

double number_of(const Json& json, const char* member) {
  return json.is_object() && json.contains(member) && json[member].is_number() ? json[member].get<double>() : NAN;
}

// "##########----|-----": how likely it is to be right, and the mark it had to reach.
std::string meter(double p, double threshold) {
  std::string bar(kMeter, '-');
  const auto at = [](double share) { return std::clamp(static_cast<int>(std::lround(share * kMeter)), 0, kMeter); };
  std::fill(bar.begin(), bar.begin() + at(p), '#');
  if (!std::isnan(threshold) && threshold <= 1) bar[static_cast<size_t>(std::min(at(threshold), kMeter - 1))] = '|';
  return "[" + bar + "]";
}

void draw_attempt(const Json& a, int number, std::string& out) {
  const auto line = [&](const std::string& text) { out += "  |    " + text + "\n"; };
  out += "  |\n" + format("  +--[ attempt %d: ", number) + text_of(a, "purpose") + ", " +
         (text_of(a, "model").empty() ? "?" : text_of(a, "model")) + ", " + text_of(a, "model_digest").substr(0, 19) +
         " ]\n";
  if (const std::string error = text_of(a, "error"); !error.empty()) line("no answer: " + error);
  const double p = number_of(a, "p");
  const double threshold = number_of(a, "threshold");
  std::string sure = std::isnan(p) ? "p unknown" : meter(p, threshold) + format(" p %.3f", p);
  const bool nothing = a.contains("accepts_nothing") && a["accepts_nothing"] == true;
  sure += nothing                 ? ", threshold none can be met"
          : std::isnan(threshold) ? ", threshold none"
                                  : format(", threshold %.3f (|)", threshold);
  if (const double deep = number_of(a, "p_deep"); !std::isnan(deep))
    sure += format(", the deep model's chance %.3f", deep);
  line(sure);
  if (a.contains("features") && !a["features"].empty()) {
    const Json& f = a["features"];
    line(format("lowest log-probability %.3f, mean %.3f, smallest margin %.2f, largest entropy %.2f nats",
                number_of(f, "min_logprob"), number_of(f, "mean_logprob"), number_of(f, "min_margin"),
                number_of(f, "max_entropy")));
  }
  for (const Json& c : list_of(a, "checks")) {
    const std::string verdict = text_of(c, "verdict");
    line((verdict == "pass"   ? "(+) "
          : verdict == "fail" ? "(-) "
                              : "( ) ") +
         text_of(c, "name") + ": " + verdict + " (" + text_of(c, "explanation") + ")");
  }
  if (const std::string verifier = text_of(a, "verifier"); !verifier.empty()) line("verifier: " + verifier);
  line("then " + text_of(a, "action") + ": " + text_of(a, "reason") +
       format("; %.1f ms of CPU", 1e3 * number_of(a, "cpu_s")));
}

}  // namespace

std::string why_drawn(const Json& account) {
  std::string out = "\n  question\n";
  int number = 0;
  const Json& attempts = list_of(account, "attempts");
  const auto attempt_of = [&](const std::string& state) {
    return static_cast<size_t>(number) < attempts.size() &&
           text_of(attempts[static_cast<size_t>(number)], "purpose") == state;
  };
  for (const Json& step : list_of(account, "path")) {
    const std::string state = text_of(step, "state");
    const std::string rule = text_of(step, "rule");
    out += "  |\n  o " + state + (rule.empty() ? "" : " -> " + rule) + "  " + text_of(step, "detail") + "\n";
    if (attempt_of(state)) {
      const Json& attempt = attempts[static_cast<size_t>(number)];
      draw_attempt(attempt, ++number, out);
    }
  }
  // Draws stand behind those that could be the answer.
  while (static_cast<size_t>(number) < attempts.size()) {
    const Json& attempt = attempts[static_cast<size_t>(number)];
    draw_attempt(attempt, ++number, out);
  }
  return out + "  |\n  = " + text_of(account, "outcome") + "\n\n";
}

}  // namespace kedge::tools
