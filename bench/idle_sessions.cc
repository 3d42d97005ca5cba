// What sessions cost that nobody uses: `idle_sessions MODEL [SESSIONS [TOKENS [BYTES]]]`. Resident bytes and threads of
// this process before and after; then, with a limit of so many bytes for the engine, what filling it takes of them.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/memory_plan.h"
#include "engine/model.h"

namespace {

using namespace kedge::engine;

template <class R>
auto need(R&& result) {
  if (!result.ok()) {
    std::fprintf(stderr, "idle_sessions: %s\n", result.error().message.c_str());
    std::exit(1);
  }
  if constexpr (requires { std::forward<R>(result).value(); }) return std::forward<R>(result).value();
}

size_t threads() {
  const std::filesystem::directory_iterator all("/proc/self/task");
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

size_t bytes_of(const Model& model, int n_tokens) {
  const ModelConfig& c = model.config();
  const KvLayout layout{KvFormat::kF16, c.head_dim_k, c.head_dim_v};
  return layout.page_bytes() * KvSequence::pages_for(c.n_layers, c.n_kv_heads, n_tokens);
}

double mib(double bytes) { return bytes / (1 << 20); }

// Sessions of so many tokens each, all different.
std::vector<std::unique_ptr<Session>> fill(Engine& engine, int n_sessions, int n_tokens) {
  std::vector<std::unique_ptr<Session>> sessions;
  const int n_vocab = engine.model()->config().n_vocab;
  for (int i = 0; i < n_sessions; ++i) {
    std::vector<int32_t> tokens;
    for (int t = 0; t < n_tokens; ++t) tokens.push_back((i * 131 + t * 7919) % n_vocab);
    sessions.push_back(need(engine.session({})));
    need(sessions.back()->eval(tokens));
  }
  return sessions;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: idle_sessions MODEL.gguf [SESSIONS=1000 [TOKENS=100 [BYTES=268435456]]]\n");
    return 2;
  }
  const int n_sessions = argc > 2 ? std::atoi(argv[2]) : 1000;
  const int n_tokens = argc > 3 ? std::atoi(argv[3]) : 100;
  const size_t limit = argc > 4 ? std::strtoull(argv[4], nullptr, 10) : size_t{256} << 20;
  const auto model = need(Model::load(argv[1]));
  {
    EngineOptions roomy;  // so that nobody has to give pages away
    roomy.memory = (size_t{64} << 20) + static_cast<size_t>(n_sessions) * bytes_of(*model, n_tokens);
    const auto engine = need(Engine::create(model, roomy));
    need(need(engine->session({}))->eval(std::vector<int32_t>{1, 2, 3}));  // buffers are touched
    const auto before = static_cast<double>(bytes_in_use());
    const size_t threads_before = threads();
    const auto sessions = fill(*engine, n_sessions, n_tokens);
    const EngineStats s = engine->stats();
    const double grown = static_cast<double>(bytes_in_use()) - before;
    const double pages = static_cast<double>(s.pages_in_use * s.page_bytes);
    std::printf("%d sessions of %d tokens, context %d: %zu threads before, %zu after\n", n_sessions, n_tokens,
                model->config().n_ctx_train, threads_before, threads());
    std::printf(
        "resident: %.1f MiB before, %.1f more; pages %.1f MiB, all else %.1f KiB a session (of that logits %.1f)\n",
        mib(before), mib(grown), mib(pages), (grown - pages) / 1024 / n_sessions,
        static_cast<double>(model->config().n_vocab) * 4 / 1024);
  }
  const auto before = static_cast<double>(bytes_in_use());
  EngineOptions options;
  options.sequences = 4;
  options.memory = limit;
  const auto engine = need(Engine::create(model, options));
  std::vector<std::unique_ptr<Session>> sessions;
  for (int i = 0; i < 4; ++i) {  // as many as a step has, until the arena is full
    sessions.push_back(need(engine->session({})));
  }
  const int n_vocab = model->config().n_vocab;
  std::vector<int32_t> more(256);
  for (int round = 0; engine->stats().paused == 0; ++round) {
    for (size_t t = 0; t < more.size(); ++t) more[t] = (round * 977 + static_cast<int>(t) * 7919) % n_vocab;
    Session& s = *sessions[static_cast<size_t>(round) % sessions.size()];
    if (s.n_past() + 256 > s.n_ctx()) break;
    need(s.eval(more));
  }
  const EngineStats s = engine->stats();
  const double grown = static_cast<double>(bytes_in_use()) - before;
  std::printf("limit %.1f MiB: planned %.1f, resident %.1f (%.1f %% of the limit); pages %.1f MiB, %zu of %zu in use\n",
              mib(static_cast<double>(limit)),
              mib(static_cast<double>(s.pages_total * s.page_bytes + s.buffer_bytes + s.sequence_bytes)), mib(grown),
              100 * grown / static_cast<double>(limit), mib(static_cast<double>(s.pages_total * s.page_bytes)),
              s.pages_in_use, s.pages_total);
  return 0;
}
