// Generations: what is asked of one, what came of it, and how its text is read. Part of kedge.hpp.
#pragma once

#include "kedge/kedge_model.hpp"

namespace kedge {

class Session;

struct GenerateOptions {
  int max_tokens = -1;  // -1: until the model stops or the context is full
  int logprobs = -1;    // -1: none; 0: of the chosen tokens; n: also of the n most likely
  bool ignore_eos = false;
  bool render_special = false;
  uint64_t seed = 0;
  uint64_t request = 0;
  std::vector<std::pair<std::string, double>> settings = {};  // names from settings_schema(), e.g. {"temperature", 0.0}
  std::vector<std::string> stop = {};
  std::vector<kedge_logit_bias> logit_bias = {};
  std::function<bool(std::string_view)> on_text = {};  // false cancels, here and below
  std::function<bool(int32_t token, std::span<const kedge_logprob> top)> on_token = {};
  Progress on_prefill = {};
  std::string key = {};          // whose call it is, for an engine's fairness
  double deadline_ms = 0;        // from the beginning of the call; 0: none
  double weight = 1;             // of the key, against others
  std::string constraint = {};   // JSON, see "Constraints" in kedge_generation.h
  std::string samplers = {};     // names in the order they run, with ';' between; empty: all, in the schema's order
  std::string speculation = {};  // JSON, see kedge_generate_options
  Session* draft = nullptr;      // of speculation "draft": a session of the small model, of this call alone
};

// What kedge_generation_result says; spans and strings live as long as the Generation.
class Generation {
 public:
  explicit Generation(kedge_generation* g) : g_(g) {
    r_.struct_size = sizeof r_;
    (void)kedge_generation_get(g, &r_);  // cannot fail with a live handle
  }
  std::string_view text() const { return detail::view(r_.text); }
  std::span<const int32_t> tokens() const { return {r_.tokens, r_.n_tokens}; }
  kedge_finish_reason finish_reason() const { return static_cast<kedge_finish_reason>(r_.finish_reason); }
  // Of the i-th token: the chosen one, then the most likely; empty when not asked for.
  std::span<const kedge_logprob> logprobs(size_t i) const {
    return r_.logprobs_per_token == 0 ? std::span<const kedge_logprob>()
                                      : std::span(r_.logprobs + i * r_.logprobs_per_token, r_.logprobs_per_token);
  }
  std::string_view settings() const { return detail::view(r_.settings); }        // JSON
  std::string_view kv() const { return detail::view(r_.kv); }                    // JSON
  std::string_view speculation() const { return detail::view(r_.speculation); }  // JSON, or empty
  bool unfinished() const { return r_.unfinished != 0; }  // it ended where its constraint's text is not whole
  const kedge_generation_result& result() const { return r_; }

 private:
  struct Release {
    void operator()(kedge_generation* g) const { kedge_generation_free(g); }
  };
  std::unique_ptr<kedge_generation, Release> g_;
  kedge_generation_result r_{};
};

struct BeamOptions {
  int beams = 4;
  int n_best = 0;       // 0: `beams`
  int max_tokens = -1;  // -1: until the context is full
  kedge_beam_stop stop = KEDGE_BEAM_STOP_AS_THEY_STAND;
  bool render_special = false;
  double length_penalty = 1;
  std::string constraint = {};
  double deadline_ms = 0;  // 0: none
  Progress on_prefill = {};
};

// Takes an answer's text apart: content, reasoning, calls; see "Reasoning and tool calls in answers".
class ChatReader {
 public:
  // `options`: JSON, see kedge_chat_reader_create.
  static Result<ChatReader> create(const Model& model, std::string_view options = {}) {
    kedge_chat_reader* r = nullptr;
    const kedge_status code = kedge_chat_reader_create(model.get(), options.data(), options.size(), &r);
    if (code != KEDGE_OK) return detail::error(code);
    return ChatReader(r);
  }
  struct Events {
    std::string json;  // an array, also when there is an error: what came before it
    Status status;
  };
  Events push(std::string_view text, bool end = false) {
    Events events;
    char* data = nullptr;
    size_t size = 0;
    const kedge_status code = kedge_chat_reader_push(r_.get(), text.data(), text.size(), end ? 1 : 0, &data, &size);
    const std::unique_ptr<char, detail::Free> owner(data);
    events.status = detail::status(code);
    events.json = data == nullptr ? "[]" : std::string(data, size);
    return events;
  }

 private:
  struct Release {
    void operator()(kedge_chat_reader* r) const { kedge_chat_reader_free(r); }
  };
  explicit ChatReader(kedge_chat_reader* r) : r_(r) {}
  std::unique_ptr<kedge_chat_reader, Release> r_;
};

}  // namespace kedge
