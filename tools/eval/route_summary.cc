#include "tools/eval/route_summary.h"

#include <algorithm>
#include <cmath>

namespace kedge::tools {

namespace {

const Json& first_attempt(const RouteRun& run) { return run.answer["attempts"][0]; }

double gain_of(const RouteRun& fast) {
  const Json& a = first_attempt(fast);
  if (!a["p"].is_number()) return 1;
  return (a["p_deep"].is_number() ? a["p_deep"].get<double>() : 1.0) - a["p"].get<double>();
}

bool has_verdict(const Json& attempt, const char* check, const char* verdict) {
  return std::any_of(attempt["checks"].begin(), attempt["checks"].end(),
                     [&](const Json& c) { return c["name"] == check && c["verdict"] == verdict; });
}

// As the router sees it.
bool failed_check(const Json& attempt) {
  return attempt.value("uncited", false) || std::any_of(attempt["checks"].begin(), attempt["checks"].end(),
                                                        [](const Json& c) { return c["verdict"] == "fail"; });
}

template <class F>
double mean(const std::vector<const RouteRun*>& runs, F&& f) {
  double sum = 0;
  for (const RouteRun* r : runs) sum += f(*r);
  return runs.empty() ? 0 : sum / static_cast<double>(runs.size());
}

std::vector<const RouteRun*> of_task(const std::vector<RouteRun>& runs, const std::string& task) {
  std::vector<const RouteRun*> list;
  for (const RouteRun& r : runs) {
    if (task.empty() || r.row->task == task) list.push_back(&r);
  }
  return list;
}

double right(const RouteRun& r) { return r.right ? 1 : 0; }
double cpu(const RouteRun& r) { return r.cpu_s; }

// Of the answers given as good: the share that is wrong. Nulls when none was given.
void put_accept_error(const std::vector<const RouteRun*>& runs, Json& figures) {
  const auto given = static_cast<size_t>(std::count_if(runs.begin(), runs.end(), [](auto* r) { return is_given(*r); }));
  const auto wrong = static_cast<size_t>(
      std::count_if(runs.begin(), runs.end(), [](auto* r) { return is_given(*r) && !is_given_right(*r); }));
  figures["given"] = given;
  figures["accept_error"] = Json();
  figures["accept_error_interval"] = Json();
  if (given == 0) return;
  figures["accept_error"] = static_cast<double>(wrong) / static_cast<double>(given);
  figures["accept_error_interval"] = {wilson(wrong, given).first, wilson(wrong, given).second};
}

Json baselines() {
  return {{{"name", "length only"}, {"feature", "length"}, {"escalate", "high"}},
          {{"name", "lowest probability"}, {"feature", "min_logprob"}, {"escalate", "low"}}};
}

Json report_of(const std::vector<Json>& rows, int bootstrap) {
  Json request = {{"observations", rows},
                  {"bootstrap", bootstrap},
                  {"baselines", baselines()},
                  {"shares", {0.05, 0.10, 0.15, 0.20, 0.25, 0.30}}};
  return Json::parse(need(kedge::call(kedge_route_report, request.dump())));
}

const Json* router_named(const Json& group, const std::string& name) {
  if (!group["routing"].is_object()) return nullptr;
  for (const Json& r : group["routing"]["routers"]) {
    if (r["name"] == name) return &r;
  }
  return nullptr;
}

Json apgr_of(const Json& group, const std::string& router) {
  const Json* r = router_named(group, router);
  return r == nullptr ? Json() : (*r)["apgr"];
}

Json uncalibrated(const RouteMeasurement& m, const std::string& task);

Json figures(const RouteMeasurement& m, const std::string& task, const Json& group) {
  const auto fast = of_task(m.pairs.fast, task);
  const auto deep = of_task(m.pairs.deep, task);
  const auto routed = of_task(m.routed, task);
  Json f = {{"n", fast.size()},
            {"fast", mean(fast, right)},
            {"deep", mean(deep, right)},
            {"routed", mean(routed, right)},
            {"escalated", mean(routed, [](const RouteRun& r) { return r.escalated() ? 1.0 : 0.0; })},
            {"abstained", mean(routed, [](const RouteRun& r) { return r.withheld() ? 1.0 : 0.0; })},
            {"grounded", Json()},
            {"auroc", group["confidence"]["auroc"]},
            {"auroc_interval", group["confidence"].value("auroc_interval", Json())},
            {"ece", group["confidence"]["ece"]},
            {"ece_interval", group["confidence"].value("ece_interval", Json())},
            {"apgr", apgr_of(group, "gain").is_null() ? apgr_of(group, "p") : apgr_of(group, "gain")},
            {"cpu_s", {{"fast", mean(fast, cpu)}, {"deep", mean(deep, cpu)}, {"routed", mean(routed, cpu)}}}};
  put_accept_error(routed, f);
  if (task.empty() || task == "facts") {
    const auto grounded = of_task(m.grounded, "facts");
    if (!grounded.empty()) f["grounded"] = mean(grounded, right);
  }
  f["uncalibrated"] = uncalibrated(m, task);
  f["report"] = group;
  return f;
}

// How often checks catch what is wrong, and what they reject of what is right. Only what a check can know: the value of
// arithmetic, and quotations that stand in no passage.
Json verification(const RouteMeasurement& m) {
  size_t wrong = 0;
  size_t caught = 0;
  size_t good = 0;
  size_t rejected = 0;
  size_t quotes = 0;
  size_t quotes_failed = 0;
  const auto count = [&](const std::vector<RouteRun>& runs, const std::string& task) {
    for (const RouteRun& r : runs) {
      if (r.row->task != task || r.answer["attempts"].empty()) continue;
      const Json& a = first_attempt(r);
      const bool failed = failed_check(a);
      if (task == "arithmetic" && !r.right) {
        ++wrong;
        caught += failed;
      }
      const bool unsupported = has_verdict(a, "quote", "fail");
      quotes += a["checks"].empty() ? 0 : 1;
      quotes_failed += unsupported;
      if (r.right && !unsupported) {
        ++good;
        rejected += failed;
      }
    }
  };
  for (const auto* runs : {&m.pairs.fast, &m.pairs.deep}) {
    count(*runs, "arithmetic");
    count(*runs, "openbook");
  }
  const auto share = [](size_t a, size_t b) {
    return b == 0 ? Json() : Json(static_cast<double>(a) / static_cast<double>(b));
  };
  return {{"wrong_arithmetic", wrong},         {"caught", share(caught, wrong)},      {"right", good},
          {"rejected", share(rejected, good)}, {"quotes_unsupported", quotes_failed}, {"answers_checked", quotes}};
}

Json overhead(const RouteMeasurement& m) {
  std::vector<double> ms;
  for (const RouteRun& r : m.routed) ms.push_back(1e3 * r.answer["overhead_s"].get<double>());
  if (ms.empty()) return {};
  std::sort(ms.begin(), ms.end());
  const auto at = [&](double q) { return ms[static_cast<size_t>(q * static_cast<double>(ms.size() - 1))]; };
  return {{"p50", at(0.50)}, {"p99", at(0.99)}, {"max", ms.back()}};
}

// AUROC and ECE of what needs no calibration, on the same rows: the lowest probability of a token, and brevity.
Json uncalibrated(const RouteMeasurement& m, const std::string& task) {
  Json out = Json::object();
  for (const char* name : {"lowest_probability", "length"}) {
    std::vector<Json> rows;
    for (const RouteRun* r : of_task(m.pairs.fast, task)) {
      const Json& f = first_attempt(*r)["features"];
      const double p = std::string_view(name) == "lowest_probability" ? std::exp(f["min_logprob"].get<double>())
                                                                      : std::exp(-f["length"].get<double>());
      rows.push_back({{"id", r->row->id}, {"task", r->row->task}, {"correct", r->right}, {"p", p}});
    }
    const Json report =
        Json::parse(need(kedge::call(kedge_route_report, Json({{"observations", rows}, {"bootstrap", 0}}).dump())));
    out[name] = {{"auroc", report["all"]["confidence"]["auroc"]}, {"ece", report["all"]["confidence"]["ece"]}};
  }
  return out;
}

std::vector<Json> report_rows(const RouteMeasurement& m) {
  std::vector<Json> rows;
  for (size_t i = 0; i < m.pairs.fast.size(); ++i) {
    rows.push_back(report_row(m.pairs.fast[i], m.pairs.deep[i]));
  }
  return rows;
}

}  // namespace

Json report_row(const RouteRun& fast, const RouteRun& deep) {
  const Json& a = first_attempt(fast);
  Json row = {{"id", fast.row->id},
              {"task", fast.row->task},
              {"features", {{"length", a["features"]["length"]}, {"min_logprob", a["features"]["min_logprob"]}}},
              {"correct", fast.right},
              {"cpu_s", fast.cpu_s},
              {"deep", {{"correct", deep.right}, {"cpu_s", deep.cpu_s}}},
              {"p", a["p"].is_number() ? a["p"] : Json(0.5)},
              {"tau", a["threshold"]},
              {"gain", gain_of(fast)}};
  if (fast.answer["neighbours"].is_object()) row["knn"] = fast.answer["neighbours"]["fast_right"];
  return row;
}

Json summarise(const RouteMeasurement& m, int bootstrap) {
  const Json report = report_of(report_rows(m), bootstrap);
  Json summary = {{"tasks", Json::object()}, {"all", figures(m, "", report["all"])}};
  for (const std::string& task : kRouteTasks) {
    if (report["tasks"].contains(task)) summary["tasks"][task] = figures(m, task, report["tasks"][task]);
  }
  if (!m.unanswerable.empty()) {
    const auto runs = of_task(m.unanswerable, "facts");
    summary["unanswerable"] = {{"n", runs.size()},
                               {"declined", mean(runs, [](const RouteRun& r) { return r.declined() ? 1.0 : 0.0; })},
                               {"right_by_chance", mean(runs, right)}};
  }
  summary["asked"] = Json::object();
  for (const AskedSet& set : m.asked) summary["asked"][set.name] = asked_figures(set.runs);
  summary["verification"] = verification(m);
  summary["overhead_ms"] = overhead(m);
  return summary;
}

Json summarise_seeds(const RouteMeasurement& m, const std::vector<std::vector<FittedCalibrator>>& by_seed) {
  Json list = Json::array();
  for (const auto& fitted : by_seed) {
    std::map<std::string, std::vector<size_t>> by_task;
    for (size_t i = 0; i < m.pairs.fast.size(); ++i) by_task[m.pairs.fast[i].answer["task"]].push_back(i);
    std::vector<Json> rows = report_rows(m);
    std::map<std::string, std::array<double, 3>> sums;  // by data task: n, right when routed, escalated
    for (const FittedCalibrator& f : fitted) {
      if (f.alias != "fast" || by_task.count(f.task) == 0) continue;
      Json features = Json::array();
      for (const size_t i : by_task[f.task]) features.push_back(first_attempt(m.pairs.fast[i])["features"]);
      const Json applied = Json::parse(need(
          kedge::call(kedge_calibrator_apply, Json({{"calibrator", f.calibrator}, {"features", features}}).dump())));
      for (size_t k = 0; k < by_task[f.task].size(); ++k) {
        const size_t i = by_task[f.task][k];
        const Json& a = applied["answers"][k];
        rows[i]["p"] = a["p"];
        rows[i]["tau"] = applied["threshold"];
        rows[i]["gain"] =
            a.contains("p_deep") ? a["p_deep"].get<double>() - a["p"].get<double>() : 1 - a["p"].get<double>();
      }
    }
    for (size_t i = 0; i < rows.size(); ++i) {
      const bool escalate = rows[i]["gain"].get<double>() >= m.min_gain || failed_check(first_attempt(m.pairs.fast[i]));
      for (const std::string& task : {m.pairs.fast[i].row->task, std::string("all")}) {
        auto& [n, good, up] = sums[task];
        ++n;
        good += escalate ? m.pairs.deep[i].right : m.pairs.fast[i].right;
        up += escalate;
      }
    }
    const Json report = report_of(rows, 0);
    Json entry = Json::object();
    const auto add = [&](const std::string& name, const Json& group) {
      const auto& [n, good, up] = sums[name];
      entry[name] = {{"auroc", group["confidence"]["auroc"]},
                     {"ece", group["confidence"]["ece"]},
                     {"apgr", apgr_of(group, "gain")},
                     {"accept_error", group["operating"]["accept_error"]},
                     {"routed", good / n},
                     {"escalated", up / n}};
    };
    add("all", report["all"]);
    for (const auto& [task, group] : report["tasks"].items()) add(task, group);
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace kedge::tools
