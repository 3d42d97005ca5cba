// kedge eval honesty: whether the memory says what it has lost.
#include "tools/eval/honesty.h"
#include "tools/kv_flags.h"
#include "tools/model_flags.h"
#include "tools/schema.h"

namespace kedge::tools {

namespace {

struct HonestyFlags {
  ModelFlags model;
  std::string data;
  std::string flood;
  std::vector<int> budgets = {96, 192};
  std::vector<std::string> policies = {"recency", "sinks", "h2o", "snapkv", "tova", "keydiff", "random", "anchor"};
  std::vector<std::string> colds = {"off", "ram"};
  int limit = 1 << 30;
  int jobs = 0;
  std::string json_file;
  bool json = false;
};

void eval_honesty(const HonestyFlags& flags) {
  std::vector<HonestyRow> rows = read_honesty_rows(flags.data);
  if (rows.size() > static_cast<size_t>(flags.limit)) rows.resize(static_cast<size_t>(flags.limit));
  const std::string flood = read_text(flags.flood);
  const kedge::Model model = flags.model.open();
  const int jobs = flags.jobs > 0 ? flags.jobs : 4 * kedge::default_threads();
  kedge::Engine engine = need(kedge::Engine::create(model, {.sequences = jobs}));
  std::vector<HonestyCounts> all;
  for (const std::string& policy : flags.policies) {
    for (const int budget : flags.budgets) {
      for (const std::string& cold : flags.colds) {
        if (cold != "off" && policy.rfind("anchor", 0) != 0) continue;  // nothing would recall from it
        all.push_back(run_honesty(model, engine, rows, flood, {policy, budget, cold}, jobs));
      }
    }
  }
  Json json = Json::array();
  for (const HonestyCounts& c : all) json.push_back(c.json());
  if (!flags.json_file.empty()) write_text(flags.json_file, json.dump(1) + "\n");
  if (flags.json && flags.json_file.empty()) return print_json(json, 1);
  print(honesty_table(all));
}

}  // namespace

void add_eval_honesty(CLI::App& eval) {
  auto flags = std::make_shared<HonestyFlags>();
  CLI::App* c = eval.add_subcommand("honesty", "Whether a memory says that something named has left it, and only then");
  flags->model.add_to(c);
  c->add_option("--data", flags->data, "The cases: facts, and a mention of them")->required()->type_name("FILE.jsonl");
  c->add_option("--flood", flags->flood, "The text that makes them leave")->required()->type_name("FILE");
  c->add_option("--kv-budget", flags->budgets, "Memory budgets")
      ->delimiter(',')
      ->type_name("TOKENS,...")
      ->check(in_range(32, 4096))
      ->capture_default_str();
  c->add_option("--kv-policy", flags->policies, "What stays when the memory is full")
      ->delimiter(',')
      ->type_name("NAME,...")
      ->check(one_of(kv_policies()))
      ->capture_default_str();
  c->add_option("--kv-cold", flags->colds, "Where evicted tokens go: off, ram (anchor policies)")
      ->delimiter(',')
      ->type_name("PLACE,...")
      ->check(CLI::IsMember({"off", "ram"}))
      ->capture_default_str();
  c->add_option("--limit", flags->limit, "Only so many cases")->check(in_range(1, 1 << 30));
  c->add_option("-j,--jobs", flags->jobs, "Runs at once on one engine; 0: four times the cores this process may use")
      ->check(in_range(0, 1024));
  c->add_option("--json", flags->json_file, "Print the figures as JSON, or write them to a file beside the table")
      ->type_name("[FILE]")
      ->expected(0, 1);
  c->footer(
      "A case is a line {\"name\", \"facts\": [...], \"mention\", \"expect\": \"named\"|\"gone\"} and is run three "
      "times: the\n"
      "facts before the flood, behind it, and before it with the mention of another case. Intervals are 95 % "
      "(Wilson).\n"
      "Example:\n"
      "  kedge eval honesty -m scout --data tests/data/cases/references/variants.jsonl \\\n"
      "      --flood tests/data/cases/references/flood.txt --kv-policy anchor");
  c->callback([flags, c] {
    flags->json = c->get_option("--json")->count() > 0;
    eval_honesty(*flags);
  });
}

}  // namespace kedge::tools
