// kedge serve: the models over HTTP.
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tools/command.h"
#include "tools/serve/heap.h"
#include "tools/serve/serve.h"
#include "tools/serve/settings.h"

namespace kedge::tools {
namespace {

struct ServeFlags {
  std::string config;
  bool print_config = false;
  std::map<std::string, std::string> given;
  std::vector<std::pair<std::string, CLI::Option*>> options;
};

void add_flag(CLI::App& command, const serve::SettingSpec& spec, ServeFlags& flags) {
  const std::string name = spec.name;
  const std::string flag = (name == "model" ? "-m," : "") + serve::flag_of(spec);
  if (std::holds_alternative<bool serve::Settings::*>(spec.field)) {
    flags.options.emplace_back(name, command.add_flag(flag, spec.help));
    return;
  }
  const bool text = std::holds_alternative<std::string serve::Settings::*>(spec.field);
  const bool list = std::holds_alternative<std::vector<std::string> serve::Settings::*>(spec.field);
  CLI::Option* option =
      command
          .add_option_function<std::string>(
              flag, [&flags, name](const std::string& value) { flags.given[name] = value; }, spec.help)
          ->type_name(list           ? "A,B"
                      : spec.is_path ? "FILE"
                      : text         ? "TEXT"
                                     : "N");
  flags.options.emplace_back(name, option);
}

}  // namespace

void add_serve(CLI::App& app) {
  const auto flags = std::make_shared<ServeFlags>();
  CLI::App* command = app.add_subcommand("serve", "Answer over HTTP, as OpenAI, Anthropic and Ollama do");
  command->add_option("--config", flags->config, "File of settings, TOML; docs/serve.schema.json says what is in it")
      ->type_name("FILE");
  command->add_flag("--print-config", flags->print_config, "Print the settings as such a file, and end");
  for (const serve::SettingSpec& spec : serve::setting_specs()) add_flag(*command, spec, *flags);
  command->footer(
      "Every flag is a variable too (--limits-body-bytes: KEDGE_SERVE_LIMITS_BODY_BYTES). KEDGE_SERVE_KEY: a key that "
      "may\n"
      "do everything.\n"
      "Examples:\n"
      "  kedge serve                                     the embedded models, http://127.0.0.1:8080/\n"
      "  kedge serve -m model.gguf --port 9000\n"
      "  kedge serve --config serve.toml --print-config");
  command->callback([flags] {
    std::map<std::string, serve::SettingSources::Common> common;
    for (const auto& [name, option] : flags->options) {
      if (option->count() == 0) continue;
      if (option->is_flag()) flags->given[name] = "true";
      if (option->on_command_line()) continue;
      common[name] = {flags->given[name], option->where()};
      flags->given.erase(name);
    }
    serve::SettingSources sources = serve::process_sources(flags->config, flags->given);
    sources.common = std::move(common);
    const auto settings = serve::read_settings(sources);
    if (!settings.ok()) {
      throw Failure(settings.error().message,
                    settings.error().code == base::ErrorCode::kInvalidArgument ? kExitUsage : kExitFailure);
    }
    if (flags->print_config) return print(serve::settings_toml(*settings));
    serve::keep_heap_small();
    serve::serve(*settings, sources);
  });
}

}  // namespace kedge::tools
