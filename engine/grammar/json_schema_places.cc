#include "engine/grammar/json_schema_places.h"

#include <algorithm>
#include <charconv>

#include "engine/grammar/json_schema_keywords.h"
#include "kernels/base/utf8_cut.h"

namespace kedge::engine::grammar {
namespace {

using base::ErrorCode;

const std::string* text_member(const Json& json, std::string_view key) {
  const auto found = json.find(key);
  return json.is_object() && found != json.end() && found->is_string() ? &found->get_ref<const std::string&>()
                                                                       : nullptr;
}

// Another schema than the one it stands in, by its own name. "#name" is an anchor in drafts 4 to 7.
bool has_own_id(const Json& json) {
  for (const char* key : {"$id", "id"}) {
    const std::string* id = text_member(json, key);
    if (id != nullptr && !id->starts_with("#")) return true;
  }
  return false;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    const char* digits = text.data() + i + 1;
    if (text[i] == '%' && i + 2 < text.size() && std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
      out += static_cast<char>(byte);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string unescaped(std::string_view token) {
  std::string out;
  for (size_t i = 0; i < token.size(); ++i) {
    const bool escape = token[i] == '~' && i + 1 < token.size() && (token[i + 1] == '0' || token[i + 1] == '1');
    out += escape ? (token[++i] == '0' ? '~' : '/') : token[i];
  }
  return out;
}

const Json* child(const Json& json, const std::string& token) {
  if (json.is_object()) {
    const auto found = json.find(token);
    return found == json.end() ? nullptr : &*found;
  }
  size_t index = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), index);
  const bool number = error == std::errc() && end == token.data() + token.size();
  return json.is_array() && number && index < json.size() ? &json[index] : nullptr;
}

}  // namespace

SchemaPlaces::SchemaPlaces(const Json& root, std::string pointer) {
  of(root, pointer);
  of(false_, pointer);
  if (const std::string* id = text_member(root, "$id")) id_ = *id;
  if (const std::string* id = text_member(root, "id"); id != nullptr && id_.empty()) id_ = *id;
  if (id_.ends_with("#")) id_.pop_back();
  if (const std::string* draft = text_member(root, "$schema")) {
    for (const char* old : {"draft-03", "draft-04", "draft-06", "draft-07"}) {
      is_old_draft_ = is_old_draft_ || draft->find(old) != std::string::npos;
    }
  }
}

uint32_t SchemaPlaces::of(const Json& json, const std::string& pointer) {
  const auto next = static_cast<uint32_t>(places_.size());
  const auto [known, is_new] = known_.try_emplace(&json, next);
  if (!is_new) return known->second;
  known->second = by_text_.try_emplace(json.dump(), next).first->second;
  if (known->second == next) places_.push_back({&json, pointer});
  return known->second;
}

std::string SchemaPlaces::at(uint32_t place, std::string_view token) const {
  return places_[place].pointer + pointer_token(token);
}

Result<uint32_t> SchemaPlaces::resolve(std::string_view reference, const std::string& at) {
  const std::string quoted = "'" + std::string(base::utf8_cut(reference, 80)) + "'";
  std::string_view rest = reference;
  if (!id_.empty() && rest.starts_with(id_)) rest.remove_prefix(id_.size());
  if (rest.empty() || rest == "#") return root();
  if (rest.starts_with("#/")) return resolve_pointer(rest.substr(1), at);
  if (!rest.starts_with("#")) {
    return schema_error(ErrorCode::kUnsupported, at,
                        "$ref " + quoted + " leads out of this schema, or to a part by its $id");
  }
  if (!anchors_found_) find_anchors(json(root()), pointer(root()));
  anchors_found_ = true;
  const auto [first, last] = anchors_.equal_range(rest.substr(1));
  if (first == last || std::next(first) != last) {
    return schema_error(ErrorCode::kInvalidArgument, at,
                        "$ref " + quoted + (first == last ? " leads nowhere" : " is the name of more than one schema"));
  }
  return first->second;
}

Result<uint32_t> SchemaPlaces::resolve_pointer(std::string_view tokens, const std::string& at) {
  const Json* json = places_[root()].json;
  std::string pointer = places_[root()].pointer;
  const std::string text = percent_decoded(tokens);
  for (size_t begin = 1; begin <= text.size();) {
    const size_t end = std::min(text.find('/', begin), text.size());
    const std::string token = unescaped(std::string_view(text).substr(begin, end - begin));
    if (json != places_[root()].json && has_own_id(*json)) {
      return schema_error(ErrorCode::kUnsupported, at,
                          "$ref '#" + text + "' leads through a schema with an $id of its own");
    }
    json = child(*json, token);
    if (json == nullptr) {
      return schema_error(ErrorCode::kInvalidArgument, at,
                          "$ref '#" + std::string(base::utf8_cut(text, 80)) + "' leads nowhere");
    }
    pointer += pointer_token(token);
    begin = end + 1;
  }
  return of(*json, pointer);
}

void SchemaPlaces::find_anchors(const Json& json, const std::string& pointer) {
  if (json.is_array()) {
    for (size_t i = 0; i < json.size(); ++i) find_anchors(json[i], pointer + "/" + std::to_string(i));
  }
  if (!json.is_object() || (&json != places_[root()].json && has_own_id(json))) return;
  for (const char* key : {"$anchor", "$dynamicAnchor", "$id", "id"}) {
    const std::string* name = text_member(json, key);
    const bool names_itself = key[0] == '$' && key[1] != 'i';
    if (name == nullptr || (!names_itself && !name->starts_with("#"))) continue;
    anchors_.emplace(names_itself ? *name : name->substr(1), of(json, pointer));
  }
  for (const auto& [key, member] : json.items()) {
    if (key != "enum" && key != "const" && key != "default" && key != "examples" && key != "example") {
      find_anchors(member, pointer + pointer_token(key));
    }
  }
}

}  // namespace kedge::engine::grammar
