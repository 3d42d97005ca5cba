#include <algorithm>

#include "tools/bench_measure.h"
#include "tools/svg_plot.h"

namespace kedge::tools {

namespace {

std::string threads_name(int n) { return std::to_string(n) + (n == 1 ? " thread" : " threads"); }

// The series of a number of threads, made where it is missing; each number has its colour.
PlotSeries& series_of(PlotChart& chart, const std::string& name, int colour, bool dashed) {
  for (PlotSeries& s : chart.series) {
    if (s.name == name) return s;
  }
  chart.series.push_back({name, {}, colour, dashed});
  return chart.series.back();
}

int colour_of(const BenchReport& report, int threads) {
  std::vector<int> seen;
  for (const BenchRun& run : report.runs) {
    if (std::find(seen.begin(), seen.end(), run.threads) == seen.end()) seen.push_back(run.threads);
  }
  return static_cast<int>(std::find(seen.begin(), seen.end(), threads) - seen.begin());
}

PlotChart time_against_depth(const BenchReport& report) {
  PlotChart chart{"Time per generated token", "tokens already in the context", "milliseconds per token", false, {}};
  for (const BenchRun& run : report.runs) {
    if (run.prompt) continue;
    const int colour = colour_of(report, run.threads);
    series_of(chart, threads_name(run.threads), colour, false).points.emplace_back(run.depth, 1e3 / median(run.tps));
    const auto limit = report.bandwidth.find(run.threads);
    if (limit == report.bandwidth.end()) continue;
    const std::string name = format("memory bound at %.1f GB/s, ", limit->second / 1e9) + threads_name(run.threads);
    series_of(chart, name, colour, true).points.emplace_back(run.depth, 1e3 * run.bytes_per_token / limit->second);
  }
  return chart;
}

PlotChart prompt_against_chunk(const BenchReport& report) {
  PlotChart chart{"Reading a prompt", "tokens per step", "tokens per second", true, {}};
  int depth = -1;
  int most = 0;
  for (const BenchRun& run : report.runs) {
    if (!run.prompt) continue;
    depth = depth < 0 ? run.depth : std::min(depth, run.depth);
    most = std::max(most, run.n);
  }
  // The longest prompt at the smallest depth: there all chunks were measured.
  for (const BenchRun& run : report.runs) {
    if (!run.prompt || run.depth != depth || run.n != most) continue;
    auto& points = series_of(chart, threads_name(run.threads), colour_of(report, run.threads), false).points;
    points.emplace_back(std::min(run.chunk, run.n), median(run.tps));
    std::sort(points.begin(), points.end());
  }
  chart.title += format(" of %d tokens", most);
  if (depth > 0) chart.title += format(" after %d", depth);
  return chart;
}

}  // namespace

std::string bench_plot(const std::string& heading, const BenchReport& report) {
  return svg_document(heading, {time_against_depth(report), prompt_against_chunk(report)});
}

}  // namespace kedge::tools
