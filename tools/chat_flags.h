// The flags of `kedge chat`.
#pragma once

#include <optional>
#include <string>

#include "tools/adapter_flags.h"
#include "tools/chat_talk.h"
#include "tools/constraint_flags.h"
#include "tools/kv_flags.h"
#include "tools/model_flags.h"
#include "tools/reasoning.h"
#include "tools/remote.h"

namespace kedge::tools {

struct ChatFlags {
  ModelFlags model;
  SessionFlags session;
  KvFlags kv;
  AdapterFlags adapters;
  SamplerFlags sampler;
  ConstraintFlags constraint;
  Remote remote;
  std::string system;
  std::string resume;
  std::string reasoning = "show";
  ReasoningBudget reasoning_budget;
  int n = -1;
  bool model_named = false;  // on the command line
  bool thinking = false;
  bool no_thinking = false;
  bool no_color = false;
  bool plain = false;
  bool tint = false;
  bool no_save = false;

  ChatLooks looks() const;  // of standard output as it is
};

// A chat with a model that runs here. `keep`: null when the conversation is not to be kept.
void chat_local(ChatFlags& flags, const SavedChat* keep);

}  // namespace kedge::tools
