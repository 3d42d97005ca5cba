// Generations: text, tokens and progress go to the callback as they come, the result to the promise.
#include "tools/node/src/functions.h"

namespace kedge::tools::node {
namespace {

struct Asked {
  bool tokens = false;    // events of tokens
  bool progress = false;  // events of the prompt's evaluation
};

napi_value rows(napi_env env, std::span<const kedge_logprob> top) {
  napi_value list = nullptr;
  check(env, napi_create_array_with_length(env, top.size(), &list));
  for (size_t i = 0; i < top.size(); ++i) {
    napi_value row = nullptr;
    check(env, napi_create_object(env, &row));
    set(env, row, "token", to_js(env, top[i].token));
    set(env, row, "logprob", to_js(env, top[i].logprob));
    check(env, napi_set_element(env, list, static_cast<uint32_t>(i), row));
  }
  return list;
}

class GenerateJob : public Job {
 public:
  GenerateJob(std::shared_ptr<Session> session, std::shared_ptr<Session> draft, std::vector<int32_t> prompt,
              GenerateOptions options, Asked asked)
      : session_(std::move(session)),
        draft_(std::move(draft)),
        prompt_(std::move(prompt)),
        options_(std::move(options)) {
    options_.draft = draft_.get();
    options_.on_text = [this](std::string_view text) {
      return tell([text = std::string(text)](napi_env env) { return to_js(env, text); });
    };
    if (asked.tokens) {
      options_.on_token = [this](int32_t token, std::span<const kedge_logprob> top) {
        return tell([token, kept = std::vector(top.begin(), top.end())](napi_env env) {
          napi_value event = nullptr;
          check(env, napi_create_object(env, &event));
          set(env, event, "token", to_js(env, token));
          set(env, event, "logprobs", rows(env, kept));
          return event;
        });
      };
    }
    options_.on_prefill = [this, asked](size_t done, size_t total) {
      if (!asked.progress) return !stopped();
      return tell([done, total](napi_env env) {
        napi_value event = nullptr;
        check(env, napi_create_object(env, &event));
        set(env, event, "done", to_js(env, static_cast<double>(done)));
        set(env, event, "total", to_js(env, static_cast<double>(total)));
        return event;
      });
    };
  }

  Status run() override {
    auto generation = session_->generate(prompt_, options_);
    if (!generation) return generation.error();
    generation_.emplace(*std::move(generation));
    return {};
  }

  napi_value value(napi_env env) override {
    const kedge_generation_result& r = generation_->result();
    napi_value made = nullptr;
    check(env, napi_create_object(env, &made));
    set(env, made, "text", to_js(env, generation_->text()));
    set(env, made, "tokens", to_js(env, generation_->tokens()));
    set(env, made, "finish", to_js(env, r.finish_reason));
    set(env, made, "stopIndex", to_js(env, r.stop_index));
    set(env, made, "promptTokens", to_js(env, static_cast<double>(r.n_prompt)));
    set(env, made, "prefillMs", to_js(env, r.prefill_ms));
    set(env, made, "decodeMs", to_js(env, r.decode_ms));
    set(env, made, "cpuSeconds", to_js(env, r.cpu_s));
    set(env, made, "settings", to_js(env, generation_->settings()));
    set(env, made, "kv", to_js(env, generation_->kv()));
    set(env, made, "speculation", to_js(env, generation_->speculation()));
    napi_value unfinished = nullptr;
    check(env, napi_get_boolean(env, generation_->unfinished(), &unfinished));
    set(env, made, "unfinished", unfinished);
    if (r.logprobs_per_token != 0) {
      napi_value all = nullptr;
      check(env, napi_create_array_with_length(env, r.n_tokens, &all));
      for (size_t i = 0; i < r.n_tokens; ++i) {
        check(env, napi_set_element(env, all, static_cast<uint32_t>(i), rows(env, generation_->logprobs(i))));
      }
      set(env, made, "logprobs", all);
    }
    return made;
  }

  void stop() override { session_->set_cancel(true); }

 private:
  std::shared_ptr<Session> session_;
  std::shared_ptr<Session> draft_;
  std::vector<int32_t> prompt_;
  GenerateOptions options_;
  std::optional<Generation> generation_;
};

GenerateOptions generate_options(const Value& o) {
  GenerateOptions g;
  g.max_tokens = o.member("maxTokens").int32(-1);
  g.logprobs = o.member("logprobs").int32(-1);
  g.ignore_eos = o.member("ignoreEos").flag(false);
  g.render_special = o.member("renderSpecial").flag(false);
  g.seed = o.member("seed").uint64(0);
  g.request = o.member("request").uint64(0);
  g.key = o.member("key").text();
  g.weight = o.member("weight").number(1);
  g.deadline_ms = o.member("deadlineMs").number(0);
  g.constraint = o.member("constraint").text();
  g.samplers = o.member("samplers").text();
  g.speculation = o.member("speculation").text();
  for (const Value& pair : o.member("settings").items()) {
    const std::vector<Value> setting = pair.items();
    if (setting.size() == 2) g.settings.emplace_back(setting[0].text(), setting[1].number(0));
  }
  for (const Value& text : o.member("stop").items()) g.stop.push_back(text.text());
  for (const Value& pair : o.member("logitBias").items()) {
    const std::vector<Value> bias = pair.items();
    if (bias.size() == 2) g.logit_bias.push_back({bias[0].int32(0), static_cast<float>(bias[1].number(0))});
  }
  return g;
}

// generate(session, tokens, options, callback)
napi_value session_generate(const Arguments& a) {
  const auto session = a.handle<Session>(0, "session");
  std::shared_ptr<Session> draft;
  const Value other = a[2].member("draft");
  if (!other.missing()) draft = from_handle<Session>(a.env(), other.raw(), "session");
  const Asked asked = {a[2].member("wantTokens").flag(false), a[2].member("wantProgress").flag(false)};
  auto job = std::make_shared<GenerateJob>(session, std::move(draft), a[1].tokens(), generate_options(a[2]), asked);
  session->set_cancel(false);  // of the call before
  return start(a.env(), std::move(job), a[3]);
}

}  // namespace

void add_generate_functions(napi_env env, napi_value exports) {
  add(env, exports, "sessionGenerate", guarded<session_generate>);
}

}  // namespace kedge::tools::node
