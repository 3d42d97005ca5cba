#include "tools/settings.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <set>

#include "tools/nearest.h"
#include "tools/presets.h"
#include "tools/state_folder.h"
#include "tools/variable.h"

namespace kedge::tools {

namespace {

using Names = std::vector<std::string>;
constexpr const char* kPresets = "presets";
constexpr const char* kServe = "serve";  // it reads its variables itself (tools/serve/settings.h)
// Variables that are read elsewhere.
constexpr const char* kOthers[] = {"KEDGE_ISA",     "KEDGE_MODELS",  "KEDGE_MIRROR", "KEDGE_SERVE_KEY",
                                   "KEDGE_LIBRARY", "KEDGE_COMMAND", "KEDGE_NODE"};

std::string joined(const Names& names, const char* between) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : between) + name;
  return text;
}

CLI::App* below(CLI::App& app, const std::string& name) {
  for (const auto& command : app.commands()) {
    if (command->get_name() == name) return command.get();
  }
  return nullptr;
}

// The command and all below it that can be run.
void collect(CLI::App& app, std::vector<CLI::App*>& all) {
  if (app.commands().empty()) return all.push_back(&app);
  for (const auto& command : app.commands()) collect(*command, all);
}

std::vector<CLI::App*> commands_in(CLI::App& app) {
  std::vector<CLI::App*> all;
  collect(app, all);
  return all;
}

CLI::Option* option_named(CLI::App& command, const std::string& name) {
  for (CLI::Option* option : command.get_options()) {
    if (option->has_name(name)) return option;
  }
  return nullptr;
}

bool is_path(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  constexpr std::string_view kPaths[] = {"FILE", "PATH", "INDEX", "FOLDER"};
  return std::any_of(std::begin(kPaths), std::end(kPaths), [&](auto word) { return type.find(word) != type.npos; });
}

// A shell would have done it for a flag.
std::string with_home(const std::string& word) {
  return word.starts_with("~/") ? variable("HOME") + word.substr(1) : word;
}

std::string variable_name(const Names& command, const std::string& name) {
  std::string text = "kedge_" + joined(command, "_") + (command.empty() ? "" : "_") + name;
  for (char& c : text) c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

}  // namespace

std::string settings_file() {
  const std::string folder = config_folder();
  return folder.empty() ? "" : folder + "/kedge.toml";
}

Settings::Settings(CLI::App& top, Names* wrong) : top_(top) {
  for (const Preset& preset : own_presets()) {
    for (WrittenSetting& s : parse_settings(preset.settings, "")) {
      s.key.insert(s.key.begin(), {kPresets, preset.name});
      settings_.push_back(resolve(std::move(s)));
    }
  }
  const std::string file = settings_file();
  std::error_code error;
  if (file.empty() || !std::filesystem::exists(file, error)) return;
  const auto own = own_presets();
  const auto take = [&](WrittenSetting s) {
    const bool of_preset = s.key.size() > 2 && s.key[0] == kPresets;
    if (of_preset && std::any_of(own.begin(), own.end(), [&](auto& p) { return p.name == s.key[1]; })) {
      throw Failure(s.where + ": the preset '" + s.key[1] + "' comes with kedge: give yours another name", kExitUsage);
    }
    settings_.push_back(resolve(std::move(s)));
    ++in_file_;
  };
  for (WrittenSetting& s : parse_settings(read_text(file), file)) {
    try {
      take(std::move(s));
    } catch (const Failure& failure) {
      if (wrong == nullptr) throw;
      wrong->emplace_back(failure.what());
    }
  }
}

// Whose it is, and that there is such a thing.
Settings::Setting Settings::resolve(WrittenSetting written) const {
  Setting s;
  size_t at = 0;
  if (written.key.size() > 2 && written.key[0] == kPresets) {
    s.preset = written.key[1];
    at = 2;
  }
  CLI::App* app = &top_;
  for (; at + 1 < written.key.size(); ++at) {
    CLI::App* next = below(*app, written.key[at]);
    if (next == nullptr) break;
    app = next;
    s.command.push_back(written.key[at]);
  }
  s.name = joined(Names(written.key.begin() + static_cast<long>(at), written.key.end()), "-");
  Names known;
  Names owners;
  bool found = false;
  for (CLI::App* command : commands_in(*app)) {
    for (CLI::Option* option : command->get_options()) {
      if (!option->can_be_set()) continue;
      const bool here = !s.command.empty() || option->is_common();
      if (option->has_name(s.name)) {
        found = found || here;
        owners.push_back(joined(command->path(), "."));
      }
      if (here) known.insert(known.end(), option->names().begin(), option->names().end());
    }
  }
  if (!found) {
    const std::string of = s.command.empty() ? "" : " of 'kedge " + joined(s.command, " ") + "'";
    Names commands;
    for (const auto& command : top_.commands()) commands.push_back(command->get_name());
    if (const std::string& first = written.key.front();
        s.preset.empty() && s.command.empty() && written.key.size() > 1 && !nearest_name(first, commands).empty()) {
      throw Failure(written.where + ": there is no command '" + first + "'" + perhaps(first, commands), kExitUsage);
    }
    std::string message = written.where + ": there is no setting '" + s.name + "'" + of;
    if (s.command.empty() && !owners.empty()) {
      if (owners.size() > 4) owners.resize(4);
      message +=
          " for all commands; it is one of " + joined(owners, ", ") + ": write it below [" + owners.front() + "]";
    } else {
      if (s.command.empty()) {
        known.push_back(kPresets);
        known.insert(known.end(), commands.begin(), commands.end());
      }
      std::string meant = s.name;
      std::replace(meant.begin(), meant.end(), '_', '-');
      message += perhaps(meant, known);
    }
    throw Failure(message, kExitUsage);
  }
  s.written = std::move(written);
  return s;
}

std::optional<Settings::Value> Settings::find(Layer layer, const Names& command, const CLI::Option& option,
                                              const std::string& preset) const {
  // For the command itself, for those above it, for all.
  for (size_t n = command.size() + 1; n-- > 0;) {
    const Names whose(command.begin(), command.begin() + static_cast<long>(n));
    if (whose.empty() && !option.is_common()) break;
    if (layer == Layer::kVariable) {
      for (const std::string& name : option.names()) {
        const std::string called = variable_name(whose, name);
        const std::string value = variable(called.c_str());
        if (!value.empty()) return Value{.words = {value}, .where = called, .is_switch = option.is_flag()};
      }
      continue;
    }
    const std::string wanted = layer == Layer::kPreset ? preset : "";
    if (layer == Layer::kPreset && preset.empty()) return std::nullopt;
    for (const Setting& s : settings_) {
      if (s.preset != wanted || s.command != whose || !option.has_name(s.name)) continue;
      Value value{.words = s.written.words, .where = s.written.where, .is_switch = s.written.is_switch};
      if (is_path(option)) std::transform(value.words.begin(), value.words.end(), value.words.begin(), with_home);
      if (layer == Layer::kPreset) {
        const bool own = value.where.starts_with(':');
        value.where = "preset " + preset + (own ? "" : " (" + value.where + ")");
      }
      return value;
    }
  }
  return std::nullopt;
}

std::vector<std::string> Settings::presets() const {
  Names names;
  for (const Setting& s : settings_) {
    if (!s.preset.empty() && std::find(names.begin(), names.end(), s.preset) == names.end()) names.push_back(s.preset);
  }
  return names;
}

std::string Settings::preset_of(CLI::App& command) const {
  CLI::Option* option = option_named(command, "preset");
  if (option == nullptr) return "";
  std::string name = preset_;
  std::string where = "--preset";
  if (option->on_command_line()) {
    name = option->words().front();
  } else if (name.empty()) {
    auto value = find(Layer::kVariable, command.path(), *option, "");
    if (!value) value = find(Layer::kFile, command.path(), *option, "");
    if (!value || value->words.empty()) return "";
    name = value->words.front();
    where = value->where;
  }
  const Names known = presets();
  if (std::find(known.begin(), known.end(), name) != known.end()) return name;
  throw Failure(where + ": there is no preset '" + name + "': " + joined(known, ", ") + perhaps(name, known),
                kExitUsage);
}

// Whether the option has it now: a switch that is off stays as it is.
bool Settings::give(CLI::Option& option, const Value& value) {
  const bool of_variable = value.where.starts_with("KEDGE_");  // which is a name already
  const std::string where = value.where + ": " + (of_variable ? "" : option.names().front() + ": ");
  if (option.is_flag()) {
    const bool on = value.words == Names{"true"} || value.words == Names{"1"};
    const bool off = value.words == Names{"false"} || value.words == Names{"0"};
    if (!on && !off) throw Failure(where + "'" + joined(value.words, ",") + "' is neither true nor false", kExitUsage);
    if (off) return false;
  } else if (value.is_switch) {
    throw Failure(where + "is no switch: it cannot be true or false", kExitUsage);
  }
  if (option.gives_way()) throw Failure(where + "cannot go with another setting of the same place", kExitUsage);
  try {
    option.set(value.words, value.where);
  } catch (const CLI::ParseError& e) {
    throw Failure(where + e.what(), kExitUsage);
  }
  return true;
}

void Settings::apply(CLI::App& command) const {
  const Names path = command.path();
  const std::string preset = preset_of(command);
  std::set<const CLI::Option*> settled;
  for (const Layer layer : {Layer::kVariable, Layer::kPreset, Layer::kFile}) {
    if (layer == Layer::kVariable && path.front() == kServe) continue;
    std::vector<CLI::Option*> open;  // those that nothing stronger speaks against
    for (CLI::Option* option : command.get_options()) {
      const bool is_open = option->can_be_set() && option->count() == 0 && settled.count(option) == 0;
      if (is_open && !option->gives_way()) open.push_back(option);
    }
    for (CLI::Option* option : open) {
      const auto value = find(layer, path, *option, preset);
      if (!value) continue;
      settled.insert(option);
      (void)give(*option, *value);
    }
  }
}

std::vector<std::string> Settings::problems() const {
  Names found;
  const auto attempt = [&](const auto& what) {
    try {
      what();
    } catch (const Failure& failure) {
      if (std::find(found.begin(), found.end(), failure.what()) == found.end()) found.emplace_back(failure.what());
    }
  };
  const Names known = presets();
  for (CLI::App* command : commands_in(top_)) {
    attempt([&] { apply(*command); });
    for (CLI::Option* option : command->get_options()) {
      if (!option->can_be_set()) continue;
      const auto check = [&](Layer layer, const std::string& preset) {
        const auto value = find(layer, command->path(), *option, preset);
        if (!value) return;
        attempt([&] {
          for (CLI::Option* other : command->get_options()) other->clear();
          (void)give(*option, *value);
        });
      };
      if (command->path().front() != kServe) check(Layer::kVariable, "");
      check(Layer::kFile, "");
      for (const std::string& preset : known) check(Layer::kPreset, preset);
    }
  }
  return found;
}

std::vector<std::string> Settings::unknown_variables() const {
  std::set<std::string> known(std::begin(kOthers), std::end(kOthers));
  for (CLI::App* command : commands_in(top_)) {
    const Names path = command->path();
    for (CLI::Option* option : command->get_options()) {
      if (!option->can_be_set()) continue;
      for (const std::string& name : option->names()) {
        for (size_t n = option->is_common() ? 0 : 1; n <= path.size(); ++n) {
          known.insert(variable_name(Names(path.begin(), path.begin() + static_cast<long>(n)), name));
        }
      }
    }
  }
  const Names names(known.begin(), known.end());
  Names found;
  for (const std::string& name : variables_beginning("KEDGE_")) {
    if (known.count(name) == 0) found.push_back(name + ": no variable of kedge's" + perhaps(name, names));
  }
  return found;
}

}  // namespace kedge::tools
