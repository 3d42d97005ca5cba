#include "tools/settings_file.h"

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include <algorithm>
#include <charconv>

namespace kedge::tools {

namespace {

struct Reader {
  const std::string& name;
  std::vector<std::pair<size_t, WrittenSetting>> found;  // by line

  std::string at(const toml::node& node) const { return name + ":" + std::to_string(node.source().begin.line); }

  std::string word(const toml::node& node, const std::string& key) const {
    if (const auto* text = node.as_string()) return text->get();
    if (const auto* number = node.as_integer()) return std::to_string(number->get());
    if (const auto* truth = node.as_boolean()) return truth->get() ? "true" : "false";
    if (const auto* number = node.as_floating_point()) {
      char buffer[64];
      const auto end = std::to_chars(buffer, buffer + sizeof buffer, number->get());
      return {buffer, end.ptr};
    }
    throw Failure(at(node) + ": " + key + ": a setting is a text, a number, true, false, or a list of texts or numbers",
                  kExitUsage);
  }

  void read(const toml::table& table, std::vector<std::string>& key) {
    for (const auto& [k, node] : table) {
      key.emplace_back(k.str());
      if (const toml::table* below = node.as_table()) {
        read(*below, key);
      } else {
        WrittenSetting setting{.key = key, .words = {}, .where = at(node), .is_switch = node.is_boolean()};
        if (const toml::array* list = node.as_array()) {
          for (const toml::node& element : *list) setting.words.push_back(word(element, key.back()));
        } else {
          setting.words.push_back(word(node, key.back()));
        }
        found.emplace_back(node.source().begin.line, std::move(setting));
      }
      key.pop_back();
    }
  }
};

}  // namespace

std::vector<WrittenSetting> parse_settings(const std::string& text, const std::string& name) {
  const toml::parse_result parsed = toml::parse(text, name);
  if (!parsed) {
    const auto& e = parsed.error();
    throw Failure(name + ":" + std::to_string(e.source().begin.line) + ": " + std::string(e.description()), kExitUsage);
  }
  Reader reader{.name = name, .found = {}};
  std::vector<std::string> key;
  reader.read(parsed.table(), key);
  std::stable_sort(reader.found.begin(), reader.found.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<WrittenSetting> settings;
  for (auto& [line, setting] : reader.found) settings.push_back(std::move(setting));
  return settings;
}

}  // namespace kedge::tools
