#include "engine/session_file.h"

#include <array>

#include "engine/sequence.h"
#include "kernels/isa.h"
#include "memory/snapshot.h"

namespace kedge::engine {

namespace {

constexpr std::array<char, 8> kMagic = {'K', 'E', 'D', 'G', 'E', 'K', 'V', '\n'};
constexpr uint32_t kVersion = 2;
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

}  // namespace

Status SessionFile::save(const Session& session, const std::string& path) {
  const Session::State& s = *session.state_;
  KEDGE_ASSIGN(out, ByteWriter::create(path));
  out.put(Header{kMagic, kVersion, kOrder, session.model().fingerprint(), s.options.n_ctx,
                 static_cast<int32_t>(s.options.kv_type), static_cast<int32_t>(s.options.numerics),
                 s.has_logits ? 1 : 0});
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

Result<std::unique_ptr<Session>> SessionFile::load(std::shared_ptr<const Model> model, const std::string& path,
                                                   const SessionOptions& options) {
  KEDGE_ASSIGN(in, ByteReader::open(path));
  const auto header = in.get<Header>();
  if (!in.ok() || header.magic != kMagic) return Error{ErrorCode::kCorrupt, path + " is no session file"};
  auto invalid = [&](const std::string& what) { return Error{ErrorCode::kInvalidArgument, path + ": " + what}; };
  if (header.version != kVersion || header.order != kOrder) {
    return invalid("session files of version " + std::to_string(header.version) + " cannot be read, only of version " +
                   std::to_string(kVersion) + " and this byte order");
  }
  if (header.model != model->fingerprint()) return invalid("the session was saved with another model");
  if (!kv_format_at(header.kv_type) || header.numerics < 0 || header.numerics > 1) {
    return Error{ErrorCode::kCorrupt, path + ": unknown type of cache or numerics"};
  }
  SessionOptions o = options;
  o.n_ctx = header.n_ctx;
  o.kv_type = *kv_format_at(header.kv_type);
  o.numerics = static_cast<Numerics>(header.numerics);
  KEDGE_TRY(check_context(o.n_ctx));
  const ModelConfig& config = model->config();
  const auto n_vocab = static_cast<size_t>(config.n_vocab);
  KEDGE_ASSIGN(shape, kv_shape(config, o.kv_type, o.n_ctx));
  auto tokens = in.list<int32_t>(static_cast<size_t>(o.n_ctx));
  auto logits = in.list<float>(n_vocab);
  KEDGE_ASSIGN(kernels, active_kernels());
  KEDGE_ASSIGN(memory, read_memory(in, shape, *kernels, options.kv.cold_path));
  for (const int32_t id : tokens) {
    if (id < 0 || id >= config.n_vocab) {
      in.fail("holds token " + std::to_string(id) + " of " + std::to_string(config.n_vocab));
    }
  }
  if (tokens.size() != static_cast<size_t>(memory->sequence().next_position())) in.fail("lost tokens");
  if (logits.size() != n_vocab) in.fail("has logits of another vocabulary");
  if (in.left() != 0) in.fail("goes on for " + std::to_string(in.left()) + " bytes behind its end");
  if (!in.ok()) return in.status().error();
  KEDGE_ASSIGN(engine, Engine::alone(std::move(model), o, memory->budget()));
  KEDGE_ASSIGN(session, engine->adopt(o, std::move(memory)));
  session->state_->tokens.assign(tokens.begin(), tokens.end());
  session->state_->last_logits = std::move(logits);
  session->state_->has_logits = header.has_logits != 0;
  return session;
}

}  // namespace kedge::engine
