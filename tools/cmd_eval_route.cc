// kedge eval route: what routing between a fast and a deep model costs and gains, on labelled questions.
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "tools/eval/route_summary.h"
#include "tools/pool_flags.h"
#include "tools/reword.h"

namespace kedge::tools {

namespace {

struct RouteFlags {
  PoolFlags pool;
  std::string data;
  std::string fit;
  std::string keep;
  std::string plot;
  std::string json_file;
  std::vector<std::string> asked;
  std::vector<std::string> reword;
  int limit = -1;
  int jobs = 0;
  int seeds = 5;
  int bootstrap = 2000;
  double alpha = 0.10;
  bool json = false;
};

// "all" are those that calibrators are not fitted on.
std::vector<std::string> rewordings(const std::vector<std::string>& asked) {
  const auto held = heldout_rewordings();
  if (asked == std::vector<std::string>{"all"}) return {held.begin(), held.end()};
  const auto fit = fit_rewordings();
  for (const std::string& kind : asked) {
    if (std::find(held.begin(), held.end(), kind) != held.end()) continue;
    if (std::find(fit.begin(), fit.end(), kind) != fit.end()) continue;
    std::string known = "all";
    for (const auto list : {held, fit}) {
      for (const std::string_view k : list) known += ", " + std::string(k);
    }
    throw Failure("--reword: there is no '" + kind + "'; known are " + known, kExitUsage);
  }
  return asked;
}

// Calibrators of the fitting folder, in a folder of their own while this lives.
class Fitted {
 public:
  Fitted(const RouteFlags& f, const RunPlan& plan) {
    if (f.fit.empty()) return;
    const FitRows rows(f.fit, f.limit);
    kedge::Router router = f.pool.open({{"calibrators", ""}, {"audit", ""}, {"threads", 1}});
    const CorpusIndex corpus(f.fit, model_path(router, "fast"), {});
    const PairedRuns runs = run_fit(router, rows, corpus.path(), plan);
    for (int seed = 0; seed < f.seeds; ++seed) {
      std::vector<std::string> skipped;
      by_seed.push_back(fit_calibrators(runs, {.alpha = f.alpha, .seed = static_cast<uint64_t>(seed)}, skipped));
      if (seed > 0) continue;
      for (const std::string& s : skipped) std::fprintf(stderr, "kedge: no calibrator for %s\n", s.c_str());
    }
    folder = f.keep;
    if (folder.empty()) folder = temporary_ = temporary_folder();
    write_calibrators(by_seed[0], folder);
    neighbours = folder + "/neighbours.kidx";
    write_neighbours(runs, model_path(router, "fast"), neighbours);
  }
  ~Fitted() {
    std::error_code ec;
    if (!temporary_.empty()) std::filesystem::remove_all(temporary_, ec);
  }
  Fitted(const Fitted&) = delete;
  Fitted& operator=(const Fitted&) = delete;

  std::string folder;      // empty: those of the pool
  std::string neighbours;  // an index of the questions fitted on
  std::vector<std::vector<FittedCalibrator>> by_seed;

 private:
  std::string temporary_;
};

// Answers as they are given, whole: weak ones withheld, no limits but the usual ones.
AskedSet ask_set(kedge::Router& router, std::string name, std::vector<RouteRow> rows, const std::string& index,
                 const RunPlan& plan) {
  AskedSet set{.name = std::move(name), .rows = std::move(rows), .runs = {}};
  Json how = {{"record", false}};
  if (!index.empty()) how["index"] = index;
  set.runs = run_way(router, pointers(set.rows), {set.name, how}, plan);
  return set;
}

void ask_all(const RouteFlags& f, const std::vector<RouteRow>& rows, kedge::Router& router, const RunPlan& plan,
             std::vector<AskedSet>& sets) {
  if (auto asked = read_asked_of(f.data); !asked.empty()) {
    sets.push_back(ask_set(router, "asked", std::move(asked), "", plan));
  }
  for (const std::string& file : f.asked) {
    const auto documents = std::filesystem::path(file).parent_path() / "docs";
    std::string folder;
    std::string index;
    if (std::filesystem::is_directory(documents)) {
      folder = temporary_folder();
      index = folder + "/docs.kidx";
      need(kedge::index_build(
          Json({{"paths", {documents.string()}}, {"out", index}, {"model", model_path(router, "fast")}}).dump()));
    }
    const std::string name = std::filesystem::path(file).parent_path().filename().string() + "/" +
                             std::filesystem::path(file).stem().string();
    sets.push_back(ask_set(router, name, read_asked(file), index, plan));
    std::error_code ec;
    if (!folder.empty()) std::filesystem::remove_all(folder, ec);
  }
  for (const std::string& kind : f.reword) {
    auto other = reworded_rows(rows, kind);
    if (!other.empty()) sets.push_back(ask_set(router, "reworded: " + kind, std::move(other), "", plan));
  }
}

RouteMeasurement measure(const RouteFlags& f, const std::vector<RouteRow>& rows, const Fitted& fitted,
                         const RunPlan& plan) {
  Json overrides = {{"audit", ""}, {"threads", 1}, {"policy", {{"alpha", f.alpha}}}};
  if (!fitted.folder.empty()) overrides["calibrators"] = fitted.folder;
  kedge::Router router = f.pool.open(overrides);
  const std::string model = model_path(router, "fast");
  const CorpusIndex corpus(f.data, model, {});
  RouteMeasurement m;
  {
    // Models asked by name are not routed: past questions only give the baseline its scores.
    if (!fitted.neighbours.empty()) overrides["neighbours"] = fitted.neighbours;
    kedge::Router alone = f.pool.open(overrides);
    m.pairs = run_pairs(alone, rows, corpus.path(), plan);
  }
  if (m.pairs.deep.empty()) throw Failure("the pool has no model 'deep': there is nothing to route to");
  m.routed = run_way(router, pointers(rows), {"routed", {{"abstain", false}}}, plan);
  ask_all(f, rows, router, plan, m.asked);
  const auto facts = pointers(rows, "facts");
  if (corpus.path().empty() || facts.empty()) return m;
  m.grounded = run_way(router, facts, {"grounded", {{"index", corpus.path()}, {"abstain", false}}}, plan);
  std::vector<std::string> asked;
  for (const RouteRow* r : facts) asked.push_back(r->doc);
  const CorpusIndex without(f.data, model, asked);
  m.unanswerable = run_way(router, facts, {"not in the sources", {{"index", without.path()}}}, plan);
  return m;
}

void eval_route(RouteFlags f) {
  f.reword = rewordings(f.reword);
  need_outputs({f.plot, f.json_file});
  const auto rows = read_route_rows(f.data, f.limit);
  const RunPlan plan{.jobs = f.jobs > 0 ? f.jobs : 4 * kedge::default_threads(), .quiet = f.json};
  const double start = seconds_now();
  const Fitted fitted(f, plan);
  const RouteMeasurement m = measure(f, rows, fitted, plan);
  Json summary = summarise(m, f.bootstrap);
  if (!fitted.by_seed.empty()) summary["seeds"] = summarise_seeds(m, fitted.by_seed);
  summary["setup"] = {{"data", f.data},
                      {"fit", f.fit},
                      {"pool", f.pool.path()},
                      {"alpha", f.alpha},
                      {"seconds", seconds_now() - start}};
  if (!f.plot.empty()) write_text(f.plot, route_plot("kedge eval route: " + f.data, summary));
  if (!f.json_file.empty()) write_text(f.json_file, summary.dump(1) + "\n");
  if (f.json && f.json_file.empty()) return print_json(summary, 1);
  print(route_table(summary));
}

}  // namespace

void add_eval_route(CLI::App& eval) {
  auto f = std::make_shared<RouteFlags>();
  CLI::App* c = eval.add_subcommand("route", "Questions to a fast and a deep model, and to the router between them");
  c->add_option("--data", f->data, "Folder of labelled questions: facts.jsonl, arithmetic.jsonl, openbook.jsonl, ...")
      ->required()
      ->type_name("DIR");
  f->pool.add_to(c);
  c->add_option("--fit", f->fit, "Calibrate on this folder first [the pool's calibrators]")->type_name("DIR");
  c->add_option("--keep", f->keep, "Keep those calibrators here")->type_name("DIR");
  c->add_option("--asked", f->asked,
                "Also questions of which only the given answers count: JSON lines of {\"question\", \"right\": pattern "
                "or null}; answered from the folder docs beside the file, where there is one")
      ->type_name("FILE")
      ->allow_extra_args(false);
  c->add_option("--reword", f->reword,
                "Also the questions in other words: tell, polite, lower, joined, bare, ... or all")
      ->delimiter(',')
      ->type_name("KIND,...");
  c->add_option("--alpha", f->alpha, "Accepted answers may be wrong this often")->check(in_range(0.0001, 0.9999));
  c->add_option("--seeds", f->seeds, "Calibrations, each on another split of the fitting rows")
      ->check(in_range(1, 100))
      ->capture_default_str();
  c->add_option("--bootstrap", f->bootstrap, "Resamples for the intervals")->check(in_range(0, 100000));
  c->add_option("--limit", f->limit, "Only so many rows of each task")->check(in_range(1, 1 << 30));
  c->add_option("-j,--jobs", f->jobs,
                "Questions at once; each model has one thread, which they share; 0: four times the cores")
      ->check(in_range(0, 1024));
  c->add_option("--plot", f->plot, "Draw right answers against CPU time")->type_name("FILE.svg");
  c->add_option("--json", f->json_file, "Print all figures as JSON, or write them to a file beside the table")
      ->type_name("[FILE]")
      ->expected(0, 1);
  c->footer(
      "fast, deep: each model alone; routed: the router without retrieval, answers it withholds count as wrong; "
      "ground:\n"
      "facts answered from facts_corpus.jsonl; AUROC and ECE: of the fast model's probability of being right; APGR: "
      "area\n"
      "under the share of the gap recovered against the share escalated, random 0.5; accerr: wrong among answers "
      "given.\n"
      "Example:\n"
      "  kedge eval route --data tests/data/eval/route/test --fit tests/data/eval/route/fit --plot route.svg");
  c->callback([f, c] {
    f->json = c->get_option("--json")->count() > 0;
    eval_route(*f);
  });
}

}  // namespace kedge::tools
