// Commands and their options: CLI11 behind a header of plain functions. CLI11 itself is compiled once (cli.cc), not
// once a command: its headers cost seconds each time.
#pragma once

#include <functional>
#include <iosfwd>
#include <memory>
#include <stdexcept>
#include <string>
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
  explicit Option(::CLI::Option* option) : option_(option) {}
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
  size_t count() const;  // how often it was given

 private:
  ::CLI::Option* option_;
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

  void callback(std::function<void()> run);
  void footer(const std::string& text);
  void require_subcommand(int n);
  void set_version_flag(const std::string& name, const std::string& version);
  void parse(int argc, char** argv);  // and runs the command; throws ParseError

  std::string get_name() const;
  bool check_name(const std::string& word) const;
  bool wants_subcommand() const;
  std::vector<Option*> get_options();
  const std::vector<std::unique_ptr<App>>& commands() const { return commands_; }
  const App* parsed() const;  // the command among them that was given; null when none was

 private:
  explicit App(::CLI::App* app);
  Option* keep(::CLI::Option* option);

  std::unique_ptr<::CLI::App> owned_;  // of the uppermost
  ::CLI::App* app_;
  std::vector<std::unique_ptr<App>> commands_;
  std::vector<std::unique_ptr<Option>> options_;
};

}  // namespace kedge::tools::cli

namespace kedge::tools {
namespace CLI = cli;  // NOLINT(readability-identifier-naming): as its documentation calls things
}
