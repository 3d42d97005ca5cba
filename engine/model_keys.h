// The keys of a file, each noted when it is asked for. What nobody asked for is refused by its name, unless a rule
// says that it cannot change a result: a key that this program does not know may mean other numbers.
#pragma once

#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/result.h"
#include "weights/gguf_metadata.h"

namespace kedge::engine {

// A key that may stay unread: whatever its value (`values` empty), or with one of these values, which change nothing.
struct HarmlessKey {
  std::string_view name;  // behind the prefix; "*_token_id" is every name that ends so
  std::vector<double> values = {};
};

class ModelKeys {
 public:
  explicit ModelKeys(const GgufMetadata& metadata) : metadata_(&metadata) {}

  const std::string& file() const { return metadata_->file(); }
  bool has(std::string_view key) { return note(key).has(key); }
  const GgufEntry* find(std::string_view key) { return note(key).find(key); }
  // As GgufMetadata has them.
  auto get_u32(std::string_view key) { return note(key).get_u32(key); }
  auto get_u32_or(std::string_view key, uint32_t otherwise) { return note(key).get_u32_or(key, otherwise); }
  auto get_f32(std::string_view key) { return note(key).get_f32(key); }
  auto get_f32_or(std::string_view key, float otherwise) { return note(key).get_f32_or(key, otherwise); }
  auto get_bool(std::string_view key) { return note(key).get_bool(key); }
  auto get_bool_or(std::string_view key, bool otherwise) { return note(key).get_bool_or(key, otherwise); }
  auto get_string(std::string_view key) { return note(key).get_string(key); }
  auto get_string_or(std::string_view key, std::string_view otherwise) {
    return note(key).get_string_or(key, otherwise);
  }
  auto get_strings(std::string_view key) { return note(key).get_strings(key); }
  auto get_f32s(std::string_view key) { return note(key).get_f32s(key); }
  auto get_u32_per_layer(std::string_view key, uint32_t n) { return note(key).get_u32_per_layer(key, n); }
  auto get_bool_per_layer(std::string_view key, uint32_t n) { return note(key).get_bool_per_layer(key, n); }
  auto get_i32s(std::string_view key) { return note(key).get_i32s(key); }

  // An error that names the keys that begin with `prefix`, that nobody asked for and that no rule covers
  // (kUnsupported); `ignored` gets those a rule covers.
  Status check_all_read(std::string_view prefix, std::span<const HarmlessKey> harmless,
                        std::vector<std::string>* ignored) const;

 private:
  const GgufMetadata& note(std::string_view key) {
    asked_.emplace(key);
    return *metadata_;
  }

  const GgufMetadata* metadata_;
  std::set<std::string, std::less<>> asked_;
};

// "a, b, c and 4 more"
std::string some_names(const std::vector<std::string>& names);

}  // namespace kedge::engine
