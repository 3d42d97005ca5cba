#include "tools/eval/route_fit.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "tools/progress.h"

namespace kedge::tools {

namespace {

namespace fs = std::filesystem;

// Where nothing but the model's own certainty should decide, the verdicts of checks are no feature: they decide by
// themselves (rules proven, escalate).
bool is_feature_of(const std::string& feature, const std::string& task) {
  return task == "sources" || feature.rfind("checks_", 0) != 0;
}

Json features_of(const RouteRun& run) {
  Json features = Json::object();
  const std::string task = run.answer["task"];
  for (const auto& [name, value] : run.answer["attempts"][0]["features"].items()) {
    if (is_feature_of(name, task)) features[name] = value;
  }
  return features;
}

std::string last_message(const RouteRow& row) {
  return row.request.contains("question") ? row.request["question"] : row.request["messages"].back()["content"];
}

Json observation(const RouteRun& run, const RouteRun* deep, const std::string& suffix) {
  Json o = {{"id", run.row->id + suffix},
            {"task", run.answer["task"]},
            {"question", last_message(*run.row)},
            {"reworded", run.row->reworded},
            {"features", features_of(run)},
            {"correct", run.right},
            {"cpu_s", run.cpu_s}};
  if (deep != nullptr) o["deep"] = {{"correct", deep->right}, {"cpu_s", deep->cpu_s}};
  return o;
}

void add_observations(const std::vector<RouteRun>& runs, const std::vector<RouteRun>* deep, const std::string& suffix,
                      std::map<std::string, Json>& by_task) {
  for (size_t i = 0; i < runs.size(); ++i) {
    if (runs[i].answer["attempts"].empty()) continue;  // nothing retrieved
    const RouteRun* d = deep == nullptr || deep->empty() ? nullptr : &(*deep)[i];
    Json& list = by_task[runs[i].answer["task"].get<std::string>()];
    if (list.is_null()) list = Json::array();
    list.push_back(observation(runs[i], d, suffix));
  }
}

Json model_of(const std::vector<RouteRun>& runs) {
  for (const RouteRun& r : runs) {
    for (const Json& a : r.answer["attempts"]) {
      if (a.contains("model_digest")) {
        return {{"name", a["model"]},
                {"digest", a["model_digest"]},
                {"tokenizer_fp", a["tokenizer_fp"]},
                {"prompt_version", a["prompt_version"]}};
      }
    }
  }
  throw Failure("no answer to calibrate on");
}

// Of the deep model's observations those of questions that the fast one does not settle; all when they are too few to
// learn a threshold from.
Json unsettled(const Json& calibrator, const Json& fast, const Json& deep, const FitOptions& options) {
  constexpr size_t kEnough = 400;
  Json features = Json::array();
  Json questions = Json::array();
  for (const Json& o : fast) {
    features.push_back(o["features"]);
    questions.push_back(o["question"]);
  }
  const Json applied = Json::parse(need(kedge::call(
      kedge_calibrator_apply,
      Json({{"calibrator", calibrator}, {"features", features}, {"questions", questions}, {"alpha", options.alpha}})
          .dump())));
  std::set<std::string> open;
  for (size_t i = 0; i < fast.size(); ++i) {
    const Json& a = applied["answers"][i];
    const double gain = a.contains("p_deep") ? a["p_deep"].get<double>() - a["p"].get<double>() : 1.0;
    if (!a.value("inside", true)) continue;  // withheld, and the deep model is not asked
    if (!a["accepted"].get<bool>() || gain >= options.min_gain) open.insert(fast[i]["id"].get<std::string>());
  }
  if (open.size() < kEnough) return deep;
  Json asked = Json::array();
  for (const Json& o : deep) {
    if (open.count(o["id"].get<std::string>()) > 0) asked.push_back(o);
  }
  return asked;
}

// Questions of other kinds as kedge_calibrate takes them; those with passages, of which there are few, beside the
// others.
Json outside_rows(const std::vector<RouteRun>& runs, const std::vector<RouteRun>& grounded) {
  std::map<std::string, Json> by_task;
  add_observations(runs, nullptr, "", by_task);
  add_observations(grounded, nullptr, "+grounded", by_task);
  Json rows = Json::array();
  for (auto& [task, list] : by_task) {
    for (Json& row : list) rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

std::string temporary_folder() {
  std::string pattern = (fs::temp_directory_path() / "kedge-route-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw Failure(pattern + ": cannot make a temporary folder");
  return pattern;
}

void write_neighbours(const PairedRuns& runs, const std::string& model_path, const std::string& file) {
  const std::string folder = temporary_folder();
  const std::string rows = folder + "/questions.jsonl";
  {
    std::ofstream out(rows);
    for (size_t i = 0; i < runs.fast.size(); ++i) {
      const RouteRow& row = *runs.fast[i].row;
      out << Json({{"id", row.id},
                   {"text", last_message(row)},
                   {"fast", runs.fast[i].right},
                   {"deep", i < runs.deep.size() && runs.deep[i].right}})
                 .dump()
          << '\n';
    }
    if (!out.flush()) throw Failure(rows + ": cannot be written");
  }
  constexpr int kWhole = 10000;  // words: questions are not cut
  const auto built = kedge::index_build(
      Json({{"paths", {rows}}, {"out", file}, {"model", model_path}, {"passage_words", kWhole}}).dump());
  std::error_code ec;
  fs::remove_all(folder, ec);
  need(built);
}

CorpusIndex::CorpusIndex(const std::string& folder, const std::string& model_path,
                         const std::vector<std::string>& without) {
  const fs::path corpus = fs::path(folder) / "facts_corpus.jsonl";
  if (!fs::exists(corpus)) return;
  folder_ = temporary_folder();
  const std::set<std::string> left_out(without.begin(), without.end());
  const std::string documents = folder_ + "/corpus.jsonl";
  {
    std::ifstream in(corpus);
    std::ofstream out(documents);
    for (std::string line; std::getline(in, line);) {
      const auto row = parse_json(line, "a line");
      if (!row.ok() || !row->is_object()) throw Failure(corpus.string() + ": a line is not a JSON object");
      if (left_out.count(row->value("id", "")) == 0) out << line << '\n';
    }
    if (!out.flush()) throw Failure(documents + ": cannot be written");
  }
  index_ = folder_ + "/corpus.kidx";
  need(kedge::index_build(Json({{"paths", {documents}}, {"out", index_}, {"model", model_path}}).dump()));
}

CorpusIndex::~CorpusIndex() {
  std::error_code ec;
  if (!folder_.empty()) fs::remove_all(folder_, ec);
}

std::vector<const RouteRow*> pointers(const std::vector<RouteRow>& rows, const std::string& task) {
  std::vector<const RouteRow*> list;
  for (const RouteRow& r : rows) {
    if (task.empty() || r.task == task) list.push_back(&r);
  }
  return list;
}

std::vector<RouteRun> run_way(kedge::Router& router, const std::vector<const RouteRow*>& rows, const AskWays& how,
                              const RunPlan& plan) {
  Progress progress(how.name.c_str());
  return run_rows(router, rows, how, plan.jobs, [&](size_t done, size_t total) {
    if (!plan.quiet) progress.update(done, total);
  });
}

PairedRuns run_pairs(kedge::Router& router, const std::vector<RouteRow>& rows, const std::string& index,
                     const RunPlan& plan) {
  const auto alone = [](const char* alias) { return Json({{"model", alias}, {"abstain", false}}); };
  const auto grounded = [&](const char* alias) {
    return Json({{"model", alias}, {"abstain", false}, {"index", index}});
  };
  const bool has_deep = !model_path(router, "deep").empty();
  PairedRuns runs;
  runs.fast = run_way(router, pointers(rows), {"fast", alone("fast")}, plan);
  if (has_deep) runs.deep = run_way(router, pointers(rows), {"deep", alone("deep")}, plan);
  std::vector<const RouteRow*> facts = pointers(rows, "facts");
  std::erase_if(facts, [](const RouteRow* row) { return row->reworded; });  // the gate keeps nearly all of them out
  if (index.empty() || facts.empty()) return runs;
  runs.fast_grounded = run_way(router, facts, {"fast, grounded", grounded("fast")}, plan);
  if (has_deep) runs.deep_grounded = run_way(router, facts, {"deep, grounded", grounded("deep")}, plan);
  return runs;
}

FitRows::FitRows(const std::string& folder, int limit) : rows(read_route_rows(folder, limit)) {
  for (RouteRow& row : reworded_for_fit(rows)) rows.push_back(std::move(row));
  asked = read_asked_of(folder);
}

PairedRuns run_fit(kedge::Router& router, const FitRows& fit, const std::string& index, const RunPlan& plan) {
  PairedRuns runs = run_pairs(router, fit.rows, index, plan);
  if (fit.asked.empty()) return runs;
  const auto ask = [&](const char* name, const char* alias, bool grounded) {
    Json how = {{"model", alias}, {"abstain", false}, {"max_tokens", 16}};  // only the question is looked at
    if (grounded) how["index"] = index;
    return run_way(router, pointers(fit.asked), {name, how}, plan);
  };
  runs.fast_asked = ask("fast, other questions", "fast", false);
  if (!runs.deep.empty()) runs.deep_asked = ask("deep, other questions", "deep", false);
  if (index.empty()) return runs;
  runs.fast_asked_grounded = ask("fast, other questions, grounded", "fast", true);
  if (!runs.deep.empty()) runs.deep_asked_grounded = ask("deep, other questions, grounded", "deep", true);
  return runs;
}

std::vector<FittedCalibrator> fit_calibrators(const PairedRuns& runs, const FitOptions& options,
                                              std::vector<std::string>& skipped) {
  std::vector<FittedCalibrator> fitted;
  const auto fit = [&](const char* alias, const std::string& task, const Json& observations, const Json& model) {
    const bool deep = std::string_view(alias) == "deep";
    const auto& plain = deep ? runs.deep_asked : runs.fast_asked;
    const auto& grounded = deep ? runs.deep_asked_grounded : runs.fast_asked_grounded;
    const bool with_passages = task == "sources";
    const Json request = {{"observations", observations},
                          {"model", model},
                          {"task", task},
                          {"alpha", options.alpha},
                          {"delta", options.delta},
                          {"seed", options.seed},
                          {"outside", outside_rows(plain, with_passages ? grounded : std::vector<RouteRun>())}};
    const auto made = kedge::call(kedge_calibrate, request.dump());
    if (!made.ok()) {
      skipped.push_back(std::string(alias) + ", " + task + ": " + made.error().message);
      return false;
    }
    const Json json = Json::parse(*made);
    fitted.push_back({alias, task, json["calibrator"], json["report"]});
    return true;
  };
  std::map<std::string, Json> fast;
  add_observations(runs.fast, &runs.deep, "", fast);
  add_observations(runs.fast_grounded, &runs.deep_grounded, "+grounded", fast);
  std::map<std::string, Json> deep;
  add_observations(runs.deep, nullptr, "", deep);
  add_observations(runs.deep_grounded, nullptr, "+grounded", deep);
  for (const auto& [task, observations] : fast) {
    const bool fits = fit("fast", task, observations, model_of(runs.fast));
    if (deep.count(task) == 0) continue;
    const Json asked = fits ? unsettled(fitted.back().calibrator, observations, deep[task], options) : deep[task];
    fit("deep", task, asked, model_of(runs.deep));
  }
  return fitted;
}

void write_calibrators(const std::vector<FittedCalibrator>& fitted, const std::string& folder) {
  make_folder(folder);
  for (const FittedCalibrator& f : fitted) {
    const std::string name = f.calibrator["model"]["name"].get<std::string>() + "-" + f.task + ".json";
    write_text((fs::path(folder) / name).string(), f.calibrator.dump(1) + "\n");
  }
}

std::string model_path(kedge::Router& router, const std::string& alias) {
  const Json state = Json::parse(need(router.state()));
  for (const Json& m : state["models"]) {
    for (const Json& a : m["aliases"]) {
      if (a == alias) return m["path"];
    }
  }
  return {};
}

}  // namespace kedge::tools
