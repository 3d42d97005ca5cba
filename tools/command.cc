#include "tools/command.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "kernels/base/output_file.h"
#include "kernels/base/utf8.h"
#include "kernels/base/utf8_cut.h"

namespace kedge::tools {

namespace {

// CLI11 reads whole numbers as C does: 010 is eight there, and -1 the largest number of a type without a sign.
std::string spelling_problem(const std::string& text) {
  const std::string_view digits = std::string_view(text).substr(text.starts_with('-') ? 1 : 0);
  const bool octal = digits.size() > 1 && digits[0] == '0' && digits[1] != '.' && digits[1] != 'e' && digits[1] != 'E';
  return octal ? "'" + text + "' is not a decimal number (it begins with 0)" : "";
}

// Of any option that holds whole numbers without a sign, when it has no range of its own.
std::string whole_problem(const std::string& text) {
  uint64_t value = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || rest != text.data() + text.size()) {
    return "'" + text + "' is not a whole number from 0 to 18446744073709551615";
  }
  return spelling_problem(text);
}

}  // namespace

void check_numbers(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    const std::string type = option->get_type_name();
    if (type.starts_with("UINT")) option->check(CLI::Validator(whole_problem, ""));
    if (type.starts_with("INT")) option->check(CLI::Validator(spelling_problem, ""));
  }
  for (const auto& command : app.commands()) check_numbers(*command);
}

CLI::Validator in_range(double low, double high) {
  return CLI::Validator(
      [low, high](const std::string& text) -> std::string {
        if (const std::string problem = spelling_problem(text); !problem.empty()) return problem;
        double value = 0;
        const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc() || rest != text.data() + text.size()) return "'" + text + "' is not a number";
        if (value >= low && value <= high) return "";
        return format("%s is not between %.10g and %.10g", text.c_str(), low, high);
      },
      "");
}

std::string read_text(const std::string& path) {
  const bool standard_input = path == "-";
  const std::string name = standard_input ? "standard input" : path;
  FILE* file = standard_input ? stdin : std::fopen(path.c_str(), "rb");
  if (file == nullptr) throw Failure(name + ": " + std::strerror(errno));
  struct stat status {};
  if (fstat(fileno(file), &status) == 0 && S_ISDIR(status.st_mode)) {
    if (!standard_input) std::fclose(file);
    throw Failure(name + ": is a directory");
  }
  std::string text;
  char buffer[1 << 16];
  while (const size_t n = std::fread(buffer, 1, sizeof buffer, file)) text.append(buffer, n);
  const bool failed = std::ferror(file) != 0;
  const int error = errno;
  if (!standard_input) std::fclose(file);
  if (failed) throw Failure(name + ": " + std::strerror(error));
  return text;
}

void need_outputs(std::initializer_list<std::string> paths) {
  for (const std::string& path : paths) {
    if (path == "-") throw Failure("'-': standard output is not what this file can be; ./- is a file of that name");
    if (!path.empty()) need(check_target(path));
  }
}

void make_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) throw Failure(path + ": cannot make the folder: " + error.message());
}

void write_text(const std::string& path, std::string_view text) { need(write_file(path, text)); }

std::vector<int32_t> parse_ids(std::string_view text, const std::string& what) {
  constexpr std::string_view kSeparators = ", \t\r\n[]";
  std::vector<int32_t> ids;
  size_t at = text.find_first_not_of(kSeparators);
  while (at != std::string_view::npos) {
    const size_t end = std::min(text.find_first_of(kSeparators, at), text.size());
    const std::string_view word = text.substr(at, end - at);
    int32_t id = 0;
    const auto [rest, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (error != std::errc() || rest != word.data() + word.size()) {
      throw Failure(what + ": '" + std::string(utf8_cut(word, 40)) + "' is not a token id");
    }
    ids.push_back(id);
    at = text.find_first_not_of(kSeparators, end);
  }
  if (ids.empty()) throw Failure(what + ": no token ids");
  return ids;
}

void print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) {
    throw Failure(std::string("standard output: ") + std::strerror(errno));
  }
}

namespace {

// JSON has no word for what is no number, and a null would pass for a result.
void need_finite(const Json& json, const std::string& name) {
  if (json.is_number_float() && !std::isfinite(json.get<double>())) throw Failure(name + " is not a finite number");
  if (!json.is_structured()) return;
  for (auto it = json.begin(); it != json.end(); ++it) need_finite(*it, json.is_object() ? it.key() : name);
}

bool is_utf8(const Json& json) {
  if (json.is_string()) return utf8_valid(json.get_ref<const std::string&>());
  for (const auto& [key, value] : json.items()) {
    if (!utf8_valid(key)) return false;
  }
  return std::all_of(json.begin(), json.end(), is_utf8);
}

}  // namespace

std::string request_text(const Json& request) {
  if (!is_utf8(request)) throw Failure("what was given is not UTF-8");
  return request.dump();
}

void print_json(const Json& json, int indent) {
  need_finite(json, "the result");
  print(json.dump(indent) + "\n");
}

bool stream_text(std::string_view text) noexcept {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
}

void check_output() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) throw Failure("standard output: cannot write");
}

std::string format(const char* pattern, ...) {
  va_list args;
  va_start(args, pattern);
  va_list again;
  va_copy(again, args);
  const int size = std::vsnprintf(nullptr, 0, pattern, args);
  va_end(args);
  std::string text(size > 0 ? static_cast<size_t>(size) : 0, '\0');
  std::vsnprintf(text.data(), text.size() + 1, pattern, again);
  va_end(again);
  return text;
}

std::string human_bytes(double bytes) {
  const char* units[] = {"B", "kB", "MB", "GB", "TB"};
  size_t unit = 0;
  while (bytes >= 999.5 && unit + 1 < std::size(units)) {
    bytes /= 1000;
    ++unit;
  }
  return unit == 0 ? format("%.0f B", bytes) : format("%.3g %s", bytes, units[unit]);
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

bool stdout_is_terminal() { return isatty(STDOUT_FILENO) == 1; }
bool stderr_is_terminal() { return isatty(STDERR_FILENO) == 1; }

}  // namespace kedge::tools
