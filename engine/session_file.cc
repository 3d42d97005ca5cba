#include "engine/session_file.h"

#include <array>

#include "engine/sequence.h"
#include "kernels/isa.h"
#include "memory/snapshot.h"

namespace kedge::engine {

namespace {

constexpr std::array<char, 8> kMagic = {'K', 'E', 'D', 'G', 'E', 'K', 'V', '\n'};
// Behind the header a file of the later version has the adapters; one without any is of the earlier, which older
// releases read too.
constexpr uint32_t kVersion = 2;
constexpr uint32_t kAdaptedVersion = 3;
constexpr uint32_t kOrder = 0x01020304;  // reads otherwise on a machine of another byte order

struct Header {
  std::array<char, 8> magic;
  uint32_t version;
  uint32_t order;
  uint64_t model;  // Model::fingerprint()
  int32_t n_ctx;
  int32_t kv_type;
  int32_t numerics;
  int32_t has_logits;
};

// identity() and listed() of a session's adapters are shorter.
constexpr size_t kMostText = 64 << 10;

constexpr int kMostTries = 100;  // of waiting a millisecond for pages

}  // namespace

struct SessionFile::Contents {
  SessionOptions options;
  std::vector<int32_t> tokens;
  std::vector<float> logits;
  bool has_logits = false;
  std::unique_ptr<KvMemory> memory;
};

Status SessionFile::save(const Session& session, const std::string& path) {
  const auto held = session.use();
  KEDGE_TRY(session.between_steps([](const ThreadTeam&) { return Status(); }));  // with its pages; others go on
  const Session::State& s = *session.state_;
  KEDGE_ASSIGN(out, ByteWriter::create(path));
  const bool adapted = !s.options.adapters.empty();
  out.put(Header{kMagic, adapted ? kAdaptedVersion : kVersion, kOrder, session.model().fingerprint(), s.options.n_ctx,
                 static_cast<int32_t>(s.options.kv_type), static_cast<int32_t>(s.options.numerics),
                 s.has_logits ? 1 : 0});
  if (adapted) {
    out.text(identity(s.options.adapters));
    out.text(listed(s.options.adapters));
  }
  out.list<int32_t>(s.tokens);
  // Always a whole row, though nobody reads that of a session without logits.
  std::vector<float> logits = s.last_logits;
  logits.resize(static_cast<size_t>(session.model().config().n_vocab));
  out.list<float>(logits);
  Status status;
  write_memory(*s.memory, out, &status);
  KEDGE_TRY(std::move(status));
  return out.finish();
}

// In the arena of the engine, where there is one.
Result<SessionFile::Contents> SessionFile::read(const Model& model, const std::string& path,
                                                const SessionOptions& options, Engine* engine) {
  KEDGE_ASSIGN(in, ByteReader::open(path));
  const auto header = in.get<Header>();
  if (!in.ok() || header.magic != kMagic) return Error{ErrorCode::kCorrupt, path + " is no session file"};
  auto invalid = [&](const std::string& what) { return Error{ErrorCode::kInvalidArgument, path + ": " + what}; };
  if ((header.version != kVersion && header.version != kAdaptedVersion) || header.order != kOrder) {
    return invalid("session files of version " + std::to_string(header.version) + " cannot be read, only of versions " +
                   std::to_string(kVersion) + " and " + std::to_string(kAdaptedVersion) + " and this byte order");
  }
  if (header.model != model.fingerprint()) return invalid("the session was saved with another model");
  KEDGE_ASSIGN(adapters, checked_adapters(options.adapters, model));
  const bool adapted = header.version == kAdaptedVersion;
  const std::string saved = adapted ? in.text(kMostText) : "";
  const std::string named = adapted ? in.text(kMostText) : listed({});
  if (!in.ok()) return in.status().error();
  if (saved != identity(adapters)) {
    return invalid("the session was saved with adapters: " + named + "; given are: " + listed(adapters));
  }
  if (!kv_format_at(header.kv_type) || header.numerics < 0 || header.numerics > 1) {
    return Error{ErrorCode::kCorrupt, path + ": unknown type of cache or numerics"};
  }
  SessionOptions o = options;
  o.n_ctx = header.n_ctx;
  o.kv_type = *kv_format_at(header.kv_type);
  o.numerics = static_cast<Numerics>(header.numerics);
  KEDGE_TRY(check_context(o.n_ctx));
  if (engine != nullptr) {
    const EngineOptions& of = engine->options();
    if (of.kv_type != o.kv_type || of.numerics != o.numerics) {
      return invalid("the session was saved with another type of cache, or other numerics, than the engine has");
    }
    o.n_threads = of.n_threads;
    o.chunk = of.step_tokens;
  }
  const ModelConfig& config = model.config();
  const auto n_vocab = static_cast<size_t>(config.n_vocab);
  KEDGE_ASSIGN(shape, kv_shape(config, o.kv_type, o.n_ctx, o.chunk));
  auto tokens = in.list<int32_t>(static_cast<size_t>(o.n_ctx));
  auto logits = in.list<float>(n_vocab);
  KEDGE_ASSIGN(kernels, active_kernels());
  KEDGE_ASSIGN(memory,
               read_memory(in, shape, *kernels, options.kv.cold_path, engine == nullptr ? nullptr : engine->arena()));
  for (const int32_t id : tokens) {
    if (id < 0 || id >= config.n_vocab) {
      in.fail("holds token " + std::to_string(id) + " of " + std::to_string(config.n_vocab));
    }
  }
  if (tokens.size() != static_cast<size_t>(memory->sequence().next_position())) in.fail("lost tokens");
  if (logits.size() != n_vocab) in.fail("has logits of another vocabulary");
  if (in.left() != 0) in.fail("goes on for " + std::to_string(in.left()) + " bytes behind its end");
  if (!in.ok()) return in.status().error();
  return Contents{std::move(o),
                  {tokens.begin(), tokens.end()},
                  {logits.begin(), logits.end()},
                  header.has_logits != 0,
                  std::move(memory)};
}

Result<std::unique_ptr<Session>> SessionFile::put_in(Engine& engine, Contents contents) {
  KEDGE_ASSIGN(session, engine.adopt(contents.options, std::move(contents.memory)));
  session->state_->tokens = std::move(contents.tokens);
  session->state_->last_logits = std::move(contents.logits);
  session->state_->has_logits = contents.has_logits;
  session->state_->remember_segments();
  return session;
}

Result<std::unique_ptr<Session>> SessionFile::load(std::shared_ptr<const Model> model, const std::string& path,
                                                   const SessionOptions& options) {
  KEDGE_ASSIGN(contents, read(*model, path, options, nullptr));
  KEDGE_ASSIGN(engine, Engine::alone(std::move(model), contents.options, contents.memory->budget()));
  return put_in(*engine, std::move(contents));
}

Result<std::unique_ptr<Session>> SessionFile::load(const std::shared_ptr<Engine>& engine, const std::string& path,
                                                   const SessionOptions& options) {
  KEDGE_ASSIGN(waiting, engine->session({}));  // who waits where there are no pages
  for (int i = 0;; ++i) {
    auto contents = read(*engine->model(), path, options, engine.get());
    if (contents.ok()) return put_in(*engine, *std::move(contents));
    const bool pages = contents.error().code == ErrorCode::kCapacity;
    if (!pages || i == kMostTries || !engine->wait_for_relief(*waiting->state_)) return std::move(contents).error();
  }
}

}  // namespace kedge::engine
