// Commands and their options: CLI11 behind a header of plain functions. CLI11 itself is compiled once (cli.cc), not
// once a command: its headers cost seconds each time.
#pragma once

#include <functional>
#include <iosfwd>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace CLI {
class App;
class Option;
class Validator;
}  // namespace CLI

namespace kedge::tools::cli {

// A wrong use, found while the arguments are read; or, with exit code 0, a wish for help or the version (`what` is then
// what to print).
class ParseError : public std::runtime_error {
 public:
  ParseError(const std::string& message, int exit_code) : std::runtime_error(message), exit_code_(exit_code) {}
  int get_exit_code() const { return exit_code_; }

 private:
  int exit_code_;
};

// For functions given to add_option_function.
class ValidationError : public ParseError {
 public:
  ValidationError(const std::string& option, const std::string& message);
};

// Says what is wrong with an argument.
class Validator {
 public:
  // `problem` returns what is wrong, or an empty string; `description` is shown in the help.
  Validator(std::function<std::string(const std::string&)> problem, const std::string& description);

 protected:
  explicit Validator(std::shared_ptr<const ::CLI::Validator> validator) : validator_(std::move(validator)) {}

 private:
  friend class Option;
  std::shared_ptr<const ::CLI::Validator> validator_;
};

enum class Case { kExact, kIgnored };
inline constexpr Case ignore_case = Case::kIgnored;

class IsMember : public Validator {
 public:
  explicit IsMember(const std::vector<std::string>& words, Case letters = Case::kExact);
};

// Belongs to its App, as CLI11's do.
class Option {
 public:
  // Common: it means the same in every command that has it (tools/settings.h).
  Option(::CLI::Option* option, bool common) : option_(option), common_(common) {}
  Option(const Option&) = delete;
  Option& operator=(const Option&) = delete;
  Option* allow_extra_args(bool value = true);
  Option* capture_default_str();
  Option* check(const Validator& validator);
  Option* delimiter(char value);
  Option* excludes(const Option* other);
  Option* expected(int least, int most);
  Option* group(const std::string& name);
  Option* needs(const Option* other);
  Option* required();
  Option* type_name(const std::string& name);
  std::string get_type_name() const;
  size_t count() const;  // how often it was given, settings included

  // For settings: values that come from elsewhere than the command line.
  const std::vector<std::string>& names() const;  // the long ones, without dashes
  bool has_name(std::string_view name) const;     // among these, '-' and '_' being one
  bool is_common() const { return common_; }
  bool is_flag() const;
  bool can_be_set() const;  // it has a name, is in the help, and is not what the command is about
  bool gives_way() const;   // something is given that it cannot go with
  bool on_command_line() const { return count() > 0 && where_.empty(); }
  const std::string& where() const { return where_; }  // it was set; empty: it was not
  std::vector<std::string> words() const;              // as given
  std::string default_text() const;                    // as the help shows it; empty: there is none
  // As if it had been given with these; throws ParseError.
  void set(const std::vector<std::string>& words, const std::string& where);
  void clear();  // not given; what it was bound to stays

 private:
  friend class App;
  ::CLI::Option* option_;
  bool common_;
  std::string where_;
};

class App {
 public:
  App(const std::string& description, const std::string& name);
  App(const App&) = delete;
  App& operator=(const App&) = delete;
  ~App();

  App* add_subcommand(const std::string& name, const std::string& description);
  // T: what cli.cc lists at its end.
  template <class T>
  Option* add_option(const std::string& name, T& value, const std::string& help);
  template <class T>
  Option* add_option_function(const std::string& name, const std::function<void(const T&)>& f, const std::string& help);
  Option* add_flag(const std::string& name, bool& value, const std::string& help);
  Option* add_flag(const std::string& name, const std::string& help);  // one that changes nothing
  Option* get_option(const std::string& name);
  // Options that are added from here on are common, or not.
  bool add_common(bool common) { return std::exchange(common_, common); }  // what it was before

  void callback(std::function<void()> run);
  void footer(const std::string& text);
  void require_subcommand(int n);
  void set_version_flag(const std::string& name, const std::string& version);
  void parse(int argc, char** argv);  // and runs the command; throws ParseError
  // Called when a command is known and its arguments are read, before it runs. Of the uppermost.
  void before_run(std::function<void(App& command)> f) { before_run_ = std::move(f); }

  std::string get_name() const;
  std::vector<std::string> path() const;  // the names from below the uppermost to this one's
  bool check_name(const std::string& word) const;
  bool wants_subcommand() const;
  std::vector<Option*> get_options();
  const std::vector<std::unique_ptr<App>>& commands() const { return commands_; }
  const App* parsed() const;  // the command among them that was given; null when none was

 private:
  App(::CLI::App* app, App* above);
  Option* keep(::CLI::Option* option);

  std::unique_ptr<::CLI::App> owned_;  // of the uppermost
  ::CLI::App* app_;
  App* above_ = nullptr;
  std::function<void(App&)> before_run_;
  bool common_ = false;
  std::vector<std::unique_ptr<App>> commands_;
  std::vector<std::unique_ptr<Option>> options_;
};

// Options added while it lives are common: what flags shared by several commands are added with.
class CommonOptions {
 public:
  explicit CommonOptions(App* command) : command_(command), before_(command->add_common(true)) {}
  ~CommonOptions() { command_->add_common(before_); }
  CommonOptions(const CommonOptions&) = delete;
  CommonOptions& operator=(const CommonOptions&) = delete;

 private:
  App* command_;
  bool before_;
};

}  // namespace kedge::tools::cli

namespace kedge::tools {
namespace CLI = cli;  // NOLINT(readability-identifier-naming): as its documentation calls things
}
