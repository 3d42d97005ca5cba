#include "engine/json_in.h"

namespace kedge {

namespace {

constexpr int kMaxDepth = 64;

Status check_depth(std::string_view text, const char* name) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '[' || c == '{') ++depth;
    if (c == ']' || c == '}') --depth;
    if (depth > kMaxDepth) {
      return Error{ErrorCode::kCapacity, std::string(name) + ": JSON nested deeper than " + std::to_string(kMaxDepth)};
    }
  }
  return {};
}

}  // namespace

Result<Json> parse_json(std::string_view text, const char* name) {
  KEDGE_TRY(check_depth(text, name));
  try {
    return Json::parse(text);
  } catch (const Json::exception& e) {
    return Error{ErrorCode::kInvalidArgument, std::string(name) + " is not JSON: " + e.what()};
  }
}

}  // namespace kedge
