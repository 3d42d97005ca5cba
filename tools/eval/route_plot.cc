// The figures of `kedge eval route` as one picture: right answers and what they cost, and what is wrong among the
// answers given. Every figure has its 95 % interval, every series its own line, every axis begins at 0.
#include <algorithm>
#include <array>
#include <cmath>

#include "tools/eval/route_summary.h"
#include "tools/svg_plot.h"

namespace kedge::tools {

namespace {

constexpr double kWidth = 900;
constexpr double kNames = 130;      // where the first plot begins
constexpr double kRightEnd = 520;   // of the plot of right answers
constexpr double kCostBegin = 590;  // of the plot of costs
constexpr double kCostEnd = 850;
constexpr double kWrongBegin = 190;
constexpr double kWrongEnd = 620;
constexpr double kLine = 13;  // of one model
constexpr double kRow = 3 * kLine + 11;
constexpr double kSetRow = 19;
struct Way {
  const char* key;
  const char* name;
  const char* colour;
};
constexpr std::array<Way, 3> kWays = {{{"fast", "always fast", "#0072b2"},
                                       {"deep", "always deep", "#d55e00"},
                                       {"routed", "the router, measured", "#009e73"}}};

std::string text(double x, double y, const std::string& value, const char* more = "") {
  return format("<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, more) + svg_escaped(value) + "</text>\n";
}
std::string line(double x1, double y1, double x2, double y2, const char* colour, const char* more = "") {
  return format("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" %s/>\n", x1, y1, x2, y2, colour,
                more);
}
std::string dot(double x, double y, const char* colour) {
  return format("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\" fill=\"%s\"/>\n", x, y, colour);
}

// A horizontal axis from 0 to `high`, with lines up to `top`.
struct Axis {
  double begin, end, high;
  double at(double value) const { return begin + (end - begin) * value / high; }
  std::string draw(double top, double bottom, double step, const std::string& label) const {
    std::string out;
    for (double tick = 0; tick <= high + 1e-9; tick += step) {
      out += line(at(tick), top, at(tick), bottom, "#ddd");
      out += text(at(tick), bottom + 14, format("%g", tick), "text-anchor=\"middle\" fill=\"#555\"");
    }
    return out + text((begin + end) / 2, bottom + 30, label, "text-anchor=\"middle\" fill=\"#555\"");
  }
};

struct Share {
  double value, low, high;  // percent
};
Share share_of(double share, size_t n) {
  const auto [low, high] = wilson(static_cast<size_t>(std::lround(share * static_cast<double>(n))), n);
  return {100 * share, 100 * low, 100 * high};
}

std::string interval(const Axis& axis, const Share& s, double y, const char* colour) {
  return line(axis.at(s.low), y, axis.at(s.high), y, colour, "stroke-width=\"2\"") +
         line(axis.at(s.low), y - 3, axis.at(s.low), y + 3, colour) +
         line(axis.at(s.high), y - 3, axis.at(s.high), y + 3, colour) + dot(axis.at(s.value), y, colour);
}

double nice_step(double high) {
  const double power = std::pow(10.0, std::floor(std::log10(high / 5)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (high / (factor * power) <= 6) return factor * power;
  }
  return 10 * power;
}

using Rows = std::vector<std::pair<std::string, const Json*>>;

Rows rows_of(const Json& summary) {
  Rows rows;
  for (const auto& [name, f] : summary["tasks"].items()) rows.emplace_back(name, &f);
  rows.emplace_back("all", &summary["all"]);
  return rows;
}

std::string right_and_cost(const Rows& rows, double top, double bottom) {
  const Axis right{kNames, kRightEnd, 100};
  double most = 0;
  for (const auto& [name, f] : rows) {
    for (const Way& way : kWays) most = std::max(most, 1e3 * (*f)["cpu_s"][way.key].get<double>());
  }
  const double step = nice_step(std::max(most, 1e-3));
  const Axis cost{kCostBegin, kCostEnd, step * std::ceil(most / step)};
  std::string out = right.draw(top, bottom, 20, "right answers, % (weak ones included; 95 %)") +
                    cost.draw(top, bottom, step, "CPU milliseconds a question");
  double y = top + 12;
  for (const auto& [name, f] : rows) {
    out += text(kNames - 10, y + kLine + 4, name, "text-anchor=\"end\"");
    for (const Way& way : kWays) {
      const double ms = 1e3 * (*f)["cpu_s"][way.key].get<double>();
      out += interval(right, share_of((*f)[way.key].get<double>(), (*f)["n"].get<size_t>()), y, way.colour);
      out += format("<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"8\" fill=\"%s\"/>\n", cost.begin, y - 4,
                    cost.at(ms) - cost.begin, way.colour);
      y += kLine;
    }
    y += kRow - 3 * kLine;
  }
  return out;
}

struct WrongRow {
  std::string name;
  size_t n, given, wrong;
};

std::vector<WrongRow> wrong_rows(const Rows& rows, const Json& asked) {
  std::vector<WrongRow> out;
  for (const auto& [name, f] : rows) {
    const auto n = (*f)["n"].get<size_t>();
    const auto given = (*f)["given"].get<size_t>();
    const Json& error = (*f)["accept_error"];
    const double wrong = error.is_number() ? error.get<double>() * static_cast<double>(given) : 0;
    out.push_back({name, n, given, static_cast<size_t>(std::lround(wrong))});
  }
  for (const auto& [name, f] : asked.items()) {
    out.push_back({name, f["n"].get<size_t>(), f["given"].get<size_t>(), f["wrong"].get<size_t>()});
  }
  return out;
}

std::string wrong_among_given(const std::vector<WrongRow>& rows, double alpha, double top, double bottom) {
  const Axis axis{kWrongBegin, kWrongEnd, 100};
  std::string out = axis.draw(top, bottom, 20, "wrong among the answers given, % (95 %)");
  out += line(axis.at(100 * alpha), top - 6, axis.at(100 * alpha), bottom, "#b00", "stroke-dasharray=\"4 3\"");
  out += text(axis.at(100 * alpha), top - 10, "at most asked for", "text-anchor=\"middle\" fill=\"#b00\"");
  double y = top + 10;
  for (const WrongRow& row : rows) {
    out += text(kWrongBegin - 10, y + 4, row.name, "text-anchor=\"end\"");
    if (row.given > 0) {
      const double share = static_cast<double>(row.wrong) / static_cast<double>(row.given);
      out += interval(axis, share_of(share, row.given), y, "#009e73");
    }
    out += text(kWrongEnd + 20, y + 4, format("%zu wrong of %zu given, %zu asked", row.wrong, row.given, row.n));
    y += kSetRow;
  }
  return out;
}

}  // namespace

std::string deep_is_better_on(const Json& summary) {
  std::string out;
  for (const auto& [name, f] : rows_of(summary)) {
    const double deep = 100 * (*f)["deep"].get<double>();
    const double routed = 100 * (*f)["routed"].get<double>();
    if (deep <= routed) continue;
    out += format("%s%s (%.1f %% against %.1f %%)", out.empty() ? "" : ", ", name.c_str(), deep, routed);
  }
  return out.empty() ? "Always deep gives more right answers than the router on none of these."
                     : "Always deep gives more right answers than the router on: " + out + ".";
}

std::string route_plot(const std::string& heading, const Json& summary) {
  const Rows rows = rows_of(summary);
  const std::vector<WrongRow> sets = wrong_rows(rows, summary["asked"]);
  const double top = 84;
  const double bottom = top + kRow * static_cast<double>(rows.size());
  const double second = bottom + 110;
  const double end = second + kSetRow * static_cast<double>(sets.size()) + 4;
  std::string out = format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
      "viewBox=\"0 0 %.0f %.0f\" font-family=\"sans-serif\" font-size=\"12\">\n"
      "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
      kWidth, end + 44, kWidth, end + 44);
  out += text(20, 28, heading, "font-size=\"16\" font-weight=\"bold\"");
  double x = kNames;
  for (const Way& way : kWays) {
    out += dot(x, 54, way.colour) + text(x + 10, 58, way.name);
    x += 130;
  }
  out += right_and_cost(rows, top, bottom);
  out += text(20, bottom + 54, deep_is_better_on(summary));
  out += wrong_among_given(sets, summary["setup"]["alpha"].get<double>(), second, end);
  return out + "</svg>\n";
}

}  // namespace kedge::tools
