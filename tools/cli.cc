#include "tools/cli.h"

#include <CLI/CLI.hpp>
#include <algorithm>
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

const std::vector<std::string>& Option::names() const { return option_->get_lnames(); }

bool Option::has_name(std::string_view name) const {
  const auto same = [](char a, char b) { return (a == '_' ? '-' : a) == (b == '_' ? '-' : b); };
  const auto& names = option_->get_lnames();
  return std::any_of(names.begin(), names.end(),
                     [&](const auto& n) { return std::equal(n.begin(), n.end(), name.begin(), name.end(), same); });
}

bool Option::is_flag() const { return option_->get_items_expected_max() == 0; }

bool Option::can_be_set() const {
  return !option_->get_lnames().empty() && !option_->get_positional() && !option_->get_required() &&
         !option_->get_group().empty();
}

bool Option::gives_way() const {
  const auto others = option_->get_excludes();
  return std::any_of(others.begin(), others.end(), [](const ::CLI::Option* o) { return o->count() > 0; });
}

std::vector<std::string> Option::words() const { return option_->results(); }

std::string Option::default_text() const {
  if (const std::string captured = option_->get_default_str(); !captured.empty()) return captured;
  const std::string text = option_->get_description();  // "Tokens that stay [4]"
  const size_t at = text.rfind('[');
  const bool bracket = at != std::string::npos && text.ends_with(']');
  return bracket ? text.substr(at + 1, text.size() - at - 2) : "";
}

void Option::clear() {
  option_->clear();
  where_.clear();
}

void Option::set(const std::vector<std::string>& words, const std::string& where) {
  try {
    option_->clear();
    const bool one = option_->get_items_expected_max() == 1;  // "128,512": it takes its list apart itself
    if (one && words.size() > 1) {
      std::string list;
      for (const std::string& word : words) list += (list.empty() ? "" : ",") + word;
      option_->add_result(list);
    } else {
      option_->add_result(words);
    }
    option_->run_callback();
    where_ = where;
  } catch (const ::CLI::ParseError& e) {
    std::string what = e.what();  // "--temp: -1 is not between 0 and 100"
    if (const std::string named = option_->get_name() + ": "; what.starts_with(named)) what.erase(0, named.size());
    throw ParseError(what, e.get_exit_code());
  }
}

App::App(const std::string& description, const std::string& name)
    : owned_(std::make_unique<::CLI::App>(description, name)), app_(owned_.get()) {}
App::App(::CLI::App* app, App* above) : app_(app), above_(above) {}
App::~App() = default;

App* App::add_subcommand(const std::string& name, const std::string& description) {
  commands_.push_back(std::unique_ptr<App>(new App(app_->add_subcommand(name, description), this)));
  return commands_.back().get();
}

Option* App::keep(::CLI::Option* option) {
  options_.push_back(std::make_unique<Option>(option, common_));
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

Option* App::get_option(const std::string& name) {
  ::CLI::Option* option = app_->get_option(name);
  const auto kept = std::find_if(options_.begin(), options_.end(), [&](const auto& o) { return o->option_ == option; });
  return kept == options_.end() ? keep(option) : kept->get();
}

void App::callback(std::function<void()> run) {
  app_->callback([this, run = std::move(run)] {
    const App* top = this;
    while (top->above_ != nullptr) top = top->above_;
    if (top->before_run_) top->before_run_(*this);
    run();
  });
}

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

std::vector<std::string> App::path() const {
  if (above_ == nullptr) return {};
  std::vector<std::string> names = above_->path();
  names.push_back(get_name());
  return names;
}

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
