#include "tools/conversation.h"

#include <algorithm>

#include "kernels/base/utf8.h"

namespace kedge::tools {

void Conversation::reset(const std::string& system) {
  system_ = system;
  messages_ = Json::array();
  if (!system.empty()) messages_.push_back({{"role", "system"}, {"content", system}});
}

// Segments stay empty when roles are not marked.
kedge::Result<kedge::MarkedTokens> Conversation::tokenize(const Json& messages) {
  const std::string text = request_text(messages);
  if (mark_roles_) return model_.chat_tokenize_marked(text, template_options_);
  auto tokens = model_.chat_tokenize(text, template_options_);
  if (!tokens.ok()) return tokens.error();
  return kedge::MarkedTokens{*std::move(tokens), ""};
}

// The part of the segments behind what the session holds, whose segments it knows.
kedge::Status Conversation::announce(const std::string& segments, size_t held) {
  if (segments.empty()) return {};
  Json fresh = Json::array();
  Json known = Json::parse(segments);
  for (Json& segment : known) {
    Json& range = segment["range"];
    if (range.at(1).get<size_t>() <= held) continue;
    range[0] = std::max(range.at(0).get<size_t>(), held);
    fresh.push_back(std::move(segment));
  }
  if (const auto told = session_.add_segments(fresh.dump()); !told.ok()) return told.error();
  return {};
}

kedge::Result<Conversation::Turn> Conversation::say(const std::string& message, const kedge::GenerateOptions& options) {
  if (!utf8_valid(message)) return kedge::Error{KEDGE_INVALID_ARGUMENT, "the message is not valid UTF-8"};
  if (!utf8_valid(system_)) return kedge::Error{KEDGE_INVALID_ARGUMENT, "the system message is not valid UTF-8"};
  Json messages = messages_;
  messages.push_back({{"role", "user"}, {"content", message}});
  const auto prompt = tokenize(messages);
  if (!prompt.ok()) return prompt.error();

  const std::span<const int32_t> ids(prompt->tokens);
  // Before the session and its memory learn of it.
  if (const auto n_ctx = session_.info().n_ctx; ids.size() > static_cast<size_t>(n_ctx)) {
    return kedge::Error{
        KEDGE_CAPACITY,
        format("with this message the conversation has %zu tokens, the context has room for %d", ids.size(), n_ctx)};
  }
  const auto held = session_.tokens();
  const size_t limit = std::min(held.size(), ids.size() - std::min<size_t>(1, ids.size()));  // one token must be read
  const size_t common = static_cast<size_t>(
      std::mismatch(held.begin(), held.begin() + static_cast<std::ptrdiff_t>(limit), ids.begin()).first - held.begin());
  if (const auto status = session_.truncate(static_cast<int>(common)); !status.ok()) return status.error();

  if (const auto status = announce(prompt->segments, common); !status.ok()) return status.error();

  const auto generation = session_.generate(ids.subspan(common), options);
  if (!generation.ok()) return generation.error();
  const kedge_generation_result& r = generation->result();
  Turn turn{.text = std::string(generation->text()),
            .finish = generation->finish_reason(),
            .n_reused = common,
            .n_prompt = r.n_prompt,
            .n_generated = r.n_tokens,
            .prefill_ms = r.prefill_ms,
            .decode_ms = r.decode_ms,
            .kv = std::string(generation->kv())};
  // A turn stopped before its first word leaves no empty answer behind.
  if (turn.finish == KEDGE_FINISH_CANCELLED && turn.text.empty()) return turn;
  messages_ = std::move(messages);
  messages_.push_back({{"role", "assistant"}, {"content", turn.text}});
  return turn;
}

}  // namespace kedge::tools
