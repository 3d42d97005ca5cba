#include "tools/serve/answer_reader.h"

#include <utility>

#include "tools/serve/new_id.h"

namespace kedge::tools::serve {

bool AnswerReader::text(std::string_view text) {
  if (reader_) return hear(reader_->push(text));
  said_ = said_ || !text.empty();
  return out_.text(choice_, text, std::exchange(waiting_, {}));
}

bool AnswerReader::end() {
  const bool good = !reader_ || hear(reader_->push("", true));
  if (in_reasoning_) reasoning_tokens_ += std::exchange(pending_, 0);
  if (waiting_.empty()) return good;
  return out_.text(choice_, "", std::exchange(waiting_, {}));  // the token that ended the answer has no text
}

bool AnswerReader::hear(const kedge::ChatReader::Events& events) {
  if (!events.status.ok() && !broken_) broken_ = events.status.error();
  const Json all = Json::parse(events.json);
  for (const Json& event : all) {
    const bool thinks = event.contains("reasoning");
    // A token belongs to what came of it; the marker that ends reasoning to what follows.
    if (thinks) reasoning_tokens_ += pending_;
    pending_ = 0;
    in_reasoning_ = thinks;
    if (!hear(event)) return false;
  }
  return true;
}

bool AnswerReader::hear(const Json& event) {
  if (event.contains("end")) return true;  // the next call, or the end of the answer, says so too
  const std::vector<TokenInfo> tokens = std::exchange(waiting_, {});
  if (const Json* text = event.pointee("/content")) {
    said_ = true;
    return out_.text(choice_, text->get_ref<const std::string&>(), tokens);
  }
  if (const Json* text = event.pointee("/reasoning")) {
    return out_.reasoning(choice_, text->get_ref<const std::string&>(), tokens);
  }
  if (const Json* json = event.pointee("/arguments")) {
    return out_.arguments(choice_, json->get_ref<const std::string&>(), tokens);
  }
  return begin_call(event, tokens);
}

bool AnswerReader::begin_call(const Json& event, std::span<const TokenInfo> tokens) {
  ToolCall call{.index = calls_++, .id = "", .name = event.value("name", "")};
  said_ = true;
  const Json* id = event.pointee("/id");
  if (id != nullptr && id->is_string()) call.id = id->get<std::string>();
  // Clients tell calls apart by their ids; models repeat themselves.
  if (call.id.empty() || !ids_.insert(call.id).second) call.id = new_id("call_");
  return out_.call(choice_, call, tokens);
}

}  // namespace kedge::tools::serve
