// The figures of `kedge eval route` as a table and as charts.
#include <algorithm>
#include <cmath>

#include "tools/route_summary.h"
#include "tools/svg_plot.h"

namespace kedge::tools {

namespace {

std::string cell(const Json& value, const char* pattern = "%7.3f") {
  return value.is_number() ? format(pattern, value.get<double>()) : "      -";
}

std::string line(const std::string& name, const Json& f) {
  const Json& c = f["cpu_s"];
  return format("%-11s %5zu ", name.c_str(), f["n"].get<size_t>()) + cell(f["fast"]) + cell(f["deep"]) +
         cell(f["routed"]) + cell(f["escalated"]) + cell(f["abstained"]) + cell(f["grounded"]) + cell(f["auroc"]) +
         cell(f["ece"]) + cell(f["apgr"]) + cell(f["accept_error"]) + "  " +
         cell(1e3 * c["fast"].get<double>(), "%6.1f") + cell(1e3 * c["deep"].get<double>(), "%6.1f") +
         cell(1e3 * c["routed"].get<double>(), "%6.1f") + "\n";
}

// Right answers against CPU time.
PlotChart curve_chart(const std::string& title, const Json& figures) {
  PlotChart chart{.title = title, .x_label = "CPU milliseconds a question", .y_label = "right, %", .series = {}};
  const Json& routing = figures["report"]["routing"];
  if (!routing.is_object()) return chart;
  PlotSeries curve{.name = "threshold on p, swept", .points = {}, .colour = 0};
  for (const Json& p : routing["curve"]["points"]) {
    curve.points.emplace_back(1e3 * p["cpu_s"].get<double>(), 100 * p["quality"].get<double>());
  }
  chart.series.push_back(std::move(curve));
  const auto point = [&](const char* name, const Json& cpu_s, const Json& quality, int colour) {
    chart.series.push_back(
        {.name = name, .points = {{1e3 * cpu_s.get<double>(), 100 * quality.get<double>()}}, .colour = colour});
  };
  point("always fast", figures["cpu_s"]["fast"], figures["fast"], 1);
  point("always deep", figures["cpu_s"]["deep"], figures["deep"], 2);
  point("the router, measured", figures["cpu_s"]["routed"], figures["routed"], 3);
  point("oracle", routing["oracle"]["cpu_s"], routing["oracle"]["quality"], 4);
  PlotSeries random{.name = "random mix", .points = {}, .colour = 6, .dashed = true};
  random.points = {{1e3 * figures["cpu_s"]["fast"].get<double>(), 100 * figures["fast"].get<double>()},
                   {1e3 * figures["cpu_s"]["deep"].get<double>(), 100 * figures["deep"].get<double>()}};
  chart.series.push_back(std::move(random));
  double low = 100;
  double high = 0;
  for (const PlotSeries& series : chart.series) {
    for (const auto& [x, y] : series.points) {
      low = std::min(low, y);
      high = std::max(high, y);
    }
  }
  chart.y_low = std::floor(low) - 1;
  chart.y_high = std::min(100.0, std::ceil(high) + 1);
  return chart;
}

}  // namespace

std::string route_table(const Json& summary) {
  std::string out = format("%-11s %5s %7s%7s%7s%7s%7s%7s%7s%7s%7s%7s  %6s%6s%6s\n", "", "n", "fast", "deep", "routed",
                           "escal.", "abst.", "ground", "AUROC", "ECE", "APGR", "accerr", "ms:f", "deep", "routed");
  for (const auto& [name, f] : summary["tasks"].items()) out += line(name, f);
  out += line("all", summary["all"]);
  if (summary.contains("unanswerable")) {
    out += format("questions whose answer is not in the sources: %zu, withheld or \"not found\" %.3f\n",
                  summary["unanswerable"]["n"].get<size_t>(), summary["unanswerable"]["declined"].get<double>());
  }
  const Json& v = summary["verification"];
  out += "checks: caught " + cell(v["caught"], "%.3f") + " of " + std::to_string(v["wrong_arithmetic"].get<size_t>()) +
         " wrong sums; " + std::to_string(v["quotes_unsupported"].get<size_t>()) +
         " quotations that stand in no passage; rejected " + cell(v["rejected"], "%.4f") + " of " +
         std::to_string(v["right"].get<size_t>()) + " right answers\n";
  if (summary["overhead_ms"].is_object()) {
    out += format("router without models: p50 %.3f ms, p99 %.3f ms\n", summary["overhead_ms"]["p50"].get<double>(),
                  summary["overhead_ms"]["p99"].get<double>());
  }
  return out;
}

std::string route_plot(const std::string& heading, const Json& summary) {
  std::vector<PlotChart> charts = {curve_chart("all tasks", summary["all"])};
  for (const auto& [name, f] : summary["tasks"].items()) charts.push_back(curve_chart(name, f));
  return svg_document(heading, charts);
}

}  // namespace kedge::tools
