// Schemas and constants by number, in the order they are reached, each with its JSON pointer for messages; and where a
// $ref leads.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>

#include "kernels/base/json.h"
#include "kernels/base/result.h"

namespace kedge::engine::grammar {

class SchemaPlaces {
 public:
  // `root` outlives it.
  SchemaPlaces(const Json& root, std::string pointer);

  uint32_t root() const { return 0; }
  uint32_t nothing() const { return 1; }  // the schema `false`
  // Equal texts are one place, the first of them: they mean the same wherever they stand, and share an expression.
  uint32_t of(const Json& json, const std::string& pointer);
  // A value within that of `place`: tokens of a pointer from there.
  uint32_t below(uint32_t place, const Json& json, std::string_view token) { return of(json, at(place, token)); }
  std::string at(uint32_t place, std::string_view token) const;
  const Json& json(uint32_t place) const { return *places_[place].json; }
  const std::string& pointer(uint32_t place) const { return places_[place].pointer; }

  // $schema names a draft before 2019-09: a $ref stands alone, and keywords of content may be asserted.
  bool is_old_draft() const { return is_old_draft_; }
  // `at`: of the $ref, for messages. Errors: kInvalidArgument (nothing there), kUnsupported (outside of this schema).
  Result<uint32_t> resolve(std::string_view reference, const std::string& at);

 private:
  struct Place {
    const Json* json;
    std::string pointer;
  };
  Result<uint32_t> resolve_pointer(std::string_view tokens, const std::string& at);
  void find_anchors(const Json& json, const std::string& pointer);

  std::deque<Place> places_;  // pointers of one stay where they are while others are added
  std::map<const Json*, uint32_t> known_;
  std::unordered_map<std::string, uint32_t> by_text_;
  std::string id_;
  bool is_old_draft_ = false;
  bool anchors_found_ = false;
  std::multimap<std::string, uint32_t, std::less<>> anchors_;
  Json false_ = false;
};

}  // namespace kedge::engine::grammar
