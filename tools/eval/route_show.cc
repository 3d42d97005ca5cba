// The figures of `kedge eval route` as a table.
#include "tools/eval/route_summary.h"

namespace kedge::tools {

namespace {

std::string cell(const Json& value, const char* pattern = "%7.3f") {
  return value.is_number() ? format(pattern, value.get<double>()) : "      -";
}

std::string interval_cell(const Json& interval) {
  if (!interval.is_array()) return "               ";
  return format(" [%.3f,%.3f]", interval[0].get<double>(), interval[1].get<double>());
}

std::string asked_line(const std::string& name, const Json& f) {
  return format("%-24s %5zu %6zu %6zu %6zu %6zu ", name.c_str(), f["n"].get<size_t>(), f["given"].get<size_t>(),
                f["deterministic"].get<size_t>(), f["not_found"].get<size_t>(), f["wrong"].get<size_t>()) +
         cell(f["wrong_share"]) + interval_cell(f["wrong_interval"]) + "\n";
}

std::string line(const std::string& name, const Json& f) {
  const Json& c = f["cpu_s"];
  return format("%-11s %5zu ", name.c_str(), f["n"].get<size_t>()) + cell(f["fast"]) + cell(f["deep"]) +
         cell(f["routed"]) + cell(f["escalated"]) + cell(f["abstained"]) + cell(f["grounded"]) + cell(f["auroc"]) +
         cell(f["ece"]) + cell(f["apgr"]) + cell(f["accept_error"]) + interval_cell(f["accept_error_interval"]) +
         cell(1e3 * c["fast"].get<double>(), "%6.1f") + cell(1e3 * c["deep"].get<double>(), "%6.1f") +
         cell(1e3 * c["routed"].get<double>(), "%6.1f") + "\n";
}

}  // namespace

std::string route_table(const Json& summary) {
  std::string out =
      format("%-11s %5s %7s%7s%7s%7s%7s%7s%7s%7s%7s%7s%s%6s%6s\n", "", "n", "fast", "deep", "routed", "escal.", "abst.",
             "ground", "AUROC", "ECE", "APGR", "accerr", " 95 %          ms:f", "deep", "routed");
  for (const auto& [name, f] : summary["tasks"].items()) out += line(name, f);
  out += line("all", summary["all"]);
  out += deep_is_better_on(summary) + "\n";
  if (summary.contains("unanswerable")) {
    out += format("questions whose answer is not in the sources: %zu, withheld or \"not found\" %.3f\n",
                  summary["unanswerable"]["n"].get<size_t>(), summary["unanswerable"]["declined"].get<double>());
  }
  if (!summary["asked"].empty()) {
    out += format("%-24s %5s %6s %6s %6s %6s %s\n", "only what is given counts", "n", "given", "determ", "notfnd",
                  "wrong", "  share 95 %");
    for (const auto& [name, f] : summary["asked"].items()) out += asked_line(name, f);
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

}  // namespace kedge::tools
