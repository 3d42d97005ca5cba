// A chat with a model: the messages so far, and the session that has read them. What the session already holds is never
// read twice: each turn evaluates only what follows the longest common beginning.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "tools/command.h"

namespace kedge::tools {

class Conversation {
 public:
  struct Turn {
    std::string text;
    kedge_finish_reason finish = KEDGE_FINISH_STOP_TOKEN;
    size_t n_reused = 0;  // prompt tokens the session already held
    size_t n_prompt = 0;  // prompt tokens evaluated now
    size_t n_generated = 0;
    double prefill_ms = 0;
    double decode_ms = 0;
    std::string kv;  // JSON: what the memory did
  };

  // `mark_roles`: the memory is told whose tokens are whose, for a session that evicts.
  Conversation(const kedge::Model& model, kedge::Session& session, std::string template_options, bool mark_roles)
      : model_(model), session_(session), template_options_(std::move(template_options)), mark_roles_(mark_roles) {}

  // Forgets all turns; a system message (empty: none) begins the next conversation.
  void reset(const std::string& system);
  // Adds the user's message and the model's answer. When the model fails (the context is full, say) the message is
  // taken back: the conversation is as before.
  kedge::Result<Turn> say(const std::string& message, const kedge::GenerateOptions& options);

  size_t n_messages() const { return messages_.size(); }
  const std::string& system() const { return system_; }

 private:
  kedge::Result<kedge::MarkedTokens> tokenize(const Json& messages);
  kedge::Status announce(const std::string& segments, size_t held);

  const kedge::Model& model_;
  kedge::Session& session_;
  std::string template_options_;
  bool mark_roles_;
  std::string system_;
  Json messages_ = Json::array();
};

}  // namespace kedge::tools
