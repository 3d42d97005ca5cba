// kedge embed and kedge rerank: texts as vectors, and documents by how well they answer a query.
#include <map>

#include "tools/model_flags.h"
#include "tools/serve/rank.h"

namespace kedge::tools {

namespace {

// The lines of a file, without empty ones.
std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> lines;
  const std::string text = read_text(path);
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) lines.push_back(std::move(line));
    at = end + 1;
  }
  return lines;
}

struct EmbedFlags {
  ModelFlags model;
  SessionFlags session;
  TextFlags text;
  std::vector<std::string> prompts;
  std::string file = "-";
  std::string pooling = "model";
  bool raw = false;
  bool json = false;
};

kedge_pooling pooling_of(const std::string& name) {
  static const std::map<std::string, kedge_pooling> kNames = {{"model", KEDGE_POOLING_MODEL},
                                                              {"none", KEDGE_POOLING_NONE},
                                                              {"mean", KEDGE_POOLING_MEAN},
                                                              {"cls", KEDGE_POOLING_CLS},
                                                              {"last", KEDGE_POOLING_LAST}};
  return kNames.at(name);
}

// A line of JSON for each text: vectors are wide.
void embed(const EmbedFlags& flags) {
  const std::vector<std::string> texts = flags.prompts.empty() ? lines_of(flags.file) : flags.prompts;
  if (texts.empty()) throw Failure("no texts to embed");
  const kedge::Model model = flags.model.open();
  auto engine = need(kedge::Engine::create(model, flags.session.engine(1)));
  kedge::EmbedOptions options;
  options.pooling = pooling_of(flags.pooling);
  options.normalise = !flags.raw;
  const auto width = static_cast<size_t>(model.info().d_model);
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto ids = flags.text.tokenize(model, texts[i]);
    const std::vector<float> made = need(engine.embed(ids, options));
    Json line = {{"index", i}, {"n_tokens", ids.size()}};
    if (flags.pooling == "none" || made.size() != width) {
      Json rows = Json::array();
      for (size_t at = 0; at < made.size(); at += width) {
        rows.push_back(Json(std::vector<float>(made.begin() + static_cast<std::ptrdiff_t>(at),
                                               made.begin() + static_cast<std::ptrdiff_t>(at + width))));
      }
      line["vectors"] = std::move(rows);
    } else {
      line["vector"] = Json(made);
    }
    print_json(line, -1);
  }
}

struct RerankFlags {
  ModelFlags model;
  SessionFlags session;
  std::string query;
  std::vector<std::string> documents;
  std::string file = "-";
  int top = 0;
  serve::RankOptions options;
  bool json = false;
};

void rerank(const RerankFlags& flags) {
  const std::vector<std::string> documents = flags.documents.empty() ? lines_of(flags.file) : flags.documents;
  if (documents.empty()) throw Failure("no documents to rank");
  const kedge::Model model = flags.model.open();
  auto engine = need(kedge::Engine::create(model, flags.session.engine(8)));
  const serve::Ranking ranking = need(serve::rank(engine, model, flags.query, documents, flags.options));
  const size_t n = flags.top > 0 ? std::min(static_cast<size_t>(flags.top), documents.size()) : documents.size();
  if (!flags.json) {
    for (size_t i = 0; i < n; ++i) {
      const serve::Ranked& r = ranking.documents[i];
      print(format("%8.4f  %zu  ", r.score, r.index) + documents[r.index] + "\n");
    }
    return;
  }
  Json results = Json::array();
  for (size_t i = 0; i < n; ++i) {
    const serve::Ranked& r = ranking.documents[i];
    results.push_back({{"index", r.index}, {"score", r.score}, {"document", documents[r.index]}});
  }
  print_json(
      {{"method", serve::name_of(ranking.method)}, {"n_tokens", ranking.n_tokens}, {"results", std::move(results)}});
}

}  // namespace

void add_embed(CLI::App& app) {
  auto flags = std::make_shared<EmbedFlags>();
  CLI::App* c = app.add_subcommand("embed", "Print texts as vectors, a JSON object a line");
  flags->model.add_to(c);
  flags->session.add_to(c, SessionFlags::kWithoutContext);
  flags->text.add_to(c);
  auto* file = c->add_option("-f,--file", flags->file, "File with a text on every line; '-': standard input")
                   ->capture_default_str();
  c->add_option("-p,--prompt", flags->prompts, "The text itself; may be given several times")->excludes(file);
  c->add_option("--pooling", flags->pooling, "What of the tokens' vectors is the text's; 'model': what the file says")
      ->check(CLI::IsMember({"model", "none", "mean", "cls", "last"}))
      ->capture_default_str();
  c->add_flag("--raw", flags->raw, "Leave vectors as long as they are instead of making their length 1");
  c->add_flag("--json", flags->json, "The output is JSON anyway; accepted for symmetry");
  c->footer(
      "Some models want a word in front of a text, see their description: 'search_query: ' or 'query: '.\n"
      "Examples:\n  kedge embed -m nomic-embed.gguf -p 'search_query: What is a lens?'\n"
      "  kedge embed -m bge.gguf -f lines.txt > vectors.jsonl");
  c->callback([flags] { embed(*flags); });
}

void add_rerank(CLI::App& app) {
  auto flags = std::make_shared<RerankFlags>();
  CLI::App* c = app.add_subcommand("rerank", "Order documents by how well they answer a query");
  flags->model.add_to(c);
  flags->session.add_to(c, SessionFlags::kWithoutContext);
  c->add_option("-q,--query", flags->query, "The query")->required();
  auto* file = c->add_option("-f,--file", flags->file, "File with a document on every line; '-': standard input")
                   ->capture_default_str();
  c->add_option("-d,--document", flags->documents, "A document; may be given several times")->excludes(file);
  c->add_option("--top", flags->top, "Print only so many")->check(in_range(1, 1 << 30));
  c->add_option("--instruction", flags->options.instruction,
                "What the documents are wanted for, for a model that is asked")
      ->capture_default_str();
  c->add_option("--query-prefix", flags->options.query_prefix, "In front of the query, for a model that makes vectors");
  c->add_option("--document-prefix", flags->options.document_prefix, "In front of every document, likewise");
  c->add_flag("--json", flags->json, "Print JSON");
  c->footer(
      "A model whose file says how its vectors are pooled compares vectors; others are asked for yes or no about each\n"
      "document, as Qwen3-Reranker was trained.\n"
      "Example:\n  kedge rerank -m qwen3-reranker.gguf -q 'How do bees dance?' -f passages.txt --top 3");
  c->callback([flags] { rerank(*flags); });
}

}  // namespace kedge::tools
