#include "tools/svg_plot.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/base/utf8_cut.h"
#include "tools/command.h"

namespace kedge::tools {

namespace {

constexpr double kWidth = 900;
constexpr double kHeading = 44;
constexpr double kChart = 400;  // height of a chart with its title and axis labels
constexpr double kLeft = 84;
constexpr double kRight = 660;  // the legend stands to the right of the plot, never in it
constexpr double kTop = 40;
constexpr double kBottom = 336;
constexpr double kLegend = kRight + 24;
constexpr double kLegendLine = 20;
constexpr size_t kLegendChars = 24;
constexpr double kPad = 44;

// Colours that the colour-blind can tell apart (Okabe and Ito 2008), then some for charts with many lines.
constexpr std::array<const char*, 13> kColours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b58900",
                                                  "#56b4e9", "#333333", "#7b3fa0", "#8c564b", "#76b041",
                                                  "#999999", "#e377c2", "#00b7b7"};

const char* colour(const PlotSeries& s) { return kColours[static_cast<size_t>(s.colour) % kColours.size()]; }

std::string text(double x, double y, const char* style, const std::string& value) {
  return format("<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y, style) + svg_escaped(value) + "</text>\n";
}

std::string line(double x1, double y1, double x2, double y2, const char* attributes) {
  return format("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" %s/>\n", x1, y1, x2, y2, attributes);
}

// 1, 2 or 5 times a power of ten: at most `most` steps up to `high`.
double nice_step(double high, int most) {
  const double power = std::pow(10.0, std::floor(std::log10(high / most)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (high / (factor * power) <= most) return factor * power;
  }
  return 10 * power;
}

struct Axis {
  double low = 0;
  double high = 1;
  bool log2 = false;
  std::vector<double> ticks;

  double place(double value) const {
    if (log2) return (std::log2(value) - std::log2(low)) / (std::log2(high) - std::log2(low));
    return (value - low) / (high - low);
  }
};

Axis linear_axis(double high, int most_ticks, double low = 0) {
  Axis a;
  if (!(high > low)) high = low + 1;
  const double step = nice_step(high - low, most_ticks);
  const int first = static_cast<int>(std::floor(low / step + 1e-9));
  const int last = static_cast<int>(std::ceil(high / step - 1e-9));
  for (int i = first; i <= last; ++i) a.ticks.push_back(i * step);
  a.low = a.ticks.front();
  a.high = a.ticks.back();
  return a;
}

Axis log2_axis(double low, double high) {
  Axis a;
  a.log2 = true;
  a.low = std::exp2(std::floor(std::log2(low)));
  a.high = std::exp2(std::ceil(std::log2(high)));
  if (a.high <= a.low) a.high = 2 * a.low;
  for (double v = a.low; v <= a.high; v *= 2) a.ticks.push_back(v);
  while (a.ticks.size() > 12) {  // every second one
    std::vector<double> fewer;
    for (size_t i = 0; i < a.ticks.size(); i += 2) fewer.push_back(a.ticks[i]);
    a.ticks = std::move(fewer);
  }
  return a;
}

class ChartDrawing {
 public:
  ChartDrawing(const PlotChart& chart, double top) : chart_(chart), top_(top) {
    double x_low = HUGE_VAL;
    double x_high = 0;
    double y_high = 0;
    for (const PlotSeries& s : chart.series) {
      for (const auto& [x, y] : s.points) {
        x_low = std::min(x_low, x);
        x_high = std::max(x_high, x);
        y_high = std::max(y_high, y);
      }
      if (!s.intervals.empty()) pad_ = kPad;
    }
    x_ = chart.x_log2 ? log2_axis(x_low, x_high) : linear_axis(x_high, 8);
    if (!chart.x_ticks.empty()) {
      x_.ticks = chart.x_ticks;
      x_.low = x_.ticks.front();
      x_.high = x_.ticks.size() > 1 ? x_.ticks.back() : 2 * x_.low;
    }
    y_ = linear_axis(chart.y_high > 0 ? chart.y_high : y_high * 1.05, 6, chart.y_low);
  }

  std::string draw() const {
    std::string out = text(kLeft, top_ + 22, "title", chart_.title) + axes();
    for (size_t i = 0; i < chart_.series.size(); ++i) out += curve(chart_.series[i], shift(i));
    return out + legend();
  }

 private:
  double at_x(double value) const { return kLeft + pad_ + (kRight - kLeft - 2 * pad_) * x_.place(value); }
  double at_y(double value) const { return top_ + kBottom - (kBottom - kTop) * y_.place(value); }

  std::string axes() const {
    std::string out;
    for (const double v : y_.ticks) {
      out += line(kLeft, at_y(v), kRight, at_y(v), v == 0 ? "class=\"axis\"" : "class=\"grid\"");
      out += text(kLeft - 8, at_y(v) + 4, "tick end", format("%g", v));
    }
    for (const double v : x_.ticks) {
      out += line(at_x(v), top_ + kBottom, at_x(v), top_ + kBottom + 5, "class=\"axis\"");
      out += text(at_x(v), top_ + kBottom + 20, "tick middle", format("%.10g", v));
    }
    out += line(kLeft, top_ + kTop, kLeft, top_ + kBottom, "class=\"axis\"");
    out += text((kLeft + kRight) / 2, top_ + kBottom + 42, "label middle", chart_.x_label);
    const double middle = top_ + (kTop + kBottom) / 2;
    out += format("<g transform=\"translate(22 %.1f) rotate(-90)\">", middle) +
           text(0, 0, "label middle", chart_.y_label) + "</g>\n";
    return out;
  }

  // Series with intervals stand beside each other: none hides another.
  double shift(size_t series) const {
    if (pad_ == 0) return 0;
    const auto n = static_cast<double>(chart_.series.size());
    return (static_cast<double>(series) - (n - 1) / 2) * std::min(6.0, 1.6 * pad_ / n);
  }

  std::string whisker(double x, double low, double high, const PlotSeries& s) const {
    const std::string attributes = format("stroke=\"%s\" stroke-width=\"1.2\"", colour(s));
    return line(x, at_y(low), x, at_y(high), attributes.c_str()) +
           line(x - 2.5, at_y(low), x + 2.5, at_y(low), attributes.c_str()) +
           line(x - 2.5, at_y(high), x + 2.5, at_y(high), attributes.c_str());
  }

  std::string curve(const PlotSeries& s, double shift) const {
    std::string points;
    std::string markers;
    for (size_t i = 0; i < s.points.size(); ++i) {
      const double x = at_x(s.points[i].first) + shift;
      const double y = at_y(s.points[i].second);
      points += format("%.1f,%.1f ", x, y);
      if (i < s.intervals.size()) markers += whisker(x, s.intervals[i].first, s.intervals[i].second, s);
      if (!s.dashed) markers += format("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\" fill=\"%s\"/>\n", x, y, colour(s));
    }
    return format("<polyline points=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\"%s/>\n", points.c_str(),
                  colour(s), s.dashed ? " stroke-dasharray=\"6 4\"" : "") +
           markers;
  }

  std::string legend() const {
    std::string out;
    double y = top_ + kTop + 8;
    for (const PlotSeries& s : chart_.series) {
      out += format("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-width=\"2\"%s/>\n",
                    kLegend, y, kLegend + 28, y, colour(s), s.dashed ? " stroke-dasharray=\"6 4\"" : "");
      if (!s.dashed)
        out += format("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\" fill=\"%s\"/>\n", kLegend + 14, y, colour(s));
      // Broken at a space where it is too long for the margin.
      std::string name = s.name;
      while (!name.empty()) {
        size_t cut = name.size() <= kLegendChars ? name.size() : name.rfind(' ', kLegendChars);
        if (cut == std::string::npos || cut == 0) cut = utf8_floor(name, kLegendChars);
        out += text(kLegend + 36, y + 4, "tick", name.substr(0, cut));
        name = cut < name.size() ? name.substr(cut + (name[cut] == ' ' ? 1 : 0)) : "";
        if (!name.empty()) y += 16;
      }
      y += kLegendLine;
    }
    return out;
  }

  const PlotChart& chart_;
  double top_;
  double pad_ = 0;  // room beside the first and the last point
  Axis x_;
  Axis y_;
};

bool has_points(const PlotChart& c) {
  return std::any_of(c.series.begin(), c.series.end(), [](const PlotSeries& s) { return !s.points.empty(); });
}

}  // namespace

std::string svg_escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '"') {
      out += "&quot;";
    } else {
      out += c;
    }
  }
  return out;
}

std::string svg_document(const std::string& heading, const std::vector<PlotChart>& charts) {
  const auto shown = static_cast<double>(std::count_if(charts.begin(), charts.end(), has_points));
  const double height = kHeading + kChart * shown;
  std::string out = format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\">\n"
      "<style>text { font-family: 'DejaVu Sans', Helvetica, Arial, sans-serif; fill: #222; }\n"
      ".heading { font-size: 13px; fill: #555; } .title { font-size: 16px; font-weight: bold; }\n"
      ".label { font-size: 13px; } .tick { font-size: 12px; } .middle { text-anchor: middle; } .end { text-anchor: "
      "end; }\n"
      ".axis { stroke: #444; } .grid { stroke: #ddd; }</style>\n"
      "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
      kWidth, height, kWidth, height);
  out += text(20, 26, "heading", heading);
  double top = kHeading;
  for (const PlotChart& c : charts) {
    if (!has_points(c)) continue;
    out += ChartDrawing(c, top).draw();
    top += kChart;
  }
  return out + "</svg>\n";
}

}  // namespace kedge::tools
