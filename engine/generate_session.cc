// Generation on a real session.
#include <algorithm>

#include "engine/generate.h"
#include "engine/guess/draft.h"
#include "engine/session.h"
#include "kernels/base/utf8.h"
#include "tokenizer/tokenizer.h"

namespace kedge::engine {
namespace {

class SessionSource final : public GenerationSource {
 public:
  SessionSource(Session& session, const GenerateOptions& options)
      : session_(session), options_(options), detokenizer_(tokenizer()) {}

  size_t n_vocab() const override { return static_cast<size_t>(session_.model().config().n_vocab); }
  size_t n_ctx() const override { return static_cast<size_t>(session_.n_ctx()); }
  std::span<const int32_t> tokens() const override { return session_.tokens(); }
  std::span<const float> logits() const override { return session_.logits(); }
  std::span<const int32_t> eog_tokens() const override { return tokenizer().vocab().eog_ids; }
  std::span<const int32_t> suppressed_tokens() const override { return tokenizer().vocab().suppress_ids; }

  Status eval(std::span<const int32_t> tokens, const std::function<bool(size_t, size_t)>& progress,
              const std::atomic<bool>* cancel) override {
    return session_.eval(tokens, {.progress = progress,
                                  .cancel = cancel,
                                  .deadline = options_.deadline,
                                  .key = options_.key,
                                  .weight = options_.weight});
  }
  Status eval_ahead(std::span<const int32_t> tokens, std::span<const int32_t> guesses,
                    const std::atomic<bool>* cancel) override {
    return session_.eval_ahead(tokens, guesses,
                               {.progress = {},
                                .cancel = cancel,
                                .deadline = options_.deadline,
                                .key = options_.key,
                                .weight = options_.weight});
  }
  bool take(int32_t token) override { return session_.take(token); }
  bool may_guess() const override { return session_.may_guess(); }
  size_t n_ahead() const override { return session_.n_ahead(); }
  Session* session() override { return &session_; }
  StepCost last_step() const override { return session_.last_step(); }
  double cost_s() const override { return session_.cost_s(); }

  // The tokens with one of DRY's usual breakers in them.
  std::vector<int32_t> breaker_tokens() const override {
    std::vector<int32_t> breakers;
    for (int32_t id = 0; id < tokenizer().size(); ++id) {
      if (tokenizer().piece(id).find_first_of("\n:\"*") != std::string_view::npos) breakers.push_back(id);
    }
    return breakers;
  }

  // The last token decides whether the next one's leading space is text, so it goes through the detokenizer too.
  Status begin_text(int32_t last, bool render_special) override {
    detokenizer_ = Detokenizer(tokenizer(), {.skip_special = !render_special, .at_text_start = last < 0});
    std::string unused;
    return append_text(last, &unused);
  }
  Status append_text(int32_t token, std::string* bytes) override {
    // A padded output matrix has rows the vocabulary does not: such a token has no text.
    return tokenizer().contains(token) ? detokenizer_.push(token, bytes) : Status();
  }

  std::string open_character() const override {
    constexpr size_t kLongest = 3;  // bytes, and so tokens
    std::string bytes;
    const auto ids = tokens();
    for (size_t back = 1; back <= std::min(kLongest, ids.size()) && bytes.size() < kLongest; ++back) {
      const int32_t id = ids[ids.size() - back];
      if (!tokenizer().contains(id) || tokenizer().is_control(id)) break;
      bytes.insert(0, tokenizer().piece(id));
    }
    for (size_t n = std::min(kLongest, bytes.size()); n > 0; --n) {
      bool complete = false;
      if (utf8_prefix(bytes, bytes.size() - n, &complete) == n && !complete) return bytes.substr(bytes.size() - n);
    }
    return {};
  }

 private:
  const Tokenizer& tokenizer() const { return session_.model().tokenizer(); }
  Session& session_;
  const GenerateOptions& options_;
  Detokenizer detokenizer_;
};

}  // namespace

Result<GenerateResult> generate(Session& session, std::span<const int32_t> prompt, const GenerateOptions& options,
                                const GenerateCallbacks& callbacks) {
  const auto held = session.use();
  SessionSource source(session, options);
  if (const Session* draft = options.speculation.draft; draft != nullptr) {
    if (draft == &session) return Error{ErrorCode::kInvalidArgument, "a session cannot be its own draft"};
    KEDGE_TRY(check_same_vocabulary(session.model().tokenizer(), draft->model().tokenizer()));
  }
  const KvCounts before = session.memory().counts();
  KEDGE_ASSIGN(generation, Generation::begin(source, prompt, options, callbacks));
  // Most stop long before their limit; one that does not, and finds no pages then, gives way or is given way to.
  const auto usual = static_cast<size_t>(session.default_tokens());
  const size_t most = options.max_tokens >= 0 ? static_cast<size_t>(options.max_tokens) : usual;
  const size_t room = source.n_ctx() - source.tokens().size();
  const ExpectedTokens expected{.reserved = std::min(prompt.size() + std::min(most, usual), room),
                                .most = std::min(prompt.size() + most, room)};
  const EvalHooks hooks{.progress = {},
                        .cancel = callbacks.cancel,
                        .deadline = options.deadline,
                        .key = options.key,
                        .weight = options.weight};
  auto admitted = Session::Admission::wait(session, expected, hooks);
  if (!admitted.ok()) KEDGE_TRY(generation->advance(std::move(admitted).error()));
  KEDGE_ASSIGN(result, drive(*generation, source, callbacks));
  KEDGE_TRY(session.settle());
  result.kv_before = before;
  return result;
}

}  // namespace kedge::engine
