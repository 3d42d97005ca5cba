// Generation on a real session.
#include <algorithm>

#include "engine/capi/memory_json.h"
#include "engine/generate.h"
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

  Status eval(std::span<const int32_t> tokens, const std::function<bool(size_t, size_t)>& progress,
              const std::atomic<bool>* cancel) override {
    return session_.eval(tokens,
                         {.progress = progress, .cancel = cancel, .deadline = options_.deadline, .key = options_.key});
  }
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
  const KvCounts before = session.memory().counts();
  KEDGE_ASSIGN(generation, Generation::begin(source, prompt, options, callbacks));
  const auto most = static_cast<size_t>(options.max_tokens >= 0 ? options.max_tokens : session.default_tokens());
  const size_t room = source.n_ctx() - source.tokens().size();
  const EvalHooks hooks{.progress = {}, .cancel = callbacks.cancel, .deadline = options.deadline, .key = options.key};
  auto admitted = Session::Admission::wait(session, std::min(prompt.size() + most, room), hooks);
  if (!admitted.ok()) KEDGE_TRY(generation->advance(std::move(admitted).error()));
  KEDGE_ASSIGN(result, drive(*generation, source, callbacks));
  result.kv = kv_answer_json(session.memory(), before);
  return result;
}

}  // namespace kedge::engine
