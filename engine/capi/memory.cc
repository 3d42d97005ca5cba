// The C interface: what a session's memory is told, says and does.
#include "engine/capi/handles.h"
#include "engine/capi/memory_json.h"
#include "engine/session_file.h"
#include "kernels/base/json.h"
#include "memory/anchors/detector.h"

using namespace kedge::engine;
using namespace kedge::engine::capi;

namespace {

std::string references_json(std::string_view text) {
  Json list = Json::array();
  for (const Reference& r : detect_references(text, true).references) {
    list.push_back({{"range", {r.begin, r.end}},
                    {"span", {r.span_begin, r.span_end}},
                    {"kind", reference_kind_name(r.kind)},
                    {"strong", r.strength == ReferenceStrength::kStrong}});
  }
  return list.dump();
}

Status give_session(std::unique_ptr<Session> made, kedge_session** session) {
  auto handle = std::make_unique<kedge_session>();
  handle->session = std::move(made);
  *session = handle.release();
  return {};
}

}  // namespace

extern "C" {

kedge_status kedge_detect_references(const char* text, size_t text_size, char** json, size_t* json_size) {
  return guard([&]() -> Status {
    KEDGE_TRY(clear_outputs(json, json_size));
    KEDGE_ASSIGN(view, in_text(text, text_size, "text"));
    return give_text(references_json(view), json, json_size);
  });
}

kedge_status kedge_session_add_segments(kedge_session* session, const char* segments, size_t segments_size, char** json,
                                        size_t* json_size) {
  return guard([&]() -> Status {
    KEDGE_TRY(clear_outputs(json, json_size));
    KEDGE_ASSIGN(use, SessionUse::begin(session));
    KEDGE_ASSIGN(view, in_text(segments, segments_size, "segments"));
    KEDGE_ASSIGN(parsed, parse_segments(view));
    KEDGE_ASSIGN(refused, session->session->add_segments(parsed));
    return give_text(refusals_json(parsed.size() - refused.size(), refused), json, json_size);
  });
}

kedge_status kedge_session_kv(const kedge_session* session, char** json, size_t* json_size) {
  return guard([&]() -> Status {
    KEDGE_TRY(clear_outputs(json, json_size));
    KEDGE_TRY(check_lookable(session));
    Json state;
    KEDGE_TRY(session->session->look([&](const KvMemory& m, const ExpertStats&) { state = kv_state(m); }));
    return give_text(state.dump(), json, json_size);
  });
}

kedge_status kedge_session_kv_log(const kedge_session* session, uint64_t from, char** json, size_t* json_size) {
  return guard([&]() -> Status {
    KEDGE_TRY(clear_outputs(json, json_size));
    KEDGE_TRY(check_lookable(session));
    Json log;
    KEDGE_TRY(session->session->look([&](const KvMemory& m, const ExpertStats&) { log = kv_log(m, from); }));
    return give_text(log.dump(), json, json_size);
  });
}

kedge_status kedge_session_recall(kedge_session* session, const char* what, size_t what_size, char** json,
                                  size_t* json_size) {
  return guard([&]() -> Status {
    KEDGE_TRY(clear_outputs(json, json_size));
    KEDGE_ASSIGN(use, SessionUse::begin(session));
    KEDGE_ASSIGN(view, in_text(what, what_size, "what to recall"));
    KEDGE_ASSIGN(done, recall_from_json(*session->session, view));
    const Json result = {{"recalled", done.recalled}, {"missing", done.missing}};
    return give_text(result.dump(), json, json_size);
  });
}

kedge_status kedge_session_fork(const kedge_session* session, kedge_session** fork) {
  return guard([&]() -> Status {
    KEDGE_TRY(not_null(fork, "fork"));
    *fork = nullptr;
    KEDGE_ASSIGN(use, SessionUse::begin(session));
    KEDGE_ASSIGN(made, session->session->fork());
    return give_session(std::move(made), fork);
  });
}

kedge_status kedge_session_checkpoint(const kedge_session* session, kedge_checkpoint** checkpoint) {
  return guard([&]() -> Status {
    KEDGE_TRY(not_null(checkpoint, "checkpoint"));
    *checkpoint = nullptr;
    KEDGE_ASSIGN(use, SessionUse::begin(session));
    KEDGE_ASSIGN(made, session->session->checkpoint());
    *checkpoint = new kedge_checkpoint{std::move(made)};
    return {};
  });
}

kedge_status kedge_session_rollback(kedge_session* session, const kedge_checkpoint* checkpoint) {
  return guard([&]() -> Status {
    KEDGE_TRY(not_null(checkpoint, "checkpoint"));
    KEDGE_ASSIGN(use, SessionUse::begin(session));
    return session->session->rollback(*checkpoint->state);
  });
}

void kedge_checkpoint_free(kedge_checkpoint* checkpoint) { delete checkpoint; }

kedge_status kedge_session_save(const kedge_session* session, const char* path, size_t path_size) {
  return guard([&]() -> Status {
    KEDGE_ASSIGN(use, SessionUse::begin(session));
    KEDGE_ASSIGN(file, in_text(path, path_size, "path"));
    return SessionFile::save(*session->session, std::string(file));
  });
}

kedge_status kedge_session_load(const kedge_model* model, const char* path, size_t path_size,
                                const kedge_session_options* options, kedge_session** session) {
  return guard([&]() -> Status {
    KEDGE_TRY(not_null(session, "session"));
    *session = nullptr;
    KEDGE_TRY(not_null(model, "model"));
    KEDGE_ASSIGN(file, in_text(path, path_size, "path"));
    KEDGE_ASSIGN(o, session_options(*model->model, options));
    KEDGE_ASSIGN(made, SessionFile::load(model->model, std::string(file), o));
    return give_session(std::move(made), session);
  });
}

}  // extern "C"
