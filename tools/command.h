// What the subcommands of `kedge` share: how they fail, read, print and are registered.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "kedge/kedge.hpp"
#include "kernels/base/json.h"
#include "tools/cli.h"
#include "tools/interrupt.h"

namespace kedge::tools {

using base::Json;

inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;

// Ends the command: main() prints "kedge: message" (nothing when empty) and exits with the code.
class Failure : public std::runtime_error {
 public:
  explicit Failure(const std::string& message, int exit_code = kExitFailure)
      : std::runtime_error(message), exit_code_(exit_code) {}
  int exit_code() const { return exit_code_; }

 private:
  int exit_code_;
};

// What a command ends with that Ctrl-C or SIGTERM stopped.
inline Failure interrupted() { return Failure("", InterruptGuard::exit_code()); }

// The value of a Result of the public interface or of a room (their error codes have the same numbers), or a Failure
// with its message.
template <class R>
auto need(R&& result) {
  if (!result.ok()) {
    const bool cancelled = static_cast<int>(result.error().code) == KEDGE_CANCELLED;
    throw cancelled && InterruptGuard::interrupted() ? interrupted() : Failure(result.error().message);
  }
  if constexpr (requires { *std::forward<R>(result); }) return *std::forward<R>(result);
}

// A number from `low` to `high`; CLI11's own Range would print its limits into every line of the help.
CLI::Validator in_range(double low, double high);
// Every option of the command and those below that holds whole numbers takes them in decimal, and no sign where its
// type has none. When all options are there.
void check_numbers(CLI::App& app);

// The whole file, or standard input when `path` is "-".
std::string read_text(const std::string& path);
// A file that appears complete or not at all; only a regular file is replaced.
void write_text(const std::string& path, std::string_view text);
// Before hours of work: whether these can be written at its end. Empty ones are not wanted; "-" is no file.
void need_outputs(std::initializer_list<std::string> paths);
void make_folder(const std::string& path);  // with those above it; one that is there is fine
// Token ids separated by commas or white space; a JSON array is fine too. `what` names the source in the error.
std::vector<int32_t> parse_ids(std::string_view text, const std::string& what);

// Writes to standard output; a failed write is a Failure.
void print(std::string_view text);
void print_json(const Json& json, int indent = 2);  // text of a model need not be UTF-8; what is not becomes U+FFFD
// For the library, which takes UTF-8 only; a Failure when something in it is not.
std::string request_text(const Json& request);
bool stream_text(std::string_view text) noexcept;  // writes at once; false when that failed: a callback must not throw
void check_output();                               // a Failure when anything written so far got lost
std::string format(const char* pattern, ...) __attribute__((format(printf, 1, 2)));
std::string human_bytes(double bytes);  // "3.41 GB"
double median(std::vector<double> values);
double seconds_now();  // monotonic

bool stdout_is_terminal();
bool stderr_is_terminal();

// One function per subcommand; each adds itself to the application.
void add_ask(CLI::App& app);
void add_cache(CLI::App& app);
void add_calibrate(CLI::App& app);
void add_replay(CLI::App& app);
void add_why(CLI::App& app);
void add_run(CLI::App& app);
void add_chat(CLI::App& app);
void add_inspect(CLI::App& app);
void add_models(CLI::App& app);
void add_tokenize(CLI::App& app);
void add_detokenize(CLI::App& app);
void add_embed(CLI::App& app);
void add_rerank(CLI::App& app);
void add_logits(CLI::App& app);
void add_perplexity(CLI::App& app);
void add_eval(CLI::App& app);
void add_eval_honesty(CLI::App& eval);
void add_eval_route(CLI::App& eval);
void add_serve(CLI::App& app);
void add_session(CLI::App& app);
void add_index(CLI::App& app);
void add_check(CLI::App& app);
void add_batch(CLI::App& app);
void add_bench(CLI::App& app);
void add_imatrix(CLI::App& app);
void add_quantize(CLI::App& app);
void add_convert(CLI::App& app);
void add_generate_model(CLI::App& app);
void add_doctor(CLI::App& app);
void add_audit(CLI::App& app);
void add_config(CLI::App& app);

}  // namespace kedge::tools
