// The C interface: beam search.
#include "engine/beam_search.h"
#include "engine/capi/handles.h"
#include "kernels/base/json.h"

using namespace kedge::engine;
using namespace kedge::engine::capi;

namespace {

static_assert(KEDGE_BEAM_STOP_FIRST == static_cast<int>(BeamStop::kFirst) &&
              KEDGE_BEAM_STOP_AS_THEY_STAND == static_cast<int>(BeamStop::kAsTheyStand) &&
              KEDGE_BEAM_STOP_PROVEN == static_cast<int>(BeamStop::kProven));

kedge_beam_options defaults() {
  const BeamOptions known;
  kedge_beam_options o{};
  o.struct_size = sizeof o;
  o.beams = known.beams;
  o.n_best = known.n_best;
  o.max_tokens = known.max_tokens;
  o.stop = static_cast<int32_t>(known.stop);
  o.length_penalty = known.length_penalty;
  return o;
}

Result<BeamOptions> beam_options(const kedge_beam_options& o, const kedge_session& session) {
  BeamOptions options;
  options.beams = o.beams;
  options.n_best = o.n_best;
  options.max_tokens = o.max_tokens;
  if (o.stop < KEDGE_BEAM_STOP_FIRST || o.stop > KEDGE_BEAM_STOP_PROVEN) {
    return invalid("stop = " + std::to_string(o.stop) + " is none of kedge_beam_stop");
  }
  options.stop = static_cast<BeamStop>(o.stop);
  options.render_special = o.render_special != 0;
  options.length_penalty = o.length_penalty;
  KEDGE_ASSIGN(constraint, constraint_in(session.session->model(), o.constraint));
  options.constraint = std::move(constraint);
  KEDGE_ASSIGN(deadline, deadline_in(o.deadline_ms));
  options.deadline = deadline;
  options.cancel = &session.cancel;
  if (o.on_prefill != nullptr) {
    options.on_prefill = [&o](size_t done, size_t total) { return o.on_prefill(o.user, done, total) == 0; };
  }
  return options;
}

std::string beams_json(const BeamResult& result) {
  Json answers = Json::array();
  for (const BeamAnswer& a : result.answers) {
    answers.push_back({{"tokens", a.tokens},
                       {"text", a.text},
                       {"logprob", a.logprob},
                       {"score", a.score},
                       {"finish_reason", finish_reason_name(a.finish)},
                       {"unfinished", a.unfinished}});
  }
  const Json json = {{"answers", std::move(answers)},
                     {"n_prompt", result.n_prompt},
                     {"steps", result.steps},
                     {"prefill_ms", result.prefill_ms},
                     {"search_ms", result.search_ms}};
  return json.dump();
}

}  // namespace

extern "C" {

void kedge_beam_options_init(kedge_beam_options* options, size_t struct_size) {
  write_struct(options, struct_size, defaults());
}

kedge_status kedge_beam_search(kedge_session* session, const int32_t* prompt, size_t n_prompt,
                               const kedge_beam_options* given, char** json, size_t* json_size) {
  return text_out(json, json_size, [&]() -> Result<std::string> {
    KEDGE_ASSIGN(use, SessionUse::begin(session));
    KEDGE_ASSIGN(ids, in_span(prompt, n_prompt, "prompt"));
    kedge_beam_options o = defaults();
    KEDGE_TRY(read_options(given, "kedge_beam_options", o));
    KEDGE_ASSIGN(options, beam_options(o, *session));
    KEDGE_ASSIGN(result, beam_search(*session->session, ids, options));
    return beams_json(result);
  });
}

}  // extern "C"
