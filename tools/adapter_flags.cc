#include "tools/adapter_flags.h"

#include <charconv>
#include <cmath>
#include <filesystem>

namespace kedge::tools {

namespace {

// "FILE:0.5"; a file whose own name is like that is meant as it stands.
std::pair<std::string, float> file_and_scale(const std::string& text) {
  std::error_code error;
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || std::filesystem::exists(text, error)) return {text, 1.0f};
  float scale = 0;
  const char* end = text.data() + text.size();
  const auto [rest, problem] = std::from_chars(text.data() + colon + 1, end, scale);
  if (problem != std::errc() || rest != end || !std::isfinite(scale)) {
    throw Failure("'" + text + "': no such file, and '" + text.substr(colon + 1) + "' is no scale", kExitUsage);
  }
  return {text.substr(0, colon), scale};
}

}  // namespace

void AdapterFlags::add_to(CLI::App* command) {
  const CLI::CommonOptions common(command);
  command
      ->add_option("--lora", lora_,
                   "LoRA adapter (GGUF) to add, by SCALE of what it was trained to add [1] (may be repeated)")
      ->type_name("FILE[:SCALE]")
      ->allow_extra_args(false);
  command
      ->add_option("--control-vector", control_,
                   "Control vector (GGUF) to add behind the layers, times SCALE [1] (may be repeated)")
      ->type_name("FILE[:SCALE]")
      ->allow_extra_args(false);
}

std::vector<AdapterFlags::Named> AdapterFlags::named() const {
  std::vector<Named> all;
  for (const auto* list : {&lora_, &control_}) {
    for (const std::string& text : *list) {
      auto [file, scale] = file_and_scale(text);
      all.push_back({std::move(file), scale});
    }
  }
  return all;
}

std::vector<kedge_adapter_use> AdapterFlags::open(const kedge::Model& model) {
  const std::vector<Named> all = named();
  while (opened_.size() < all.size()) {
    const size_t i = opened_.size();
    kedge::Adapter adapter = need(kedge::Adapter::open(model, all[i].file));
    const bool is_lora = Json::parse(need(adapter.describe())).at("kind") == "lora";
    if (is_lora != (i < lora_.size())) {
      throw Failure(all[i].file + (is_lora ? ": is a LoRA adapter: --lora" : ": is a control vector: --control-vector"),
                    kExitUsage);
    }
    opened_.push_back(std::move(adapter));
  }
  std::vector<kedge_adapter_use> uses;
  for (size_t i = 0; i < all.size(); ++i) uses.push_back(opened_[i].use(all[i].scale));
  return uses;
}

Json AdapterFlags::json() const {
  Json list = Json::array();
  for (const Named& n : named()) list.push_back({{"file", n.file}, {"scale", n.scale}});
  return list;
}

}  // namespace kedge::tools
