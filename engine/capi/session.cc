// The C interface: sessions.
#include "engine/capi/handles.h"
#include "engine/kv_json.h"
#include "engine/sequence.h"

namespace kedge::engine::capi {
namespace {

constexpr kedge_session_options kSessionDefaults = {.struct_size = sizeof(kedge_session_options),
                                                    .n_ctx = 0,
                                                    .n_threads = 0,
                                                    .chunk = SessionOptions().chunk,
                                                    .kv_type = KEDGE_KV_F16,
                                                    .numerics = KEDGE_NUMERICS_EXACT,
                                                    .kv = {nullptr, 0},
                                                    .adapters = nullptr,
                                                    .n_adapters = 0};
constexpr kedge_eval_options kEvalDefaults = {
    .struct_size = sizeof(kedge_eval_options), .on_row = nullptr, .on_progress = nullptr, .user = nullptr};

static_assert(KEDGE_KV_F32 == static_cast<int>(KvFormat::kF32) && KEDGE_KV_F16 == static_cast<int>(KvFormat::kF16) &&
              KEDGE_KV_Q8_0 == static_cast<int>(KvFormat::kQ8_0) && KEDGE_KV_Q4_0 == static_cast<int>(KvFormat::kQ4_0));

}  // namespace

Status check_lookable(const kedge_session* session) {
  KEDGE_TRY(not_null(session, "session"));
  if (session->process != getpid() && session->session->engine()->is_shared()) {
    return Error{
        ErrorCode::kUnsupported,
        "the session is one of an engine made before fork(), whose sessions are the parent's: make an engine of "
        "your own in this process"};
  }
  if (session->process != getpid() && session->session->options().kv.cold == KvOptions::Cold::kFile) {
    return Error{ErrorCode::kUnsupported,
                 "the session was made before fork() and keeps its cold tier in a file that is the parent's: make one "
                 "of your own in this process"};
  }
  return {};
}

Result<SessionUse> SessionUse::begin(const kedge_session* session) {
  KEDGE_TRY(check_lookable(session));
  int idle = kedge_session::kIdle;
  if (!session->state.compare_exchange_strong(idle, kedge_session::kInUse)) {
    return invalid(
        "the session is in use: by another thread, or by the call whose callback this is; it belongs to one call at a "
        "time");
  }
  return SessionUse(session);
}

SessionUse::~SessionUse() {
  if (!held_.owns_lock()) return;
  held_.unlock();
  if (session_->state.exchange(kedge_session::kIdle) == kedge_session::kInUseAndFreed) delete session_;
}

Result<std::chrono::steady_clock::time_point> deadline_in(double ms) {
  using Clock = std::chrono::steady_clock;
  constexpr double kLongest = 1e12;
  if (!(ms >= 0 && ms <= kLongest)) {
    return invalid("deadline_ms = " + std::to_string(ms) + ", must be 0 (none) to 1e12");
  }
  if (ms == 0) return Clock::time_point::max();
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double, std::milli>(ms));
}

Result<SessionOptions> session_options(const Model& model, const kedge_session_options* given) {
  kedge_session_options o = kSessionDefaults;
  KEDGE_TRY(read_options(given, "kedge_session_options", o));
  SessionOptions options;
  options.n_ctx = o.n_ctx;
  options.n_threads = o.n_threads;
  options.chunk = o.chunk;
  if (o.numerics != KEDGE_NUMERICS_EXACT && o.numerics != KEDGE_NUMERICS_FAST) {
    return invalid("numerics = " + std::to_string(o.numerics) + " is none of kedge_numerics");
  }
  if (o.numerics == KEDGE_NUMERICS_FAST) options.numerics = Numerics::kFast;
  const auto format = kv_format_at(o.kv_type);
  if (!format) return invalid("kv_type = " + std::to_string(o.kv_type) + " is none of kedge_kv_type");
  options.kv_type = *format;
  KEDGE_ASSIGN(adapters, adapter_uses(o.adapters, o.n_adapters));
  options.adapters = std::move(adapters);
  KEDGE_ASSIGN(kv, in_text(o.kv.data, o.kv.size, "the KV options"));
  if (kv.empty()) return options;
  KEDGE_ASSIGN(parsed, parse_kv_options(kv, model.config(), options.kv_type, o.n_ctx));
  options.kv = std::move(parsed);
  return options;
}

}  // namespace kedge::engine::capi

using namespace kedge::engine;
using namespace kedge::engine::capi;

extern "C" {

void kedge_session_options_init(kedge_session_options* options, size_t struct_size) {
  write_struct(options, struct_size, kSessionDefaults);
}
void kedge_eval_options_init(kedge_eval_options* options, size_t struct_size) {
  write_struct(options, struct_size, kEvalDefaults);
}

kedge_status kedge_session_create(const kedge_model* model, const kedge_session_options* options,
                                  kedge_session** session) {
  return guard([&]() -> Status {
    KEDGE_TRY(not_null(session, "session"));
    *session = nullptr;
    KEDGE_TRY(not_null(model, "model"));
    KEDGE_ASSIGN(o, session_options(*model->model, options));
    KEDGE_ASSIGN(created, Session::create(model->model, o));
    auto handle = std::make_unique<kedge_session>();
    handle->session = std::move(created);
    *session = handle.release();
    return {};
  });
}

void kedge_session_free(kedge_session* session) {
  if (session == nullptr) return;
  int before = kedge_session::kIdle;
  const auto after = [&] {
    return before == kedge_session::kIdle ? kedge_session::kIdle : kedge_session::kInUseAndFreed;
  };
  while (!session->state.compare_exchange_weak(before, after())) {
  }
  if (before == kedge_session::kIdle) delete session;  // else the call that uses it deletes it
}

kedge_status kedge_session_get_info(const kedge_session* session, kedge_session_info* info) {
  return guard([&]() -> Status {
    KEDGE_ASSIGN(use, SessionUse::begin(session));
    const Session& s = *session->session;
    kedge_session_info value{};
    value.n_ctx = s.n_ctx();
    value.n_threads = s.n_threads();
    value.n_past = s.n_past();
    value.n_vocab = s.model().config().n_vocab;
    value.kv_bytes = s.kv_bytes();
    value.scratch_bytes = s.scratch_bytes();
    return give_struct(info, "kedge_session_info", value);
  });
}

kedge_status kedge_session_tokens(const kedge_session* session, const int32_t** tokens, size_t* n_tokens) {
  return guard([&]() -> Status {
    KEDGE_TRY(not_null(tokens, "tokens"));
    KEDGE_TRY(not_null(n_tokens, "n_tokens"));
    *tokens = nullptr;
    *n_tokens = 0;
    KEDGE_ASSIGN(use, SessionUse::begin(session));
    const auto view = session->session->tokens();
    *tokens = view.data();
    *n_tokens = view.size();
    return {};
  });
}

kedge_status kedge_session_eval(kedge_session* session, const int32_t* tokens, size_t n_tokens,
                                const kedge_eval_options* options) {
  return guard([&]() -> Status {
    KEDGE_ASSIGN(use, SessionUse::begin(session));
    KEDGE_ASSIGN(ids, in_span(tokens, n_tokens, "tokens"));
    kedge_eval_options o = kEvalDefaults;
    KEDGE_TRY(read_options(options, "kedge_eval_options", o));
    EvalHooks hooks{.progress = {}, .cancel = &session->cancel};
    if (o.on_progress != nullptr) {
      hooks.progress = [&](size_t done, size_t total) { return o.on_progress(o.user, done, total) == 0; };
    }
    if (o.on_row == nullptr) return session->session->eval(ids, hooks);
    const auto row = [&](int position, std::span<const float> logits) -> Status {
      if (o.on_row(o.user, position, logits.data(), logits.size()) == 0) return {};
      return Error{ErrorCode::kCancelled, "cancelled at position " + std::to_string(position)};
    };
    return session->session->eval_all(ids, row, hooks);
  });
}

kedge_status kedge_session_logits(const kedge_session* session, const float** logits, size_t* n_vocab) {
  return guard([&]() -> Status {
    KEDGE_TRY(not_null(logits, "logits"));
    KEDGE_TRY(not_null(n_vocab, "n_vocab"));
    *logits = nullptr;
    *n_vocab = 0;
    KEDGE_ASSIGN(use, SessionUse::begin(session));
    const auto view = session->session->logits();
    *logits = view.data();
    *n_vocab = view.size();
    return {};
  });
}

kedge_status kedge_session_experts(const kedge_session* session, char** json, size_t* json_size) {
  return guard([&]() -> Status {
    KEDGE_TRY(clear_outputs(json, json_size));
    KEDGE_TRY(check_lookable(session));
    ExpertStats experts;
    KEDGE_TRY(session->session->look([&](const KvMemory&, const ExpertStats& now) { experts = now; }));
    return give_text(experts.json(), json, json_size);
  });
}

kedge_status kedge_session_truncate(kedge_session* session, int32_t n) {
  return guard([&]() -> Status {
    KEDGE_ASSIGN(use, SessionUse::begin(session));
    return session->session->truncate(n);
  });
}

void kedge_session_set_cancel(kedge_session* session, int on) {
  if (session != nullptr) session->cancel.store(on != 0, std::memory_order_relaxed);
}

}  // extern "C"
