// What somebody asks of the router.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/json.h"
#include "kernels/base/result.h"
#include "router/comparator.h"
#include "tokenizer/chat_template.h"

namespace kedge::router {

enum class Grounding {
  kNever,
  kWeak,    // retrieve when the answer from memory is weak
  kAlways,  // answer from retrieved passages only
};

struct AskRequest {
  std::vector<ChatMessage> messages;  // the last one is the user's
  bool allow_special = false;         // control tokens written out in messages count: only for text one trusts
  std::string model = "auto";         // or an alias or name of the pool, which is then the only one asked
  std::vector<Evidence> evidence;     // passages to answer from, given by the caller
  Grounding grounding = Grounding::kNever;
  std::string index;  // to ground in; empty: the configuration's
  std::optional<double> min_confidence;
  std::optional<double> deadline_s;
  std::optional<int> max_attempts;
  std::optional<bool> abstain;
  double temperature = 0;
  uint64_t seed = 0;
  int max_tokens = 512;
  Json schema;               // null: none
  std::string pattern;       // empty: none
  std::string conversation;  // an id of the caller's, kept in the record
  bool record = true;        // false: not written to the audit log
  bool compare = false;      // ask fast and deep, and say how they differ
  std::string json;          // the request as it came, for the record

  const std::string& question() const { return messages.back().content; }
};

// Members: see kedge_router_ask in kedge_router.h. Errors: kInvalidArgument, naming the member.
Result<AskRequest> parse_ask_request(std::string_view json);

}  // namespace kedge::router
