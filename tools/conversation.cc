#include "tools/conversation.h"

#include <algorithm>
#include <optional>

#include "kernels/base/utf8.h"

namespace kedge::tools {

// The text of one answer, taken apart as it comes.
struct Conversation::Reading {
  std::optional<kedge::ChatReader> reader;  // none: all of it is the answer
  OnText on_text;
  std::string answer;

  bool push(std::string_view text, bool end) {
    if (!reader) {
      answer += text;
      return !on_text || on_text(text, false);
    }
    const Json events = Json::parse(reader->push(text, end).json);
    for (const Json& event : events) {
      for (const char* kind : {"reasoning", "content"}) {
        const Json* more = event.pointee(std::string("/") + kind);
        if (more == nullptr) continue;
        const bool reasoning = kind[0] == 'r';
        const auto& said = more->get_ref<const std::string&>();
        if (!reasoning) answer += said;
        if (on_text && !on_text(said, reasoning)) return false;
      }
    }
    return true;
  }
};

void Conversation::use(const kedge::Model& model, kedge::Session& session, bool mark_roles) {
  model_ = &model;
  session_ = &session;
  mark_roles_ = mark_roles;
  reasoning_ = reasoning_marks(model);
}

// Segments stay empty when roles are not marked.
kedge::Result<kedge::MarkedTokens> Conversation::tokenize(const Json& messages) {
  const std::string text = request_text(messages);
  if (mark_roles_) return model_->chat_tokenize_marked(text, template_options_);
  auto tokens = model_->chat_tokenize(text, template_options_);
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
  if (const auto told = session_->add_segments(fresh.dump()); !told.ok()) return told.error();
  return {};
}

// A model that reasons may do so before what has to obey the constraint.
kedge::Result<std::unique_ptr<Conversation::Reading>> Conversation::read_reasoning(std::span<const int32_t> prompt,
                                                                                   kedge::GenerateOptions& options,
                                                                                   Json constraint) {
  auto reading = std::make_unique<Reading>();
  if (!reasoning_.is_null()) {
    const bool open = reasoning_is_open(*model_, prompt, reasoning_);
    auto reader = kedge::ChatReader::create(*model_, Json{{"reasoning_open", open}}.dump());
    if (!reader.ok()) return reader.error();
    reading->reader = *std::move(reader);
    options.render_special = true;  // the markers
    const Json settings = Json::parse(template_options_);
    const Json* thinking = settings.pointee("/enable_thinking");
    const bool may_think = open || thinking == nullptr || *thinking != false;
    if (may_think && (!constraint.is_null() || budget_.given())) constraint["reasoning"] = budget_.of(reasoning_, open);
  }
  if (!constraint.is_null()) options.constraint = constraint.dump();
  return reading;
}

kedge::Result<Conversation::Turn> Conversation::say(const std::string& message, const kedge::GenerateOptions& given,
                                                    const Json& constraint, const OnText& on_text) {
  if (!utf8_valid(message)) return kedge::Error{KEDGE_INVALID_ARGUMENT, "the message is not valid UTF-8"};
  Json messages = messages_;
  messages.push_back({{"role", "user"}, {"content", message}});
  if (!utf8_valid(messages.front().value("content", ""))) {
    return kedge::Error{KEDGE_INVALID_ARGUMENT, "the system message is not valid UTF-8"};
  }
  const auto prompt = tokenize(messages);
  if (!prompt.ok()) return prompt.error();

  const std::span<const int32_t> ids(prompt->tokens);
  // Before the session and its memory learn of it.
  if (const auto n_ctx = session_->info().n_ctx; ids.size() > static_cast<size_t>(n_ctx)) {
    return kedge::Error{
        KEDGE_CAPACITY,
        format("with this message the conversation has %zu tokens, the context has room for %d", ids.size(), n_ctx)};
  }
  kedge::GenerateOptions options = given;
  auto made = read_reasoning(ids, options, constraint);
  if (!made.ok()) return made.error();
  Reading& reading = **made;
  reading.on_text = on_text;
  options.on_text = [&](std::string_view text) { return reading.push(text, false); };

  const auto held = session_->tokens();
  const size_t limit = std::min(held.size(), ids.size() - std::min<size_t>(1, ids.size()));  // one token must be read
  const size_t common = static_cast<size_t>(
      std::mismatch(held.begin(), held.begin() + static_cast<std::ptrdiff_t>(limit), ids.begin()).first - held.begin());
  if (const auto status = session_->truncate(static_cast<int>(common)); !status.ok()) return status.error();

  if (const auto status = announce(prompt->segments, common); !status.ok()) return status.error();

  const auto generation = session_->generate(ids.subspan(common), options);
  if (!generation.ok()) return generation.error();
  (void)reading.push("", true);  // what the reader still held
  const kedge_generation_result& r = generation->result();
  Turn turn{.text = reading.answer,
            .finish = generation->finish_reason(),
            .n_reused = common,
            .n_prompt = r.n_prompt,
            .n_generated = r.n_tokens,
            .prefill_ms = r.prefill_ms,
            .decode_ms = r.decode_ms,
            .kv = std::string(generation->kv()),
            .unfinished = generation->unfinished()};
  // A turn stopped before its first word leaves no empty answer behind.
  if (turn.finish == KEDGE_FINISH_CANCELLED && turn.text.empty()) return turn;
  messages_ = std::move(messages);
  messages_.push_back({{"role", "assistant"}, {"content", turn.text}});
  return turn;
}

bool Conversation::fits(const std::string& message) {
  Json all = messages_;
  all.push_back({{"role", "user"}, {"content", message}});
  const auto prompt = tokenize(all);
  return prompt.ok() && prompt->tokens.size() < static_cast<size_t>(session_->info().n_ctx);
}

kedge::Result<size_t> Conversation::make_room(const std::string& message, size_t room) {
  const auto n_ctx = static_cast<size_t>(session_->info().n_ctx);
  const bool instructed = !messages_.empty() && messages_.front().value("role", "") == "system";
  Json kept = messages_;
  for (size_t turns = 0;; ++turns) {
    Json all = kept;
    if (!message.empty()) all.push_back({{"role", "user"}, {"content", message}});
    const size_t first = instructed ? 1 : 0;
    if (all.size() <= first) return messages_ = kept, turns;
    const auto prompt = tokenize(all);
    if (!prompt.ok()) return prompt.error();
    if (prompt->tokens.size() + room <= n_ctx) return messages_ = kept, turns;
    if (kept.size() <= first) {
      return kedge::Error{KEDGE_CAPACITY, format("this message alone has %zu tokens, the context has room for %zu",
                                                 prompt->tokens.size(), n_ctx)};
    }
    // A message of the user's, and what follows up to the next one.
    Json rest = Json::array();
    bool dropping = true;
    for (size_t i = 0; i < kept.size(); ++i) {
      if (i > first && kept.at(i).value("role", "") == "user") dropping = false;
      if (i < first || !dropping) rest.push_back(kept.at(i));
    }
    kept = std::move(rest);
  }
}

}  // namespace kedge::tools
