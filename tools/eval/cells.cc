#include "tools/eval/cells.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "tools/eval/score.h"
#include "tools/svg_plot.h"

namespace kedge::tools {

namespace {

void add(RecallCell& cell, const RecallOutcome& o) {
  ++cell.n;
  cell.errors += o.error.empty() ? 0 : 1;
  cell.values_right += o.values ? 1 : 0;
  cell.sources_right += o.sources ? 1 : 0;
  cell.alarmed += o.detached > 0 ? 1 : 0;
  cell.alarmed_right += o.detached > 0 && o.values ? 1 : 0;
  cell.sum.n_prompt += o.n_prompt;
  cell.sum.budget_tokens += o.budget_tokens;
  cell.sum.ref_tokens += o.ref_tokens;
  cell.sum.hot_bytes += o.hot_bytes;
  cell.sum.cold_bytes += o.cold_bytes;
  cell.sum.evicted += o.evicted;
  cell.sum.demoted += o.demoted;
  cell.sum.recalled += o.recalled;
  cell.sum.lost += o.lost;
  cell.sum.detached += o.detached;
  cell.sum.seconds += o.seconds;
}

const RecallCell* find(const std::vector<RecallCell>& cells, const std::string& name, double budget, bool fit) {
  for (const RecallCell& c : cells) {
    if (c.length == 0 && c.fit == fit && c.setting.name() == name && c.setting.budget == budget) return &c;
  }
  return nullptr;
}

// Largest first; the full memory counts as 100.
std::vector<double> budgets_of(const std::vector<RecallCell>& cells) {
  std::set<double, std::greater<>> budgets;
  for (const RecallCell& c : cells) {
    if (c.setting.bounded()) budgets.insert(c.setting.budget);
  }
  return {budgets.begin(), budgets.end()};
}

std::vector<std::string> names_of(const std::vector<RecallCell>& cells) {
  std::vector<std::string> names;
  for (const RecallCell& c : cells) {
    if (std::find(names.begin(), names.end(), c.setting.name()) == names.end()) names.push_back(c.setting.name());
  }
  return names;
}

std::string cell_text(const RecallCell* cell) {
  if (cell == nullptr) return "-";
  return format("%.1f (%.1f-%.1f)", 100 * cell->values(), 100 * cell->ci_low, 100 * cell->ci_high);
}

// "360", or "340-360" when cells have different numbers of rows.
std::string rows_text(const std::vector<RecallCell>& cells, double budget, bool fit) {
  size_t low = SIZE_MAX;
  size_t high = 0;
  for (const RecallCell& c : cells) {
    if (c.length != 0 || c.fit != fit || c.setting.budget != budget) continue;
    low = std::min(low, c.n);
    high = std::max(high, c.n);
  }
  if (high == 0) return "0 rows";
  return low == high ? format("%zu rows", high) : format("%zu-%zu rows", low, high);
}

std::string table(const std::vector<RecallCell>& cells, bool fit) {
  std::vector<double> budgets = budgets_of(cells);
  if (!fit && find(cells, "full", 100, false) != nullptr) budgets.insert(budgets.begin(), 100);
  const auto names = names_of(cells);
  size_t width = 6;
  for (const std::string& name : names) width = std::max(width, name.size());
  const auto left = static_cast<int>(width);
  std::string head = format("%-*s", left, "memory");
  std::string rows = format("%-*s", left, "");
  for (const double b : budgets) {
    head += format("  %18s", format("%g %%", b).c_str());
    rows += format("  %18s", rows_text(cells, b, fit).c_str());
  }
  std::string out = head + "\n" + rows + "\n";
  for (const std::string& name : names) {
    if (fit && name == "full") continue;
    out += format("%-*s", left, name.c_str());
    for (const double b : budgets) out += format("  %18s", cell_text(find(cells, name, b, fit)).c_str());
    out += "\n";
  }
  return out;
}

PlotChart chart(const std::vector<RecallCell>& cells, bool fit) {
  PlotChart c;
  const auto rows = [&](double b) { return rows_text(cells, b, fit); };
  const auto all = budgets_of(cells);
  c.title = fit ? "Rows whose references fit 60 % of the budget" : "All rows";
  if (!all.empty())
    c.title +=
        " (" + rows(all.front()) + (rows(all.front()) == rows(all.back()) ? ")" : " to " + rows(all.back()) + ")");
  c.x_label = "memory budget, % of the prompt's tokens";
  c.y_label = "rows with all values right, % (95 %)";
  c.x_log2 = true;
  c.y_high = 100;
  const auto budgets = budgets_of(cells);
  c.x_ticks.assign(budgets.rbegin(), budgets.rend());
  constexpr int kBlack = 6;
  int colour = 0;
  for (const std::string& name : names_of(cells)) {
    if (colour == kBlack) ++colour;
    PlotSeries s{.name = name, .points = {}, .colour = name == "full" ? kBlack : colour++};
    for (const double b : c.x_ticks) {
      const RecallCell* cell = find(cells, name, b, fit);
      if (cell == nullptr) continue;
      s.points.emplace_back(b, 100 * cell->values());
      s.intervals.emplace_back(100 * cell->ci_low, 100 * cell->ci_high);
    }
    if (const RecallCell* full = find(cells, name, 100, false); name == "full" && full != nullptr && !fit) {
      s.dashed = true;  // has no budget: a bound
      for (const double b : c.x_ticks) s.points.emplace_back(b, 100 * full->values());
      s.intervals.assign(s.points.size(), {100 * full->ci_low, 100 * full->ci_high});
    }
    if (!s.points.empty()) c.series.push_back(std::move(s));
  }
  return c;
}

}  // namespace

Json RecallCell::json() const {
  const auto mean = [&](auto figure) { return static_cast<double>(figure) / static_cast<double>(n); };
  return {{"policy", setting.policy},
          {"budget", setting.budget},
          {"marks", setting.marks},
          {"cold", setting.cold},
          {"rows", fit ? "fit" : "all"},
          {"length", length == 0 ? Json("all") : Json(length)},
          {"n", n},
          {"values", values()},
          {"ci_low", ci_low},
          {"ci_high", ci_high},
          {"sources", sources()},
          {"errors", errors},
          {"alarmed", mean(alarmed)},
          {"alarmed_right",
           values_right == 0 ? Json() : Json(static_cast<double>(alarmed_right) / static_cast<double>(values_right))},
          {"prompt_tokens", mean(sum.n_prompt)},
          {"budget_tokens", mean(sum.budget_tokens)},
          {"ref_tokens", mean(sum.ref_tokens)},
          {"hot_bytes", mean(sum.hot_bytes)},
          {"cold_bytes", mean(sum.cold_bytes)},
          {"evicted", mean(sum.evicted)},
          {"demoted", mean(sum.demoted)},
          {"recalled", mean(sum.recalled)},
          {"lost", mean(sum.lost)},
          {"detached", mean(sum.detached)},
          {"seconds", mean(sum.seconds)}};
}

std::vector<RecallCell> recall_cells(const std::vector<RecallOutcome>& outcomes,
                                     const std::vector<RecallSetting>& settings) {
  std::vector<RecallSetting> order = settings;
  for (const RecallOutcome& o : outcomes) {
    if (std::find(order.begin(), order.end(), o.setting) == order.end()) order.push_back(o.setting);
  }
  std::vector<RecallCell> cells;
  for (const RecallSetting& setting : order) {
    std::map<std::pair<bool, int>, RecallCell> parts;  // by fit and length
    for (const RecallOutcome& o : outcomes) {
      if (o.setting != setting) continue;
      for (const int length : {0, o.length}) {
        add(parts[{false, length}], o);
        if (o.fits()) add(parts[{true, length}], o);
      }
    }
    for (auto& [key, cell] : parts) {
      cell.setting = setting;
      std::tie(cell.fit, cell.length) = key;
      const Interval ci = wilson_interval(cell.values_right, cell.n);
      cell.ci_low = ci.low;
      cell.ci_high = ci.high;
      cells.push_back(std::move(cell));
    }
  }
  return cells;
}

std::string recall_table(const std::vector<RecallCell>& cells) {
  std::string out = "Rows with all values right, % (95 % interval), by memory budget:\n" + table(cells, false);
  if (!budgets_of(cells).empty()) {
    out += "\nOnly rows whose references fit 60 % of the budget:\n" + table(cells, true);
  }
  return out;
}

std::string recall_plot(const std::string& heading, const std::vector<RecallCell>& cells) {
  return svg_document(heading, {chart(cells, false), chart(cells, true)});
}

}  // namespace kedge::tools
