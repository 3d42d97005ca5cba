// The C interface: generation.
#include <algorithm>
#include <optional>

#include "engine/answer_json.h"
#include "engine/capi/handles.h"
#include "kernels/base/json_object.h"

using namespace kedge::engine;
using namespace kedge::engine::capi;

namespace {

kedge_generate_options generate_defaults() {
  kedge_generate_options o{};
  o.struct_size = sizeof o;
  o.max_tokens = GenerateOptions().max_tokens;
  o.logprobs = GenerateOptions().logprobs;
  return o;
}

Result<SpeculationOptions::Kind> speculation_kind(const std::string& name) {
  using Kind = SpeculationOptions::Kind;
  for (const Kind kind : {Kind::kNgram, Kind::kDraft, Kind::kTokens, Kind::kMtp}) {
    if (name == speculation_kind_name(kind)) return kind;
  }
  return invalid("speculation: kind is '" + name + "', must be 'ngram', 'draft', 'tokens' or 'mtp'");
}

Result<SpeculationOptions> speculation_options(std::string_view text) {
  SpeculationOptions options;
  if (text.empty()) return options;
  KEDGE_ASSIGN(json, JsonObject::parse(text, "speculation"));
  std::string kind;
  KEDGE_TRY(json.text("kind", kind));
  KEDGE_TRY(json.integer("max", options.most, 1, kMostGuesses));
  KEDGE_TRY(json.flag("adaptive", options.adaptive));
  if (const Json* tokens = json.find("tokens")) {
    if (!tokens->is_array()) return json.wrong("tokens", "must be an array of token ids");
    for (const Json& token : *tokens) {
      KEDGE_ASSIGN(id, whole_number(token, "speculation: a token", 0, INT32_MAX));
      options.tokens.push_back(static_cast<int32_t>(id));
    }
  }
  KEDGE_TRY(json.finish({"kind"}));
  KEDGE_ASSIGN(known, speculation_kind(kind));
  options.kind = known;
  if (known != SpeculationOptions::Kind::kTokens && json.has("tokens")) {
    return json.wrong("tokens", "belongs to kind 'tokens'");
  }
  return options;
}

Result<GenerateOptions> generate_options(const kedge_generate_options& o) {
  GenerateOptions options;
  options.max_tokens = o.max_tokens;
  options.logprobs = o.logprobs;
  options.ignore_eos = o.ignore_eos != 0;
  options.render_special = o.render_special != 0;
  options.sampler.seed = o.seed;
  options.sampler.request = o.request;
  KEDGE_ASSIGN(settings, in_span(o.settings, o.n_settings, "settings"));
  for (const kedge_setting& s : settings) {
    KEDGE_ASSIGN(name, in_text(s.name.data, s.name.size, "the name of a setting"));
    options.sampler.settings.emplace_back(name, s.value);
  }
  KEDGE_ASSIGN(stops, in_span(o.stop, o.n_stop, "stop"));
  for (const kedge_str& s : stops) {
    KEDGE_ASSIGN(text, in_text(s.data, s.size, "a stop string"));
    options.stop.emplace_back(text);
  }
  KEDGE_ASSIGN(bias, in_span(o.logit_bias, o.n_logit_bias, "logit_bias"));
  KEDGE_ASSIGN(key, in_text(o.key.data, o.key.size, "key"));
  options.key = key;
  if (!(o.weight >= 0 && o.weight <= 1e6)) {
    return Error{ErrorCode::kInvalidArgument, "weight = " + std::to_string(o.weight) + ", must be 0 (1) to 1e6"};
  }
  if (o.weight > 0) options.weight = o.weight;
  KEDGE_ASSIGN(deadline, deadline_in(o.deadline_ms));
  options.deadline = deadline;
  for (const kedge_logit_bias& b : bias) options.sampler.logit_bias.push_back({b.token, b.bias});
  KEDGE_ASSIGN(samplers, in_text(o.samplers.data, o.samplers.size, "samplers"));
  options.sampler.order = split_sampler_names(samplers);
  KEDGE_ASSIGN(speculation, in_text(o.speculation.data, o.speculation.size, "speculation"));
  KEDGE_ASSIGN(guessing, speculation_options(speculation));
  options.speculation = std::move(guessing);
  const bool drafts = options.speculation.kind == SpeculationOptions::Kind::kDraft;
  if (drafts != (o.draft != nullptr)) {
    return invalid(drafts ? "speculation: kind 'draft' needs a session as `draft`"
                          : "draft: a session is given, but the kind of speculation is not 'draft'");
  }
  return options;
}

// `row` is reused from token to token.
GenerateCallbacks generate_callbacks(const kedge_generate_options& o, const std::atomic<bool>& cancel,
                                     std::vector<kedge_logprob>& row) {
  GenerateCallbacks callbacks;
  callbacks.cancel = &cancel;
  if (o.on_text != nullptr) {
    callbacks.on_text = [&o](std::string_view text) { return o.on_text(o.user, text.data(), text.size()) == 0; };
  }
  if (o.on_token != nullptr) {
    callbacks.on_token = [&o, &row](int32_t token, std::span<const TokenLogprob> top) {
      row.clear();
      for (const TokenLogprob& t : top) row.push_back({t.token, t.logprob});
      return o.on_token(o.user, token, row.data(), row.size()) == 0;
    };
  }
  if (o.on_prefill != nullptr) {
    callbacks.on_prefill = [&o](size_t done, size_t total) { return o.on_prefill(o.user, done, total) == 0; };
  }
  return callbacks;
}

}  // namespace

extern "C" {

void kedge_generate_options_init(kedge_generate_options* options, size_t struct_size) {
  write_struct(options, struct_size, generate_defaults());
}

kedge_status kedge_generate(kedge_session* session, const int32_t* prompt, size_t n_prompt,
                            const kedge_generate_options* options, kedge_generation** generation) {
  return guard([&]() -> Status {
    KEDGE_TRY(not_null(generation, "generation"));
    *generation = nullptr;
    KEDGE_ASSIGN(use, SessionUse::begin(session));
    KEDGE_ASSIGN(ids, in_span(prompt, n_prompt, "prompt"));
    kedge_generate_options o = generate_defaults();
    KEDGE_TRY(read_options(options, "kedge_generate_options", o));
    KEDGE_ASSIGN(given, generate_options(o));
    std::optional<SessionUse> drafting;
    if (o.draft != nullptr) {
      KEDGE_ASSIGN(draft, SessionUse::begin(o.draft));
      drafting.emplace(std::move(draft));
      given.speculation.draft = o.draft->session.get();
    }
    KEDGE_ASSIGN(constraint, constraint_in(session->session->model(), o.constraint));
    given.constraint = std::move(constraint);
    std::vector<kedge_logprob> row;
    auto handle = std::make_unique<kedge_generation>();
    KEDGE_ASSIGN(result, generate(*session->session, ids, given, generate_callbacks(o, session->cancel, row)));
    handle->settings = generate_settings_json(given, result);
    handle->speculation = speculation_json(given, result);
    handle->kv = kv_answer_json(session->session->memory(), result.kv_before);
    handle->result = std::move(result);
    handle->logprobs.reserve(handle->result.logprobs.size());
    for (const TokenLogprob& t : handle->result.logprobs) handle->logprobs.push_back({t.token, t.logprob});
    *generation = handle.release();
    return {};
  });
}

kedge_status kedge_generation_get(const kedge_generation* generation, kedge_generation_result* result) {
  return guard([&]() -> Status {
    KEDGE_TRY(not_null(generation, "generation"));
    const GenerateResult& r = generation->result;
    kedge_generation_result value{};
    value.finish_reason = static_cast<int32_t>(r.finish);
    value.stop_index = r.stop_index;
    value.tokens = r.tokens.data();
    value.n_tokens = r.tokens.size();
    value.text = {r.text.data(), r.text.size()};
    value.logprobs = generation->logprobs.data();
    value.logprobs_per_token = r.logprobs_per_token;
    value.n_prompt = r.n_prompt;
    value.prefill_ms = r.prefill_ms;
    value.decode_ms = r.decode_ms;
    value.settings = {generation->settings.data(), generation->settings.size()};
    value.kv = {generation->kv.data(), generation->kv.size()};
    value.cpu_s = r.cost_s;
    value.speculation = {generation->speculation.data(), generation->speculation.size()};
    value.unfinished = r.unfinished ? 1 : 0;
    return give_struct(result, "kedge_generation_result", value);
  });
}

void kedge_generation_free(kedge_generation* generation) { delete generation; }

}  // extern "C"
