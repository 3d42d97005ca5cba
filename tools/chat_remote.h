// A chat with a model of a server: the server has the model, the messages are here.
#pragma once

#include <string>

#include "tools/chat_talk.h"
#include "tools/constraint_flags.h"
#include "tools/model_flags.h"
#include "tools/remote.h"

namespace kedge::tools {

struct RemoteChatOptions {
  const Remote& remote;
  std::string model;  // empty: what the server says
  std::string system;
  int max_tokens = -1;        // -1: the server's default
  int reasoning_budget = -1;  // likewise
  const SamplerFlags& sampler;
  const ConstraintFlags& constraint;
  ChatLooks looks = {};
  const SavedChat* keep = nullptr;  // null: not kept
};

void chat_remote(const RemoteChatOptions& options);

}  // namespace kedge::tools
