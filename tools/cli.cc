#include "tools/cli.h"

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <sstream>
#include <utility>

namespace kedge::tools::cli {

ValidationError::ValidationError(const std::string& option, const std::string& message)
    : ParseError(option + ": " + message, static_cast<int>(::CLI::ExitCodes::ValidationError)) {}

Validator::Validator(std::function<std::string(const std::string&)> problem, const std::string& description)
    : validator_(std::make_shared<::CLI::Validator>(
          [problem = std::move(problem)](const std::string& text) { return problem(text); }, description)) {}

IsMember::IsMember(const std::vector<std::string>& words, Case letters)
    : Validator(letters == Case::kIgnored
                    ? std::make_shared<const ::CLI::Validator>(::CLI::IsMember(words, ::CLI::ignore_case))
                    : std::make_shared<const ::CLI::Validator>(::CLI::IsMember(words))) {}

Option* Option::allow_extra_args(bool value) {
  option_->allow_extra_args(value);
  return this;
}

Option* Option::capture_default_str() {
  option_->capture_default_str();
  return this;
}

Option* Option::check(const Validator& validator) {
  option_->check(*validator.validator_);
  return this;
}

Option* Option::delimiter(char value) {
  option_->delimiter(value);
  return this;
}

Option* Option::excludes(const Option* other) {
  option_->excludes(other->option_);
  return this;
}
Option* Option::needs(const Option* other) {
  option_->needs(other->option_);
  return this;
}

Option* Option::expected(int least, int most) {
  option_->expected(least, most);
  return this;
}

Option* Option::group(const std::string& name) {
  option_->group(name);
  return this;
}

Option* Option::required() {
  option_->required();
  return this;
}

Option* Option::type_name(const std::string& name) {
  option_->type_name(name);
  return this;
}

std::string Option::get_type_name() const { return option_->get_type_name(); }
size_t Option::count() const { return option_->count(); }

App::App(const std::string& description, const std::string& name)
    : owned_(std::make_unique<::CLI::App>(description, name)), app_(owned_.get()) {}
App::App(::CLI::App* app) : app_(app) {}
App::~App() = default;

App* App::add_subcommand(const std::string& name, const std::string& description) {
  commands_.push_back(std::unique_ptr<App>(new App(app_->add_subcommand(name, description))));
  return commands_.back().get();
}

Option* App::keep(::CLI::Option* option) {
  options_.push_back(std::make_unique<Option>(option));
  return options_.back().get();
}

template <class T>
Option* App::add_option(const std::string& name, T& value, const std::string& help) {
  return keep(app_->add_option(name, value, help));
}

template <class T>
Option* App::add_option_function(const std::string& name, const std::function<void(const T&)>& f,
                                 const std::string& help) {
  return keep(app_->add_option_function<T>(name, f, help));
}

Option* App::add_flag(const std::string& name, bool& value, const std::string& help) {
  return keep(app_->add_flag(name, value, help));
}

Option* App::add_flag(const std::string& name, const std::string& help) { return keep(app_->add_flag(name, help)); }
Option* App::get_option(const std::string& name) { return keep(app_->get_option(name)); }
void App::callback(std::function<void()> run) { app_->callback(std::move(run)); }
void App::footer(const std::string& text) { app_->footer(text); }
void App::require_subcommand(int n) { app_->require_subcommand(n); }
void App::set_version_flag(const std::string& name, const std::string& version) {
  app_->set_version_flag(name, version);
}

void App::parse(int argc, char** argv) {
  try {
    app_->parse(argc, argv);
  } catch (const ::CLI::ParseError& e) {
    if (e.get_exit_code() != 0) throw ParseError(e.what(), e.get_exit_code());
    std::ostringstream out;
    app_->exit(e, out, out);
    throw ParseError(out.str(), 0);
  }
}

std::string App::get_name() const { return app_->get_name(); }
bool App::check_name(const std::string& word) const { return app_->check_name(word); }
bool App::wants_subcommand() const { return app_->get_require_subcommand_min() > 0; }

std::vector<Option*> App::get_options() {
  std::vector<Option*> all;
  for (const auto& option : options_) all.push_back(option.get());
  return all;
}

const App* App::parsed() const {
  for (const auto& command : commands_) {
    if (command->app_->parsed()) return command.get();
  }
  return nullptr;
}

#define KEDGE_OPTION_OF(T)                                                                               \
  template Option* App::add_option<T>(const std::string&, T&, const std::string&);                       \
  template Option* App::add_option_function<T>(const std::string&, const std::function<void(const T&)>&, \
                                               const std::string&);
KEDGE_OPTION_OF(bool)
KEDGE_OPTION_OF(int)
KEDGE_OPTION_OF(int64_t)
KEDGE_OPTION_OF(uint32_t)
KEDGE_OPTION_OF(uint64_t)
KEDGE_OPTION_OF(double)
KEDGE_OPTION_OF(std::optional<int>)
KEDGE_OPTION_OF(std::optional<double>)
KEDGE_OPTION_OF(std::string)
KEDGE_OPTION_OF(std::vector<int>)
KEDGE_OPTION_OF(std::vector<double>)
KEDGE_OPTION_OF(std::vector<std::string>)
#undef KEDGE_OPTION_OF

}  // namespace kedge::tools::cli
