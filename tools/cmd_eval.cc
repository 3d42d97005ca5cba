// kedge eval: what a memory budget costs in answers.
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "tools/eval/cells.h"
#include "tools/eval/detector.h"
#include "tools/eval/pages.h"
#include "tools/eval/references.h"
#include "tools/kv_flags.h"
#include "tools/model_flags.h"
#include "tools/schema.h"

namespace kedge::tools {

namespace {

struct EvalFlags {
  ModelFlags model;
  SessionFlags session;
  KvFlags kv;
  std::string data;
  std::vector<double> budgets = {50, 25, 12.5, 6.25};
  std::vector<std::string> policies = {"full", "recency", "sinks",  "h2o",   "snapkv",
                                       "tova", "keydiff", "random", "anchor"};
  std::vector<std::string> marks = {"spans"};
  std::vector<std::string> colds = {"off"};
  double false_pins = 0;
  int limit = -1;
  int jobs = 0;
  bool json = false;
  std::string json_file;
  std::string plot;
  std::string rows_out;
  std::string pages;
  double pages_budget = 12.5;
  std::string row;
};

std::string file_name(const std::string& path) { return std::filesystem::path(path).filename().string(); }

// What the outcomes of a file have in common; others are not comparable.
Json setup_of(const EvalFlags& flags, const kedge::Model& model) {
  const kedge_model_info info = model.info();
  return {{"model", file_name(flags.model.path())}, {"weight_bytes", info.weight_bytes},
          {"data", file_name(flags.data)},          {"kv_type", flags.session.kv_type},
          {"numerics", flags.session.numerics},     {"kv", flags.kv.options()},
          {"false_pins", flags.false_pins}};
}

std::string heading(const EvalFlags& flags) {
  return file_name(flags.model.path()) + ", " + file_name(flags.data) + ", cache " + flags.session.kv_type +
         (flags.false_pins > 0 ? format(", %g %% false pins", 100 * flags.false_pins) : "");
}

const RecallRow& row_for_pages(const EvalFlags& flags, const std::vector<RecallRow>& rows) {
  const auto chosen = std::find_if(rows.begin(), rows.end(), [&](const RecallRow& r) {
    return flags.row.empty() ? r.length == 4096 : r.id == flags.row;
  });
  if (chosen != rows.end()) return *chosen;
  if (!flags.row.empty()) throw Failure(flags.data + ": has no row '" + flags.row + "'");
  return rows.front();
}

void write_pages(const EvalFlags& flags, const kedge::Model& model, const RecallRow& row, const RecallPlan& plan) {
  const auto settings =
      recall_settings(flags.policies, {flags.pages_budget}, flags.marks, flags.colds, flags.kv.recall_share() > 0);
  const auto strips = read_pages(model, row, settings, plan);
  size_t n = 0;
  for (const PageStrip& s : strips) n = std::max(n, s.n_prompt);
  const std::string title =
      format("What is left of %s in memory: %zu tokens, budget %g %%; ", row.id.c_str(), n, flags.pages_budget) +
      heading(flags);
  write_text(flags.pages, pages_document(title, row, strips));
}

Json detector_json(const std::vector<RecallRow>& rows) {
  DetectorScore score;
  for (const RecallRow& row : rows) score.add(row);
  return score.json();
}

Json false_pins_json(const EvalFlags& flags, const std::vector<RecallRow>& rows) {
  size_t spans = 0;
  size_t made = 0;
  for (const RecallRow& row : rows) {
    spans += row.spans.size();
    made += static_cast<size_t>(
        std::count_if(row.spans.begin(), row.spans.end(), [](const RecallSpan& s) { return !s.reference; }));
  }
  return {{"asked", flags.false_pins}, {"made", static_cast<double>(made) / static_cast<double>(spans)}};
}

void print_detector(const Json& d) {
  print(format(
      "\ndetector: precision %.3f, recall %.3f, F1 %.3f (%zu of %zu references found, %zu false); by bytes %.3f, "
      "%.3f, %.3f\n",
      d["precision"].get<double>(), d["recall"].get<double>(), d["f1"].get<double>(), d["found"].get<size_t>(),
      d["spans"].get<size_t>(), d["false"].get<size_t>(), d["bytes"]["precision"].get<double>(),
      d["bytes"]["recall"].get<double>(), d["bytes"]["f1"].get<double>()));
}

void report(const EvalFlags& flags, const std::vector<RecallCell>& cells, Json json) {
  if (!flags.plot.empty()) write_text(flags.plot, recall_plot("kedge eval recall: " + heading(flags), cells));
  Json list = Json::array();
  size_t errors = 0;
  for (const RecallCell& c : cells) {
    list.push_back(c.json());
    if (c.length == 0 && !c.fit) errors += c.errors;
  }
  json["cells"] = std::move(list);
  if (errors > 0) {
    std::fprintf(stderr, "kedge: %zu rows had no answer because their memory was too small ('errors' in the JSON)\n",
                 errors);
  }
  if (!flags.json_file.empty()) write_text(flags.json_file, json.dump(1) + "\n");
  if (flags.json && flags.json_file.empty()) return print_json(json, 1);
  if (!cells.empty()) print(heading(flags) + "\n" + recall_table(cells));
  if (json.contains("detector")) print_detector(json["detector"]);
}

void eval_recall(const EvalFlags& flags) {
  need_outputs({flags.rows_out, flags.plot, flags.pages, flags.json_file});
  std::vector<RecallRow> rows = read_recall_rows(flags.data);
  if (flags.false_pins > 0) {
    for (RecallRow& row : rows) add_false_spans(row, flags.false_pins);
  }
  const kedge::Model model = flags.model.open();
  const int jobs = flags.jobs > 0 ? flags.jobs : 2 * kedge::default_threads();
  kedge::Engine engine = need(kedge::Engine::create(model, flags.session.engine(jobs)));
  const RecallPlan plan{.engine = &engine, .kv = flags.kv.options(), .jobs = jobs};
  if (!flags.pages.empty()) write_pages(flags, model, row_for_pages(flags, rows), plan);
  if (flags.limit >= 0) rows = first_rows(std::move(rows), static_cast<size_t>(flags.limit));

  const Json setup = setup_of(flags, model);
  OutcomeFile file(flags.rows_out, setup);
  const auto settings =
      recall_settings(flags.policies, flags.budgets, flags.marks, flags.colds, flags.kv.recall_share() > 0);
  const double start = seconds_now();
  bool stopped = false;
  const auto outcomes = run_recall(model, rows, settings, plan, file, stopped);
  if (stopped) {
    throw Failure(flags.rows_out.empty() ? "stopped; with --rows-out the finished rows are kept"
                                         : "stopped; " + flags.rows_out + " has " + std::to_string(outcomes.size()) +
                                               " outcomes, the same command goes on",
                  InterruptGuard::exit_code());
  }
  Json json = {{"setup", setup}, {"outcomes", outcomes.size()}, {"seconds", seconds_now() - start}};
  if (flags.false_pins > 0 && !rows.empty()) json["false_pins"] = false_pins_json(flags, rows);
  if (!rows.empty() && std::find(flags.marks.begin(), flags.marks.end(), "detector") != flags.marks.end()) {
    json["detector"] = detector_json(rows);
  }
  report(flags, recall_cells(outcomes, settings), std::move(json));
}

void add_measure_flags(CLI::App* c, EvalFlags& flags) {
  const auto list = [c](const char* name, auto& values, const char* help) {
    return c->add_option(name, values, help)->delimiter(',')->capture_default_str();
  };
  c->add_option("--data", flags.data, "The rows: recall.jsonl")->required()->type_name("FILE");
  list("--kv-budget", flags.budgets, "Memory budgets, percent of each prompt's tokens (32 tokens at least)")
      ->type_name("PERCENT,...")
      ->check(in_range(0.01, 100));
  list("--kv-policy", flags.policies, "What stays when the memory is full; full: everything, measured once")
      ->type_name("NAME,...")
      ->check(one_of(kv_policies()));
  list("--marks", flags.marks,
       "Who tells the anchor policies where references are: spans (of the data), detector or none")
      ->type_name("WHO,...")
      ->check(CLI::IsMember({"spans", "detector", "none"}));
  list("--kv-cold", flags.colds,
       "Where evicted tokens go, to be recalled: off, ram; only where something can recall them")
      ->type_name("PLACE,...")
      ->check(CLI::IsMember({"off", "ram"}));
  c->add_option("--false-pins", flags.false_pins, "Share of marks that are on filler instead")
      ->type_name("SHARE")
      ->check(in_range(0, 0.95));
  c->add_option("--limit", flags.limit, "Only so many rows, of all lengths; 0: none, for --pages alone")
      ->check(in_range(0, 1 << 30));
  c->add_option("-j,--jobs", flags.jobs, "Rows at once on one engine; 0: twice the cores this process may use")
      ->check(in_range(0, 1024))
      ->capture_default_str();
}

void add_output_flags(CLI::App* c, EvalFlags& flags) {
  c->add_option("--rows-out", flags.rows_out,
                "Keep every outcome here; what the file already has is not measured again")
      ->type_name("FILE.jsonl");
  c->add_option("--plot", flags.plot, "Draw right answers against budget")->type_name("FILE.svg");
  c->add_option("--pages", flags.pages, "Draw what is left of one row in memory, policy by policy")
      ->type_name("FILE.svg");
  c->add_option("--pages-budget", flags.pages_budget, "The budget of that picture")
      ->type_name("PERCENT")
      ->check(in_range(0.01, 100))
      ->capture_default_str();
  c->add_option("--row", flags.row, "The row of that picture [the first of length 4096]")->type_name("ID");
  c->add_option("--json", flags.json_file, "Print all cells as JSON, or write them to a file beside the table")
      ->type_name("[FILE]")
      ->expected(0, 1);
}

}  // namespace

void add_eval(CLI::App& app) {
  auto flags = std::make_shared<EvalFlags>();
  CLI::App* eval = app.add_subcommand("eval", "Measure what memory budgets and routing cost in answers");
  eval->require_subcommand(1);
  eval->footer("Example:\n  kedge eval recall -m scout --data recall.jsonl --limit 40");
  add_eval_honesty(*eval);
  add_eval_route(*eval);
  add_eval_references(*eval);
  CLI::App* c = eval->add_subcommand("recall", "Questions about references in long documents, by policy and budget");
  flags->model.add_to(c);
  add_measure_flags(c, *flags);
  flags->session.add_to(c, SessionFlags::kOnlyTypes);
  flags->kv.add_to(c, KvFlags::kWithoutLists);
  add_output_flags(c, *flags);
  c->footer(
      "A row is right when all its values are. Intervals are 95 % (Wilson). Results do not depend on\n"
      "--jobs. Ctrl-C stops; with --rows-out the same command goes on.\n"
      "Examples:\n"
      "  kedge eval recall -m scout --data recall.jsonl --kv-budget 25,12.5 --kv-policy full,recency,anchor\n"
      "  kedge eval recall -m scout --data recall.jsonl --marks spans,detector,none --rows-out rows.jsonl \\\n"
      "      --plot recall.svg --json cells.json\n"
      "  kedge eval recall -m scout --data recall.jsonl --limit 0 --pages pages.svg");
  c->callback([flags, c] {
    flags->json = c->get_option("--json")->count() > 0;
    eval_recall(*flags);
  });
}

}  // namespace kedge::tools
