// The command `kedge`. Exit codes: 0 done, 1 failed, 2 wrong use, 130 stopped by Ctrl-C. check has its own.
#include <cstdio>
#include <exception>

#include "tools/command.h"

namespace kedge::tools {
namespace {

void complain(const std::string& message) {
  std::fflush(stdout);
  if (!message.empty()) std::fprintf(stderr, "kedge: %s\n", message.c_str());
}

// The help of the subcommand that was meant, for the hint after a wrong use.
std::string help_of(const CLI::App& app) {
  std::string command = "kedge";
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) {
    at = at->get_subcommands().front();
    command += " " + at->get_name();
  }
  return command + " --help";
}

int parse_and_run(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // --help, --version
    complain(e.what());
    std::fprintf(stderr, "Try '%s'.\n", help_of(app).c_str());
    return kExitUsage;
  }
  check_output();
  return 0;
}

}  // namespace
}  // namespace kedge::tools

int main(int argc, char** argv) {
  using namespace kedge::tools;  // NOLINT(google-build-using-namespace)
  try {
    CLI::App app("Kedge runs language models (GGUF files) on the CPU.");
    app.name("kedge");
    app.set_version_flag("--version", "kedge " + kedge::api::version());
    app.require_subcommand(1);
    app.footer(
        "Examples:\n"
        "  kedge chat                                talk to the embedded model\n"
        "  kedge run -m model.gguf -p 'Once upon'    continue a text\n"
        "  kedge inspect model.gguf                  what is in a file, and the memory it needs\n"
        "  kedge doctor                              what this machine can do\n"
        "'kedge COMMAND --help' explains a command.");
    add_ask(app);
    add_calibrate(app);
    add_replay(app);
    add_run(app);
    add_chat(app);
    add_inspect(app);
    add_tokenize(app);
    add_detokenize(app);
    add_logits(app);
    add_perplexity(app);
    add_eval(app);
    add_session(app);
    add_index(app);
    add_check(app);
    add_bench(app);
    add_quantize(app);
    add_generate_model(app);
    add_doctor(app);
    add_audit(app);
    return parse_and_run(app, argc, argv);
  } catch (const Failure& e) {
    complain(e.what());
    return e.exit_code();
  } catch (const std::bad_alloc&) {
    complain("out of memory");
  } catch (const std::exception& e) {
    complain(e.what());
  }
  return kExitFailure;
}
