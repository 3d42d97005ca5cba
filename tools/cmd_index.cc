// kedge index: passages of documents, found by words and by vectors.
#include <cstdio>

#include "kedge/kedge_router.hpp"
#include "tools/interrupt.h"
#include "tools/model_flags.h"
#include "tools/progress.h"

namespace kedge::tools {

namespace {

struct BuildFlags {
  ModelFlags model;
  std::vector<std::string> paths;
  std::string out;
  int passage_words = 200;
  bool skip_bad = false;
  bool json = false;
};

struct SearchFlags {
  ModelFlags model;
  std::string index;
  std::string query;
  std::string by = "both";
  int k = 8;
  bool json = false;
};

std::string plural(int64_t n, const char* one) { return std::to_string(n) + " " + one + (n == 1 ? "" : "s"); }

void build(const BuildFlags& flags) {
  need_outputs({flags.out});
  const Json request = {{"paths", flags.paths},
                        {"out", flags.out},
                        {"model", flags.model.path()},
                        {"passage_words", flags.passage_words},
                        {"skip_bad", flags.skip_bad}};
  const InterruptGuard guard;
  Progress progress("indexing");
  const auto answer = kedge::index_build(request_text(request), [&](size_t done, size_t total) {
    progress.update(done, total);
    return !InterruptGuard::interrupted();
  });
  progress.finish();
  if (!answer.ok() && answer.error().code == KEDGE_CANCELLED) throw interrupted();
  const Json report = Json::parse(need(answer));
  if (flags.json) return print_json(report);
  print(format("%s: %s in %s, %s\n", flags.out.c_str(), plural(report.at("passages").get<int64_t>(), "passage").c_str(),
               plural(report.at("documents").get<int64_t>(), "file").c_str(),
               human_bytes(report.at("bytes").get<double>()).c_str()));
  if (const auto n = report.at("hidden").get<int64_t>(); n > 0) {
    print(format("not looked at: %s\n", plural(n, "hidden name").c_str()));
  }
  for (const Json& bad : report.at("skipped")) {
    print(format("left out: %s\n", bad.at("error").get<std::string>().c_str()));
  }
}

std::string rank_text(const Json& rank) { return rank == -1 ? "-" : rank.dump(); }

void search(const SearchFlags& flags) {
  Json request = {{"index", flags.index}, {"query", flags.query}, {"k", flags.k}, {"by", flags.by}};
  if (flags.by != "bm25") request["model"] = flags.model.path();
  const Json answer = Json::parse(need(kedge::call(kedge_index_search, request_text(request))));
  if (flags.json) return print_json(answer);
  int number = 0;
  for (const Json& hit : answer.at("hits")) {
    const std::string title = hit.at("title");
    print(format("%d. %s  %s  (%s; words %s, vectors %s)\n   ", ++number, hit.at("id").get<std::string>().c_str(),
                 title.c_str(), hit.at("source").get<std::string>().c_str(), rank_text(hit.at("bm25_rank")).c_str(),
                 rank_text(hit.at("vector_rank")).c_str()));
    for (const char c : hit.at("text").get<std::string>()) print(c == '\n' ? "\n   " : std::string_view(&c, 1));
    print("\n");
  }
  if (number == 0) std::fprintf(stderr, "nothing found\n");
}

void info(const std::string& index, bool json) {
  const Json answer = Json::parse(need(kedge::call(kedge_index_info, request_text({{"index", index}}))));
  if (json) return print_json(answer);
  std::string formats;
  for (const auto& [name, n] : answer.at("formats").items()) {
    formats += (formats.empty() ? "" : ", ") + n.dump() + " " + name;
  }
  print(format("%s: %s of up to %d words from %s (%s), %s\n", index.c_str(),
               plural(answer.at("passages").get<int64_t>(), "passage").c_str(), answer.at("passage_words").get<int>(),
               plural(answer.at("documents").get<int64_t>(), "file").c_str(), formats.c_str(),
               human_bytes(answer.at("bytes").get<double>()).c_str()));
  print(format("vectors of %d from %s, fingerprint %s\n", answer.at("dim").get<int>(),
               answer.at("model").get<std::string>().c_str(), answer.at("fingerprint").get<std::string>().c_str()));
  print(format("contents %s\n", answer.at("sha256").get<std::string>().c_str()));
}

void add_build(CLI::App* parent) {
  auto flags = std::make_shared<BuildFlags>();
  CLI::App* c = parent->add_subcommand("build", "Make an index from files and folders");
  c->add_option("paths", flags->paths, "Files (.txt .md .html .pdf .jsonl) and folders of them")
      ->required()
      ->type_name("PATH");
  c->add_option("-o,--out", flags->out, "Index to write: complete or not at all")->required()->type_name("INDEX.kidx");
  flags->model.add_to(c);
  c->add_option("--passage-words", flags->passage_words, "Words of a passage at most")
      ->check(in_range(1, 10000))
      ->capture_default_str();
  c->add_flag("--skip-bad", flags->skip_bad, "Leave out files that cannot be used, and say which");
  c->add_flag("--json", flags->json, "Print one JSON object");
  c->footer("Example:\n  kedge index build -o notes.kidx notes/ handbook.pdf");
  c->callback([flags] { build(*flags); });
}

void add_search(CLI::App* parent) {
  auto flags = std::make_shared<SearchFlags>();
  CLI::App* c = parent->add_subcommand("search", "Find the passages that bear on a question");
  c->add_option("index", flags->index, "The index")->required()->type_name("INDEX");
  c->add_option("query", flags->query, "The question; any text")->required()->type_name("QUERY");
  flags->model.add_to(c);
  c->add_option("-k", flags->k, "Passages to show")->check(in_range(1, 1000))->capture_default_str();
  c->add_option("--by", flags->by, "both, bm25 (words only: needs no model) or vectors")
      ->check(CLI::IsMember({"both", "bm25", "vectors"}))
      ->capture_default_str();
  c->add_flag("--json", flags->json, "Print one JSON object");
  c->footer("Example:\n  kedge index search notes.kidx 'Who maintains the pump?' -k 3");
  c->callback([flags] { search(*flags); });
}

void add_info(CLI::App* parent) {
  struct InfoFlags {
    std::string index;
    bool json = false;
  };
  auto flags = std::make_shared<InfoFlags>();
  CLI::App* c = parent->add_subcommand("info", "What an index holds, after checking its digest");
  c->add_option("index", flags->index, "The index")->required()->type_name("INDEX");
  c->add_flag("--json", flags->json, "Print one JSON object");
  c->footer("Example:\n  kedge index info notes.kidx --json");
  c->callback([flags] { info(flags->index, flags->json); });
}

}  // namespace

void add_index(CLI::App& app) {
  CLI::App* index = app.add_subcommand("index", "Passages of documents, to answer from");
  index->require_subcommand(1);
  index->footer(
      "Examples:\n"
      "  kedge index build -o notes.kidx notes/\n"
      "  kedge index search notes.kidx 'Who maintains the pump?'\n"
      "  kedge index info notes.kidx");
  add_build(index);
  add_search(index);
  add_info(index);
}

}  // namespace kedge::tools
