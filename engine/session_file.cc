#include "engine/session_file.h"

#include <array>

#include "engine/session_state.h"
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
  out.put(Header{kMagic, kVersion, kOrder, s.model->fingerprint(), s.options.n_ctx,
                 static_cast<int32_t>(s.options.kv_type), static_cast<int32_t>(s.options.numerics),
                 s.has_logits ? 1 : 0});
  out.list<int32_t>(s.tokens);
  out.list<float>(s.last_logits);
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
  KEDGE_ASSIGN(s, Session::State::make(std::move(model), o));
  auto tokens = in.list<int32_t>(static_cast<size_t>(s->options.n_ctx));
  auto logits = in.list<float>(s->last_logits.size());
  KEDGE_ASSIGN(shape, kv_shape(s->model->config(), o.kv_type, s->options.n_ctx));
  KEDGE_ASSIGN(memory, read_memory(in, shape, *s->kernels, options.kv.cold_path));
  const int32_t n_vocab = s->model->config().n_vocab;
  for (const int32_t id : tokens) {
    if (id < 0 || id >= n_vocab) in.fail("holds token " + std::to_string(id) + " of " + std::to_string(n_vocab));
  }
  if (tokens.size() != static_cast<size_t>(memory->sequence().next_position())) in.fail("lost tokens");
  if (logits.size() != s->last_logits.size()) in.fail("has logits of another vocabulary");
  if (in.left() != 0) in.fail("goes on for " + std::to_string(in.left()) + " bytes behind its end");
  if (!in.ok()) return in.status().error();
  s->options.kv = memory->options();
  KEDGE_TRY(s->use(std::move(memory)));
  s->tokens.assign(tokens.begin(), tokens.end());
  s->last_logits = std::move(logits);
  s->has_logits = header.has_logits != 0;
  return std::unique_ptr<Session>(new Session(std::move(s)));
}

}  // namespace kedge::engine
