// What the user has set once for all: a file of settings, variables of the environment, presets. A setting has the name
// of a flag, so a new flag is one by itself. A flag is taken before a variable (KEDGE_CTX, or KEDGE_CHAT_CTX for one
// command), that before a preset, that before the file, that before the default; in each of them what is meant for the
// command goes before what is common.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/settings_file.h"

namespace kedge::tools {

// $XDG_CONFIG_HOME/kedge/kedge.toml; empty when there is no home folder.
std::string settings_file();

class Settings {
 public:
  // Reads the file, if there is one, and checks that all it names exists. A Failure names file, line and key. `top`:
  // the commands there are; it outlives this.
  // `wrong`: gets all of that in place of a Failure with the first; null: that is thrown.
  explicit Settings(CLI::App& top, std::vector<std::string>* wrong = nullptr);

  // In place of the preset that is set.
  void use_preset(const std::string& name) { preset_ = name; }
  // Gives the options of a command that was not given them what is set. A Failure names where, key and limit.
  void apply(CLI::App& command) const;
  // Everything that is wrong with values anywhere, whichever command they are for. Only to be told: it leaves the
  // options of all commands changed.
  std::vector<std::string> problems() const;
  // Variables that begin as ours do and mean nothing, each with what may be meant.
  std::vector<std::string> unknown_variables() const;

  size_t in_file() const { return in_file_; }  // how many

 private:
  struct Setting {
    WrittenSetting written;
    std::string preset;                // empty: of none
    std::vector<std::string> command;  // empty: of all that have it
    std::string name;
  };
  // What of one kind says something about an option.
  enum class Layer { kVariable, kPreset, kFile };
  struct Value {
    std::vector<std::string> words;
    std::string where;
    bool is_switch = false;
  };
  static bool give(CLI::Option& option, const Value& value);
  Setting resolve(WrittenSetting written) const;
  std::optional<Value> find(Layer layer, const std::vector<std::string>& command, const CLI::Option& option,
                            const std::string& preset) const;
  std::string preset_of(CLI::App& command) const;
  std::vector<std::string> presets() const;

  CLI::App& top_;
  std::vector<Setting> settings_;
  std::string preset_;
  size_t in_file_ = 0;
};

}  // namespace kedge::tools
