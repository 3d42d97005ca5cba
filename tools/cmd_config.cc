// kedge config: what is set once for all, and where each value comes from.
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "tools/command.h"
#include "tools/nearest.h"
#include "tools/presets.h"
#include "tools/settings.h"

namespace kedge::tools {

namespace {

using Names = std::vector<std::string>;

struct Row {
  std::string command;  // empty: of all that have it
  std::string name;
  std::string value;
  std::string from;
};

std::string joined(const Names& words, const char* between) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

Row row_of(const CLI::App& command, const CLI::Option& option) {
  const bool set = !option.where().empty();
  const std::string value = set ? joined(option.words(), ",") : option.is_flag() ? "false" : option.default_text();
  return {.command = option.is_common() ? "" : joined(command.path(), "."),
          .name = option.names().front(),
          .value = value,
          .from = set ? option.where() : "default"};
}

// Of the command and those below it: what all have once, then each one's own.
void collect(CLI::App& app, const Settings& settings, bool all, std::vector<Row>& common, std::vector<Row>& own) {
  for (const auto& command : app.commands()) collect(*command, settings, all, common, own);
  if (!app.commands().empty()) return;
  settings.apply(app);
  for (const CLI::Option* option : app.get_options()) {
    if (!option->can_be_set()) continue;
    Row row = row_of(app, *option);
    if (!option->is_common()) {
      if (all || row.from != "default") own.push_back(std::move(row));
      continue;
    }
    const auto known = std::find_if(common.begin(), common.end(), [&](const Row& r) { return r.name == row.name; });
    if (known == common.end()) {
      common.push_back(std::move(row));
    } else if (known->value != row.value || known->from != row.from) {  // this command has its own
      row.command = joined(app.path(), ".");
      if (row.from != "default") own.push_back(std::move(row));
    }
  }
}

CLI::App& command_of(CLI::App& top, const Names& path) {
  CLI::App* at = &top;
  for (const std::string& name : path) {
    Names names;
    CLI::App* next = nullptr;
    for (const auto& command : at->commands()) {
      names.push_back(command->get_name());
      if (command->get_name() == name) next = command.get();
    }
    if (next == nullptr) throw Failure("there is no command '" + name + "'" + perhaps(name, names), kExitUsage);
    at = next;
  }
  return *at;
}

void print_rows(const std::vector<Row>& rows) {
  size_t name_width = 0;
  size_t value_width = 0;
  for (const Row& row : rows) {
    name_width = std::max(name_width, row.name.size());
    value_width = std::min<size_t>(std::max(value_width, row.value.size()), 32);
  }
  std::string command;
  for (const Row& row : rows) {
    if (row.command != command) print("\n[" + row.command + "]\n");
    command = row.command;
    print(format("%-*s  %-*s  ", static_cast<int>(name_width), row.name.c_str(), static_cast<int>(value_width),
                 row.value.empty() ? "-" : row.value.c_str()) +
          row.from + "\n");
  }
}

struct Flags {
  Names command;
  std::string preset;
  bool all = false;
  bool json = false;
};

void show(CLI::App& top, const Flags& flags) {
  Settings settings(top);
  if (!flags.preset.empty()) settings.use_preset(flags.preset);
  std::vector<Row> rows;
  std::vector<Row> own;
  collect(command_of(top, flags.command), settings, flags.all || !flags.command.empty(), rows, own);
  std::stable_sort(own.begin(), own.end(), [](const Row& a, const Row& b) { return a.command < b.command; });
  rows.insert(rows.end(), own.begin(), own.end());
  const std::string file = settings_file();
  std::error_code error;
  const bool there = !file.empty() && std::filesystem::exists(file, error);
  if (flags.json) {
    Json list = Json::array();
    for (const Row& row : rows) {
      list.push_back({{"command", row.command}, {"name", row.name}, {"value", row.value}, {"from", row.from}});
    }
    return print_json({{"file", file}, {"exists", there}, {"settings", std::move(list)}});
  }
  print("# " + (file.empty() ? "no home folder, so no file" : file + (there ? "" : " (not there)")) + "\n");
  print_rows(rows);
}

void check(CLI::App& top) {
  Names problems;
  const Settings settings(top, &problems);
  const Names values = settings.problems();
  problems.insert(problems.end(), values.begin(), values.end());
  for (const std::string& problem : problems) print(problem + "\n");
  for (const std::string& unknown : settings.unknown_variables()) print("note: " + unknown + "\n");
  if (problems.empty()) print(format("ok: %zu settings in ", settings.in_file()) + settings_file() + "\n");
  check_output();
  if (!problems.empty()) throw Failure(format("%zu settings are wrong", problems.size()));
}

std::string help_of_presets() {
  std::string text = "Presets:\n";
  for (const Preset& preset : own_presets()) {
    std::string settings = preset.settings;
    std::replace(settings.begin(), settings.end(), '\n', ' ');
    text += format("  %-10s", preset.name.c_str()) + settings + " (" + preset.help + ")\n";
  }
  return text;
}

}  // namespace

void add_config(CLI::App& app) {
  CLI::App* config = app.add_subcommand("config", "What is set once for all: the file, its values, what is wrong");
  config->require_subcommand(1);
  config->footer(
      "Every flag of every command is a setting, by its name without the dashes:\n"
      "  model = \"sage\"             for all commands that have --model\n"
      "  temperature = 0.7\n"
      "  [chat]                     for one\n"
      "  system = \"Answer in one sentence.\"\n"
      "  [presets.mine]             with --preset mine, or preset = \"mine\"\n"
      "  temperature = 0.3\n"
      "and a variable: KEDGE_TEMPERATURE, KEDGE_CHAT_SYSTEM. A flag is taken before a variable, that before a preset,\n"
      "that before the file. docs/config.md\n" +
      help_of_presets());
  auto flags = std::make_shared<Flags>();
  CLI::App* c = config->add_subcommand("show", "Values, and where each comes from");
  c->add_option("command", flags->command, "Of this command, all it has (kedge config show audit list)");
  c->add_option("--preset", flags->preset, "As with this preset")->type_name("NAME");
  c->add_flag("--all", flags->all, "Also what only one command has and nobody has set");
  c->add_flag("--json", flags->json, "Print one JSON object");
  c->callback([flags, &app] { show(app, *flags); });
  c = config->add_subcommand("path", "Where the file is");
  c->callback([] {
    const std::string file = settings_file();
    if (file.empty()) throw Failure("there is no home folder to have a file of settings in");
    print(file + "\n");
  });
  c = config->add_subcommand("check", "Find everything that is wrong in the file and in variables; exit code 1");
  c->callback([&app] { check(app); });
}

}  // namespace kedge::tools
