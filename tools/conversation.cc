#include "tools/conversation.h"

#include <algorithm>

namespace kedge::tools {

void Conversation::reset(const std::string& system) {
  system_ = system;
  messages_ = Json::array();
  if (!system.empty()) messages_.push_back({{"role", "system"}, {"content", system}});
}

api::Result<Conversation::Turn> Conversation::say(const std::string& message, const api::GenerateOptions& options) {
  Json messages = messages_;
  messages.push_back({{"role", "user"}, {"content", message}});
  const auto prompt =
      model_.chat_tokenize(messages.dump(-1, ' ', false, Json::error_handler_t::replace), template_options_);
  if (!prompt.ok()) return prompt.error();

  const std::span<const int32_t> ids(*prompt);
  const auto held = session_.tokens();
  const size_t limit = std::min(held.size(), ids.size() - std::min<size_t>(1, ids.size()));  // one token must be read
  const size_t common = static_cast<size_t>(
      std::mismatch(held.begin(), held.begin() + static_cast<std::ptrdiff_t>(limit), ids.begin()).first - held.begin());
  if (const auto status = session_.truncate(static_cast<int>(common)); !status.ok()) return status.error();

  const auto generation = session_.generate(ids.subspan(common), options);
  if (!generation.ok()) return generation.error();
  const kedge_generation_result& r = generation->result();
  Turn turn{.text = std::string(generation->text()),
            .finish = generation->finish_reason(),
            .n_reused = common,
            .n_prompt = r.n_prompt,
            .n_generated = r.n_tokens,
            .prefill_ms = r.prefill_ms,
            .decode_ms = r.decode_ms};
  // A turn stopped before its first word leaves no empty answer behind.
  if (turn.finish == KEDGE_FINISH_CANCELLED && turn.text.empty()) return turn;
  messages_ = std::move(messages);
  messages_.push_back({{"role", "assistant"}, {"content", turn.text}});
  return turn;
}

}  // namespace kedge::tools
