// kedge perplexity: how well a model predicts a text, by one of two protocols.
//
//   half   that of llama.cpp's llama-perplexity: the text, tokenised with bos, is cut into chunks of N tokens; the
//   first
//          token of each is replaced by bos (when the model wants one); the tokens of the second half but its first are
//          scored, so that each has at least N/2 tokens before it.
//   every  bos is put before each chunk of N tokens, and all N are scored; a chunk takes N positions, since nothing
//          follows its last token.
//
// Both leave out the last, incomplete chunk. (Text protocols: tools/perplexity of llama.cpp; Kedge's training script.)
#include <cmath>
#include <cstdio>

#include "tools/interrupt.h"
#include "tools/log_softmax.h"
#include "tools/model_flags.h"
#include "tools/progress.h"

namespace kedge::tools {

namespace {

struct PerplexityFlags {
  ModelFlags model;
  SessionFlags session;
  std::string file;
  std::string protocol = "half";
  int ctx = 512;
  int chunks = -1;
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

void score_chunk(api::Session& session, const Chunk& chunk, const api::Progress& progress, Score& score) {
  need(session.truncate(0));
  const std::span<const int32_t> input(chunk.input);
  if (chunk.first_scored > 0) need(session.eval(input.first(chunk.first_scored), progress));
  const auto on_row = [&](int position, std::span<const float> logits) {
    const auto row = static_cast<size_t>(position);
    if (row < chunk.targets.size()) score.add(negative_log_probability(logits, chunk.targets[row]));
    return true;
  };
  const auto shifted = [&](size_t done, size_t total) { return progress(done + chunk.first_scored, total); };
  need(session.eval_all(input.subspan(chunk.first_scored), on_row, shifted));
}

void perplexity(const PerplexityFlags& flags) {
  const bool every = flags.protocol == "every";
  const std::string text = read_text(flags.file);
  const api::Model model = flags.model.open();
  const kedge_model_info info = model.info();
  if (every && info.bos_token < 0) throw Failure("--protocol every needs a model with a beginning-of-text token");
  // The text is data: "<|...|>" in it is characters in `every`; llama.cpp parses it, so `half` does too.
  const auto ids = need(model.tokenize(text, !every, !every));
  const auto n = static_cast<size_t>(flags.ctx);
  size_t n_chunks = ids.size() / n;
  if (n_chunks == 0) {
    throw Failure(format("%s: %zu tokens are less than one chunk of %d", flags.file.c_str(), ids.size(), flags.ctx));
  }
  if (flags.chunks > 0) n_chunks = std::min(n_chunks, static_cast<size_t>(flags.chunks));

  api::SessionOptions options = flags.session.options();
  options.n_ctx = flags.ctx;
  auto session = need(api::Session::create(model, options));
  const InterruptGuard guard(session);
  Progress progress("scoring");
  Score score;
  const double start = seconds_now();
  for (size_t i = 0; i < n_chunks; ++i) {
    const auto on_progress = [&](size_t done, size_t) {
      progress.update(i * n + done, n_chunks * n);
      return true;
    };
    const auto piece = std::span<const int32_t>(ids).subspan(i * n, n);
    score_chunk(session, make_chunk(piece, every, info.bos_token, info.add_bos != 0), on_progress, score);
  }
  const double seconds = seconds_now() - start;
  progress.finish();
  if (score.n == 0) throw Failure(format("--ctx %d leaves no token to score", flags.ctx));
  if (flags.json) {
    print_json({{"ppl", score.perplexity()},
                {"uncertainty", score.uncertainty()},
                {"nll", score.mean()},
                {"n_scored", score.n},
                {"n_tokens", ids.size()},
                {"chunks", n_chunks},
                {"ctx", flags.ctx},
                {"protocol", flags.protocol},
                {"seconds", seconds},
                {"kv_type", flags.session.kv_type},
                {"n_threads", session.info().n_threads},
                {"model", flags.model.path()}});
    return;
  }
  print(format("perplexity %.4f +/- %.4f (%zu tokens scored in %zu chunks of %d, protocol %s, %.1f s)\n",
               score.perplexity(), score.uncertainty(), score.n, n_chunks, flags.ctx, flags.protocol.c_str(), seconds));
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
  flags->session.add_to(c, SessionFlags::kWithoutContext);
  c->add_flag("--json", flags->json, "Print the figures as JSON");
  c->footer("Example:\n  kedge perplexity -m model.gguf -f test.txt --ctx 2048 --protocol every");
  c->callback([flags] { perplexity(*flags); });
}

}  // namespace kedge::tools
