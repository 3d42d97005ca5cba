// kedge calibrate: how sure the models of a pool may be, learnt from questions whose answers are known.
#include <cstdio>

#include "tools/eval/route_fit.h"
#include "tools/pool_flags.h"

namespace kedge::tools {

namespace {

struct CalibrateFlags {
  PoolFlags pool;
  std::string data;
  std::string out;
  std::string neighbours;
  FitOptions fit;
  int limit = -1;
  int jobs = 0;
  bool json = false;
};

std::string share(const Json& value) { return value.is_number() ? format("%.3f", value.get<double>()) : "-"; }

void calibrate(const CalibrateFlags& f) {
  need_outputs({f.neighbours});
  make_folder(f.out);
  const FitRows rows(f.data, f.limit);
  // Calibrators there are must not decide anything while new ones are made.
  kedge::Router router = f.pool.open({{"calibrators", ""}, {"audit", ""}, {"threads", 1}});
  const CorpusIndex corpus(f.data, model_path(router, "fast"), {});
  const RunPlan plan{.jobs = f.jobs > 0 ? f.jobs : 4 * kedge::default_threads(), .quiet = f.json};
  const PairedRuns runs = run_fit(router, rows, corpus.path(), plan);
  std::vector<std::string> skipped;
  const auto fitted = fit_calibrators(runs, f.fit, skipped);
  for (const std::string& s : skipped) std::fprintf(stderr, "kedge: no calibrator for %s\n", s.c_str());
  write_calibrators(fitted, f.out);
  if (!f.neighbours.empty()) write_neighbours(runs, model_path(router, "fast"), f.neighbours);
  if (f.json) {
    Json list = Json::array();
    for (const auto& c : fitted) {
      list.push_back({{"alias", c.alias}, {"task", c.task}, {"id", c.calibrator["id"]}, {"report", c.report}});
    }
    return print_json({{"calibrators", list}, {"skipped", skipped}});
  }
  print(format("%-6s %-12s %-26s %9s %8s %8s\n", "model", "task", "calibrator", "threshold", "accepted", "error <="));
  for (const auto& c : fitted) {
    const Json& t = c.calibrator["thresholds"][0];
    print(format("%-6s %-12s %-26s %9s %8zu %8s\n", c.alias.c_str(), c.task.c_str(),
                 c.calibrator["id"].get<std::string>().substr(0, 25).c_str(), share(t["tau"]).c_str(),
                 t["accepted"].get<size_t>(), share(t["bound"]).c_str()));
  }
  if (fitted.empty()) throw Failure("too few rows for any calibrator");
}

}  // namespace

void add_calibrate(CLI::App& app) {
  auto f = std::make_shared<CalibrateFlags>();
  CLI::App* c = app.add_subcommand("calibrate", "Learn how sure the models of a pool may be");
  c->add_option("--data", f->data, "Folder of labelled questions: facts.jsonl, arithmetic.jsonl, ...")
      ->required()
      ->type_name("DIR");
  c->add_option("-o,--output", f->out, "Folder the calibrators are written to")->required()->type_name("DIR");
  c->add_option("--neighbours", f->neighbours,
                "Also keep the questions and what became of them, for the pool's neighbours")
      ->type_name("FILE.kidx");
  f->pool.add_to(c);
  c->add_option("--alpha", f->fit.alpha, "Accepted answers may be wrong this often")->check(in_range(0.0001, 0.9999));
  c->add_option("--delta", f->fit.delta, "... except with this probability")->check(in_range(0.0001, 0.9999));
  c->add_option("--seed", f->fit.seed, "Of the split into rows to fit, calibrate and test on");
  c->add_option("--limit", f->limit, "Only so many rows of each task")->check(in_range(1, 1 << 30));
  c->add_option("-j,--jobs", f->jobs, "Questions at once; 0: four times the cores this process may use")
      ->check(in_range(0, 1024));
  c->add_flag("--json", f->json, "Print the reports as JSON");
  c->footer("Example:\n  kedge calibrate --data tests/data/eval/route/fit -o models/calibrators");
  c->callback([f] { calibrate(*f); });
}

}  // namespace kedge::tools
