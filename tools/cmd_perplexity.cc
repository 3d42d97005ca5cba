// kedge perplexity: how well a model predicts a text, by one of two protocols.
//
//   half   that of llama.cpp's llama-perplexity: the text, tokenised with bos, is cut into chunks of N tokens; the
//   first
//          token of each is replaced by bos (when the model wants one); the tokens of the second half but its first are
//          scored, so that each has at least N/2 tokens before it.
//   every  bos is put before each chunk of N tokens, and all N are scored; a chunk takes N positions, since nothing
//          follows its last token.
//
// Both leave out the last, incomplete chunk. "<|...|>" in the text is characters; llama.cpp reads control tokens there,
// as --special does. (Text protocols: tools/perplexity of llama.cpp; Kedge's training script.)
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <mutex>
#include <optional>

#include "kernels/base/at_once.h"
#include "tools/interrupt.h"
#include "tools/kv_flags.h"
#include "tools/log_softmax.h"
#include "tools/model_flags.h"
#include "tools/progress.h"

namespace kedge::tools {

namespace {

struct PerplexityFlags {
  ModelFlags model;
  SessionFlags session;
  KvFlags kv;
  TextFlags text;
  std::string file;
  std::string protocol = "half";
  int ctx = 512;
  int chunks = -1;
  int parallel = 4;
  bool experts = false;
  bool json = false;
};

// Sum and sum of squares of the scored tokens' negative log-probabilities.
struct Score {
  double nll = 0;
  double nll_squared = 0;
  size_t n = 0;

  void add(double value) {
    nll += value;
    nll_squared += value * value;
    ++n;
  }
  double mean() const { return nll / static_cast<double>(n); }
  double perplexity() const { return std::exp(mean()); }
  // Standard error of the perplexity, tokens taken as independent.
  double uncertainty() const {
    if (n < 2) return 0;
    const double variance = nll_squared / static_cast<double>(n) - mean() * mean();
    return variance > 0 ? std::sqrt(variance / static_cast<double>(n - 1)) * perplexity() : 0;
  }
};

// What to evaluate for a chunk, and which token each scored row predicts.
struct Chunk {
  std::vector<int32_t> input;
  std::vector<int32_t> targets;  // row i predicts targets[i]
  size_t first_scored = 0;       // rows before it are not scored
};

Chunk make_chunk(std::span<const int32_t> text, bool every, int32_t bos, bool add_bos) {
  Chunk chunk;
  if (every) {
    chunk.input.assign(1, bos);
    chunk.input.insert(chunk.input.end(), text.begin(), text.end() - 1);
    chunk.targets.assign(text.begin(), text.end());
  } else {
    chunk.input.assign(text.begin(), text.end());
    if (add_bos) chunk.input[0] = bos;
    chunk.targets.assign(text.begin() + 1, text.end());
    chunk.first_scored = text.size() / 2;
  }
  return chunk;
}

// Predictions of another session compared with those of the one that is scored, row by row.
struct Difference {
  double kl = 0;  // Kullback-Leibler divergence from `q` to `p`, in nats
  bool same_top = false;
};

Difference difference(std::span<const float> p, std::span<const float> q) {
  // The logarithm of the sum of exponentials.
  const double p_norm = negative_log_probability(p, 0) + static_cast<double>(p[0]);
  const double q_norm = negative_log_probability(q, 0) + static_cast<double>(q[0]);
  double kl = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    const double log_p = static_cast<double>(p[i]) - p_norm;
    kl += std::exp(log_p) * (log_p - (static_cast<double>(q[i]) - q_norm));
  }
  const auto top = [](std::span<const float> x) { return std::max_element(x.begin(), x.end()) - x.begin(); };
  return {kl, top(p) == top(q)};
}

struct Divergence {
  double sum = 0;
  double largest = 0;
  size_t same_top = 0;
  size_t n = 0;

  void add(const Difference& d) {
    sum += d.kl;
    largest = std::max(largest, d.kl);
    same_top += d.same_top ? 1 : 0;
    ++n;
  }
  double mean() const { return n == 0 ? 0 : sum / static_cast<double>(n); }
  double same_top_share() const { return n == 0 ? 0 : static_cast<double>(same_top) / static_cast<double>(n); }
};

// What a chunk brought, row by row: added up in the order of the text, whoever is done first.
struct ChunkScore {
  std::vector<double> nll;
  std::vector<Difference> differences;
};

// A session, and where its predictions are compared another one with exact numbers and full memory.
struct Lane {
  kedge::Session session;
  std::optional<kedge::Session> exact;
};

// Scores a chunk. With `exact`, its predictions are computed too, some rows ahead, and compared.
ChunkScore score_chunk(Lane& lane, const Chunk& chunk, const kedge::Progress& progress) {
  ChunkScore score;
  const std::span<const int32_t> input(chunk.input);
  kedge::Session* exact = lane.exact ? &*lane.exact : nullptr;
  for (kedge::Session* s : {&lane.session, exact}) {
    if (s == nullptr) continue;
    need(s->truncate(0));
    if (chunk.first_scored > 0)
      need(s->eval(input.first(chunk.first_scored), s == exact ? kedge::Progress() : progress));
  }
  constexpr size_t kRows = 32;  // of exact logits kept at once
  const size_t step = exact == nullptr ? input.size() : kRows;
  std::vector<std::vector<float>> kept;
  for (size_t at = chunk.first_scored; at < input.size(); at += step) {
    const auto piece = input.subspan(at, std::min(step, input.size() - at));
    kept.clear();
    const auto keep = [&](int, std::span<const float> logits) {
      kept.emplace_back(logits.begin(), logits.end());
      return true;
    };
    if (exact != nullptr) need(exact->eval_all(piece, keep));
    const auto on_row = [&](int position, std::span<const float> logits) {
      const auto row = static_cast<size_t>(position);
      if (row < chunk.targets.size()) score.nll.push_back(negative_log_probability(logits, chunk.targets[row]));
      if (exact != nullptr) score.differences.push_back(difference(kept[row - at], logits));
      return true;
    };
    need(lane.session.eval_all(piece, on_row, [&](size_t done, size_t total) { return progress(done + at, total); }));
  }
  return score;
}

// One line a layer: how evenly experts are used, and how sure and how steady the router is.
void print_experts(const Json& stats) {
  if (stats.at("layers").empty()) return print("the model has no experts\n");
  print(
      format("%-6s %12s %12s %9s %9s %12s\n", "layer", "least used", "most used", "margin", "entropy", "switch rate"));
  int i = 0;
  for (const Json& layer : stats.at("layers")) {
    const auto tokens = layer.at("tokens").get<std::vector<double>>();
    const double n = std::max(1.0, layer.at("n_tokens").get<double>());
    const auto [least, most] = std::minmax_element(tokens.begin(), tokens.end());
    print(format("%-6d %10.2f %% %10.2f %% %9.4f %9.4f %10.2f %%\n", i++, 100 * *least / n, 100 * *most / n,
                 layer.at("margin").get<double>(), layer.at("entropy").get<double>(),
                 100 * layer.at("switch_rate").get<double>()));
  }
}

// Scores the chunks of a text, several at once on one engine (and one of exact numbers beside it).
class ChunkScorer {
 public:
  // Fast numbers and a bounded memory are shown beside what they cost: how far their predictions are from those of
  // exact numbers and a memory that holds everything.
  ChunkScorer(const kedge::Model& model, const PerplexityFlags& flags, size_t n_chunks) {
    kedge::SessionOptions options{.n_ctx = flags.ctx, .kv = flags.kv.json()};
    // Counts of experts go from one chunk to the next: they are those of one session.
    const size_t n = flags.experts ? 1 : std::min(n_chunks, static_cast<size_t>(flags.parallel));
    kedge::EngineOptions engine = flags.session.engine(static_cast<int>(n));
    engine_.emplace(need(kedge::Engine::create(model, engine)));
    const bool compare = engine.numerics == KEDGE_NUMERICS_FAST || !options.kv.empty();
    engine.numerics = KEDGE_NUMERICS_EXACT;
    if (compare) exact_.emplace(need(kedge::Engine::create(model, engine)));
    for (size_t i = 0; i < n; ++i) {
      lanes_.push_back({need(engine_->session(options)), std::nullopt});
      if (compare) lanes_.back().exact.emplace(need(exact_->session({.n_ctx = flags.ctx})));
    }
  }

  std::vector<ChunkScore> run(const std::vector<Chunk>& chunks) {
    std::vector<ChunkScore> scores(chunks.size());
    std::vector<Lane*> idle;
    for (Lane& lane : lanes_) idle.push_back(&lane);
    std::mutex mutex;  // of `idle` and the bar
    Progress bar("scoring");
    size_t done = 0;
    const size_t total = chunks.size() * chunks.front().input.size();
    at_once(lanes_.size(), chunks.size(), [&](size_t i) {
      std::unique_lock lock(mutex);
      Lane& lane = *idle.back();
      idle.pop_back();
      lock.unlock();
      size_t before = 0;
      const auto progress = [&](size_t of_chunk, size_t) {
        const std::lock_guard held(mutex);
        done += of_chunk - before;
        before = of_chunk;
        bar.update(done, total);
        return !InterruptGuard::interrupted();
      };
      scores[i] = score_chunk(lane, chunks[i], progress);
      lock.lock();
      idle.push_back(&lane);
    });
    return scores;
  }

  bool compares() const { return exact_.has_value(); }
  kedge::Session& session() { return lanes_.front().session; }

 private:
  std::optional<kedge::Engine> engine_;
  std::optional<kedge::Engine> exact_;
  std::vector<Lane> lanes_;
};

void perplexity(const PerplexityFlags& flags) {
  const bool every = flags.protocol == "every";
  const std::string text = read_text(flags.file);
  const kedge::Model model = flags.model.open();
  const kedge_model_info info = model.info();
  if (every && info.bos_token < 0) throw Failure("--protocol every needs a model with a beginning-of-text token");
  TextFlags reading = flags.text;
  reading.no_bos = every;  // it comes before each chunk
  const auto ids = reading.tokenize(model, text);
  const auto n = static_cast<size_t>(flags.ctx);
  size_t n_chunks = ids.size() / n;
  if (n_chunks == 0) {
    throw Failure(format("%s: %zu tokens are less than one chunk of %d", flags.file.c_str(), ids.size(), flags.ctx));
  }
  if (flags.chunks > 0) n_chunks = std::min(n_chunks, static_cast<size_t>(flags.chunks));

  std::vector<Chunk> chunks;
  for (size_t i = 0; i < n_chunks; ++i) {
    const auto piece = std::span<const int32_t>(ids).subspan(i * n, n);
    chunks.push_back(make_chunk(piece, every, info.bos_token, info.add_bos != 0));
  }
  const InterruptGuard guard;
  ChunkScorer scorer(model, flags, n_chunks);
  Score score;
  Divergence divergence;
  const double start = seconds_now();
  for (const ChunkScore& chunk : scorer.run(chunks)) {
    for (const double nll : chunk.nll) score.add(nll);
    for (const Difference& d : chunk.differences) divergence.add(d);
  }
  const double seconds = seconds_now() - start;
  if (score.n == 0) throw Failure(format("--ctx %d leaves no token to score", flags.ctx));
  if (flags.json) {
    Json json({{"ppl", score.perplexity()},
               {"uncertainty", score.uncertainty()},
               {"nll", score.mean()},
               {"n_scored", score.n},
               {"n_tokens", ids.size()},
               {"chunks", n_chunks},
               {"ctx", flags.ctx},
               {"protocol", flags.protocol},
               {"seconds", seconds},
               {"kv_type", flags.session.kv_type},
               {"n_threads", scorer.session().info().n_threads},
               {"numerics", flags.session.numerics},
               {"model", flags.model.path()}});
    if (scorer.compares()) {
      if (flags.kv.given()) json["kv"] = flags.kv.options();
      json["kl_mean"] = divergence.mean();
      json["kl_max"] = divergence.largest;
      json["same_top"] = divergence.same_top_share();
    }
    if (flags.experts) json["experts"] = Json::parse(need(scorer.session().experts()));
    print_json(json);
    return;
  }
  print(format("perplexity %.4f +/- %.4f (%zu tokens scored in %zu chunks of %d, protocol %s, numerics %s, %.1f s)\n",
               score.perplexity(), score.uncertainty(), score.n, n_chunks, flags.ctx, flags.protocol.c_str(),
               flags.session.numerics.c_str(), seconds));
  if (scorer.compares()) {
    print(format("against exact numerics%s: KL divergence mean %.6f, largest %.4f nats; same first choice %.2f %%\n",
                 flags.kv.given() ? " and full memory" : "", divergence.mean(), divergence.largest,
                 100 * divergence.same_top_share()));
  }
  if (flags.experts) print_experts(Json::parse(need(scorer.session().experts())));
}

}  // namespace

void add_perplexity(CLI::App& app) {
  auto flags = std::make_shared<PerplexityFlags>();
  CLI::App* c = app.add_subcommand("perplexity", "Measure how well a model predicts a text");
  flags->model.add_to(c);
  c->add_option("-f,--file", flags->file, "The text")->required();
  c->add_option("-c,--ctx", flags->ctx, "Tokens per chunk")->check(in_range(2, 1 << 24))->capture_default_str();
  c->add_option("--protocol", flags->protocol,
                "half: score the second half of each chunk, as llama.cpp does; "
                "every: bos before each chunk, score all its tokens")
      ->check(CLI::IsMember({"half", "every"}))
      ->capture_default_str();
  c->add_option("--chunks", flags->chunks, "Only the first N chunks; -1: all")->capture_default_str();
  c->add_option("--parallel", flags->parallel, "Chunks scored at once; changes speed and memory, never a figure")
      ->check(in_range(1, 256))
      ->capture_default_str();
  flags->session.add_to(c, SessionFlags::kWithoutContext);
  flags->kv.add_to(c);
  flags->text.add_to(c, TextFlags::kWithoutBos);
  c->add_flag("--experts", flags->experts, "Also show what the routers of a mixture of experts did, layer by layer");
  c->add_flag("--json", flags->json, "Print the figures as JSON");
  c->footer("Example:\n  kedge perplexity -m model.gguf -f test.txt --ctx 2048 --protocol every");
  c->callback([flags] { perplexity(*flags); });
}

}  // namespace kedge::tools
