#include "tools/eval/pages.h"

#include <algorithm>
#include <array>

#include "tools/eval/score.h"
#include "tools/interrupt.h"
#include "tools/progress.h"
#include "tools/svg_plot.h"

namespace kedge::tools {

namespace {

constexpr double kWidth = 1200;
constexpr double kLeft = 200;   // of the strips; names stand before them
constexpr double kRight = 930;  // sizes and answers stand behind them
constexpr double kTop = 142;    // of the first strip
constexpr double kStrip = 20;
constexpr double kStep = 32;
constexpr double kLabel = kTop - 30;  // of what was asked
constexpr double kLetter = 6.6;       // about as wide as one of 12 pixels
constexpr size_t kAnswerChars = 26;

struct State {
  const char* name;
  const char* colour;
  const char* meaning;
};
// Lost is the ground of every strip: what is not there is what one sees through.
constexpr std::array<State, 7> kStates = {{{"sink", "#222222", "first tokens"},
                                           {"pinned", "#d55e00", "pinned reference"},
                                           {"recent", "#0072b2", "recent"},
                                           {"kept", "#56b4e9", "kept by score"},
                                           {"recalled", "#009e73", "recalled"},
                                           {"demoted", "#e9c46a", "in the cold tier"},
                                           {"lost", "#ececec", "lost"}}};

const char* colour_of(const std::string& state) {
  for (const State& s : kStates) {
    if (state == s.name) return s.colour;
  }
  return "#ff00ff";  // a state this picture does not know
}

std::string text(double x, double y, const char* style, const std::string& value) {
  return format("<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y, style) + svg_escaped(value) + "</text>\n";
}

std::string rect(double x, double y, double width, double height, const char* colour) {
  return format("<rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\" fill=\"%s\"/>\n", x, y, width, height,
                colour);
}

// "619 ms<|ref|>DOC-83FA" as "619 ms \u2190 DOC-83FA".
std::string readable(std::string answer) {
  for (size_t at; (at = answer.find(kRefToken)) != std::string::npos;) answer.replace(at, kRefToken.size(), " \u2190 ");
  return answer;
}

// A prefix of at most `n` characters.
std::string beginning_of(const std::string& value, size_t n) {
  const auto starts = code_point_starts(value);
  return starts.size() - 1 <= n ? value : value.substr(0, starts[n - 1]) + "\u2026";
}

class Drawing {
 public:
  Drawing(const RecallRow& row, const std::vector<PageStrip>& strips) : row_(row), strips_(strips) {
    for (const PageStrip& s : strips) n_ = std::max(n_, s.n_prompt);
  }

  double height() const { return kTop + kStep * static_cast<double>(strips_.size()) + 62; }

  std::string draw() const {
    std::string out = legend();
    double top = kTop;
    for (const PageStrip& s : strips_) {
      out += strip(s, top);
      top += kStep;
    }
    return out + ticks() + axis(top);
  }

 private:
  double at(size_t position) const {
    return kLeft + (kRight - kLeft) * static_cast<double>(position) / static_cast<double>(std::max<size_t>(n_, 1));
  }

  static std::string legend() {
    std::string out;
    double x = kLeft;
    for (const State& s : kStates) {
      out += rect(x, 50, 14, 14, s.colour) + text(x + 20, 62, "tick", s.meaning);
      x += 44 + kLetter * static_cast<double>(std::string_view(s.meaning).size());
    }
    return out;
  }

  // The references of the data above the strips; those that the questions are about reach through them.
  std::string ticks() const {
    const auto with =
        std::find_if(strips_.begin(), strips_.end(), [](const auto& s) { return !s.span_tokens.empty(); });
    if (with == strips_.end()) return "";
    std::string out = text(kLeft - 12, kTop - 14, "label end", "references");
    if (std::any_of(row_.spans.begin(), row_.spans.end(), [](const RecallSpan& r) { return !r.reference; })) {
      out += text(kRight + 100, kTop - 14, "tick", "light: false marks");
    }
    out += text(kRight + 52, kTop - 14, "tick end", "hot");
    double label_end = 0;
    double label_y = kLabel;
    const double bottom = kTop + kStep * static_cast<double>(strips_.size()) - (kStep - kStrip) + 4;
    for (size_t i = 0; i < row_.spans.size(); ++i) {
      const auto [first, behind] = with->span_tokens[i];
      const RecallSpan& span = row_.spans[i];
      const char* colour = !span.reference ? "#aaaaaa" : span.asked ? "#c1121f" : "#555555";
      out += rect(at(first), kTop - 24, std::max(1.5, at(behind) - at(first)), 12, colour);
      if (!span.asked) continue;
      const double middle = (at(first) + at(behind)) / 2;
      out += format("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"asked\"/>\n", middle, kTop - 12,
                    middle, bottom);
      // Labels that would meet are put above each other.
      const std::string label = "asked: " + span.key;
      const double half = kLetter / 2 * static_cast<double>(label.size());
      label_y = middle - half < label_end ? label_y - 15 : kLabel;
      label_end = middle + half + 8;
      out += text(middle, label_y, "key middle", label);
    }
    return out;
  }

  std::string strip(const PageStrip& s, double top) const {
    std::string out = text(kLeft - 12, top + 14, "label end", s.setting.name());
    if (!s.error.empty()) return out + text(kLeft, top + 14, "tick", s.error);
    out += rect(at(0), top, at(s.n_prompt) - at(0), kStrip, colour_of("lost"));
    for (const Json& run : s.runs) {
      const std::string state = run.at("state");
      if (state == "lost") continue;
      const size_t first = run.at("first");
      const size_t behind = std::min(run.at("last").get<size_t>(), s.n_prompt);
      if (first < behind) out += rect(at(first), top, at(behind) - at(first), kStrip, colour_of(state));
    }
    out += text(kRight + 52, top + 14, "tick end", std::to_string(s.hot));
    out += text(kRight + 68, top + 14, s.right ? "tick right" : "tick wrong", s.right ? "\u2713" : "\u2717");
    return out + text(kRight + 84, top + 14, "tick", beginning_of(readable(s.answer), kAnswerChars));
  }

  std::string axis(double top) const {
    std::string out =
        format("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"axis\"/>\n", kLeft, top, kRight, top);
    size_t step = 64;
    while (n_ / step > 9) step *= 2;
    for (size_t p = 0; p <= n_; p += step) {
      out += format("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"axis\"/>\n", at(p), top, at(p),
                    top + 5);
      out += text(at(p), top + 19, "tick middle", std::to_string(p));
    }
    return out + text((kLeft + kRight) / 2, top + 40, "label middle", "position in the prompt, tokens");
  }

  const RecallRow& row_;
  const std::vector<PageStrip>& strips_;
  size_t n_ = 0;
};

kedge::Status read_strip(const kedge::Model& model, const RecallRow& row, const RecallPlan& plan, PageStrip& strip) {
  auto run = RecallRun::start(model, row, strip.setting, plan);
  if (!run.ok()) return run.error();
  if (const auto read = run->read(); !read.ok()) return read.error();
  const Json kv = run->kv();
  strip.hot = kv.value("hot", size_t{0});
  strip.runs = kv.value("tokens", Json::array());
  strip.n_prompt = run->n_prompt();
  strip.span_tokens = run->span_tokens();
  const auto answer = run->answer();
  if (!answer.ok()) return answer.error();
  strip.answer = normalised_answer(answer->value_or(""));
  strip.right = parse_answer(strip.answer).values == row.values;
  return {};
}

}  // namespace

std::vector<PageStrip> read_pages(const kedge::Model& model, const RecallRow& row,
                                  const std::vector<RecallSetting>& settings, const RecallPlan& plan) {
  std::vector<PageStrip> strips;
  const InterruptGuard guard;
  Progress progress("pages");
  for (const RecallSetting& setting : settings) {
    progress.update(strips.size(), settings.size());
    PageStrip strip;
    strip.setting = setting;
    const kedge::Status status = read_strip(model, row, plan, strip);
    if (InterruptGuard::interrupted()) throw interrupted();
    if (!status.ok() && status.error().code != KEDGE_CAPACITY) {
      throw Failure(row.id + ", " + setting.name() + ": " + status.error().message);
    }
    if (!status.ok()) strip.error = status.error().message;
    strips.push_back(std::move(strip));
  }
  return strips;
}

std::string pages_document(const std::string& heading, const RecallRow& row, const std::vector<PageStrip>& strips) {
  const Drawing drawing(row, strips);
  std::string out = format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\">\n"
      "<style>text { font-family: 'DejaVu Sans', Helvetica, Arial, sans-serif; fill: #222; }\n"
      ".heading { font-size: 14px; } .label { font-size: 13px; } .tick { font-size: 12px; }\n"
      ".key { font-size: 12px; fill: #c1121f; } .right { fill: #2a7d2e; } .wrong { fill: #c1121f; }\n"
      ".middle { text-anchor: middle; } .end { text-anchor: end; } .axis { stroke: #444; }\n"
      ".asked { stroke: #c1121f; stroke-width: 1; stroke-dasharray: 3 3; }</style>\n"
      "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
      kWidth, drawing.height(), kWidth, drawing.height());
  return out + text(20, 28, "heading", heading) + drawing.draw() + "</svg>\n";
}

}  // namespace kedge::tools
