// POST /v1/completions: answers, whole and as a stream, with the older form of log-probabilities.
#include <cmath>

#include "tools/serve/wire/api.h"
#include "tools/serve/wire/openai_completion.h"

namespace kedge::tools::serve {

namespace {

// {"tokens", "token_logprobs", "top_logprobs", "text_offset"} of a choice, of what is new in it.
struct Logprobs {
  Json tokens = Json::array();
  Json chosen = Json::array();
  Json top = Json::array();
  Json offsets = Json::array();
  size_t offset = 0;  // bytes of the pieces so far

  void add(std::span<const TokenInfo> more) {
    for (const TokenInfo& t : more) {
      tokens.push_back(t.chosen.piece);
      const bool first = std::isnan(t.chosen.logprob);  // nothing stands before the first token of a prompt
      chosen.push_back(first ? Json() : Json(t.chosen.logprob));
      Json likeliest = Json::object();
      for (const TokenTop& other : t.top) likeliest[other.piece] = other.logprob;
      if (!first) likeliest[t.chosen.piece] = t.chosen.logprob;
      top.push_back(first ? Json() : std::move(likeliest));
      offsets.push_back(offset);
      offset += t.chosen.piece.size();
    }
  }
  Json take() {
    Json json = {{"tokens", std::move(tokens)},
                 {"token_logprobs", std::move(chosen)},
                 {"top_logprobs", std::move(top)},
                 {"text_offset", std::move(offsets)}};
    tokens = chosen = top = offsets = Json::array();
    return json;
  }
};

class WholeCompletion final : public OpenAiWhole {
 public:
  WholeCompletion(const OpenAiForm& form, std::shared_ptr<HttpReply> reply)
      : OpenAiWhole(form, "cmpl-", "text_completion", std::move(reply)), choices_(form.choices) {}

  bool text(size_t choice, std::string_view text, std::span<const TokenInfo> tokens) override {
    choices_.at(choice).text += text;
    choices_.at(choice).logprobs.add(tokens);
    return listened();
  }

 private:
  struct Choice {
    std::string text;
    Logprobs logprobs;
  };
  Json choice(size_t index) override {
    Choice& c = choices_[index];
    return {{"text", c.text}, {"logprobs", form_.logprobs ? c.logprobs.take() : Json()}};
  }
  std::vector<Choice> choices_;
};

class CompletionStream final : public OpenAiStream {
 public:
  CompletionStream(const OpenAiForm& form, std::shared_ptr<HttpReply> reply)
      : OpenAiStream(form, "cmpl-", "text_completion", std::move(reply)), logprobs_(form.choices) {}

  bool text(size_t choice, std::string_view text, std::span<const TokenInfo> tokens) override {
    Logprobs& logprobs = logprobs_.at(choice);
    logprobs.add(tokens);
    return say(choice, {{"text", text}, {"logprobs", form_.logprobs ? logprobs.take() : Json()}});
  }

 private:
  Json closing() const override { return {{"text", ""}, {"logprobs", Json()}}; }

  std::vector<Logprobs> logprobs_;
};

}  // namespace

std::unique_ptr<Sink> openai_completion_sink(const OpenAiForm& form, bool stream, std::shared_ptr<HttpReply> reply) {
  if (stream) return std::make_unique<CompletionStream>(form, std::move(reply));
  return std::make_unique<WholeCompletion>(form, std::move(reply));
}

}  // namespace kedge::tools::serve
