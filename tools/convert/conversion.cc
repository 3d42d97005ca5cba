#include "tools/convert/conversion.h"

#include <algorithm>
#include <memory>

#include "weights/quantize_rules.h"

namespace kedge::tools::convert {

namespace families {
#define KEDGE_ENTRY(stem) extern constinit const Family stem;
#include "registry/convert_families.inc"
#undef KEDGE_ENTRY
}  // namespace families

namespace {

constexpr const Family* kFamilies[] = {
#define KEDGE_ENTRY(stem) &families::stem,
#include "registry/convert_families.inc"
#undef KEDGE_ENTRY
};

bool has_word(std::string_view words, std::string_view word) {
  const std::string list = " " + std::string(words) + " ";
  return !word.empty() && list.find(" " + std::string(word) + " ") != std::string::npos;
}

}  // namespace

const Family* find_family(std::string_view model_type) {
  for (const Family* f : kFamilies) {
    if (has_word(f->model_types, model_type)) return f;
  }
  return nullptr;
}

std::string known_model_types() {
  std::vector<std::string> names;
  for (const Family* f : kFamilies) {
    std::string_view words = f->model_types;
    for (size_t end = 0; !words.empty(); words.remove_prefix(std::min(words.size(), end + 1))) {
      end = words.find(' ');
      names.emplace_back(words.substr(0, end));
      if (end == std::string_view::npos) break;
    }
  }
  std::sort(names.begin(), names.end());
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return list;
}

std::string Conversion::local_name(const std::string& name) const {
  for (const auto& [from, to] : renames_) {
    if (name.starts_with(from)) return to + name.substr(from.size());
  }
  return name;
}

bool Conversion::is_left_out(std::string_view name) const {
  return std::any_of(left_out_.begin(), left_out_.end(),
                     [&](const std::string& pattern) { return matches_pattern(pattern, name); });
}

void Conversion::add_vector(const std::string& name, std::vector<float> values) {
  PlannedTensor t;
  t.name = name;
  t.dims = {static_cast<int64_t>(values.size())};
  t.read = [all = std::make_shared<const std::vector<float>>(std::move(values))](size_t, float* row) {
    std::copy(all->begin(), all->end(), row);
  };
  tensors.push_back(std::move(t));
}

}  // namespace kedge::tools::convert
