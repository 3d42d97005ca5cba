// A chat with a model: the messages so far, and the session that has read them. What the session already holds is never
// read twice: each turn evaluates only what follows the longest common beginning.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "tools/command.h"
#include "tools/reasoning.h"

namespace kedge::tools {

class Conversation {
 public:
  struct Turn {
    std::string text;  // without the reasoning before it
    kedge_finish_reason finish = KEDGE_FINISH_STOP_TOKEN;
    size_t n_reused = 0;  // prompt tokens the session already held
    size_t n_prompt = 0;  // prompt tokens evaluated now
    size_t n_generated = 0;
    double prefill_ms = 0;
    double decode_ms = 0;
    std::string kv;           // JSON: what the memory did
    bool unfinished = false;  // it ended where its constraint's text is not whole
  };

  // An answer as it comes; false: enough.
  using OnText = std::function<bool(std::string_view text, bool reasoning)>;

  explicit Conversation(std::string template_options, ReasoningBudget budget = {})
      : template_options_(std::move(template_options)), budget_(budget) {}

  // Who answers from here on; both outlive this, or the next such call. `mark_roles`: the memory is told whose tokens
  // are whose, for a session that evicts.
  void use(const kedge::Model& model, kedge::Session& session, bool mark_roles);

  // [{"role", "content"}, ...], the system's first where there is one.
  const Json& messages() const { return messages_; }
  void restore(Json messages) { messages_ = std::move(messages); }
  // Adds the user's message and the model's answer. When the model fails (the context is full, say) the message is
  // taken back: the conversation is as before. `constraint`: null, or as kedge_generate_options has it.
  kedge::Result<Turn> say(const std::string& message, const kedge::GenerateOptions& options, const Json& constraint,
                          const OnText& on_text);
  // Whether the context has room for it and an answer's first token.
  bool fits(const std::string& message);
  // Forgets the oldest turns, until with this message (empty: none) there is room for so many tokens. How many turns.
  kedge::Result<size_t> make_room(const std::string& message, size_t room);

 private:
  struct Reading;
  kedge::Result<std::unique_ptr<Reading>> read_reasoning(std::span<const int32_t> prompt,
                                                         kedge::GenerateOptions& options, Json constraint);
  kedge::Result<kedge::MarkedTokens> tokenize(const Json& messages);
  kedge::Status announce(const std::string& segments, size_t held);

  const kedge::Model* model_ = nullptr;
  kedge::Session* session_ = nullptr;
  std::string template_options_;
  ReasoningBudget budget_;
  bool mark_roles_ = false;
  Json reasoning_;  // its two markers; null: the model has none
  Json messages_ = Json::array();
};

}  // namespace kedge::tools
