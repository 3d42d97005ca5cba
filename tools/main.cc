// The command `kedge`. Exit codes: 0 done, 1 failed, 2 wrong use, 130 stopped by Ctrl-C (143 by
// SIGTERM). check and ask have more.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string_view>
#include <vector>

#include "tools/command.h"
#include "tools/nearest.h"
#include "tools/settings.h"
#include "tools/weights_cache.h"

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
  while ((at = at->parsed()) != nullptr) command += " " + at->get_name();
  return command + " --help";
}

// The first word that should name a command and does not, as a message; empty when all do.
std::string unknown_command(const CLI::App& app, int argc, char** argv) {
  const CLI::App* at = &app;
  std::string path = "kedge";
  for (int i = 1; i < argc && at->wants_subcommand(); ++i) {
    const std::string word = argv[i];
    if (word.starts_with('-')) return "";
    const auto& commands = at->commands();
    const auto known =
        std::find_if(commands.begin(), commands.end(), [&](const auto& c) { return c->check_name(word); });
    if (known != commands.end()) {
      at = known->get();
      path += " " + word;
      continue;
    }
    std::string message = "there is no command '" + path + " " + word + "'";
    std::vector<std::string> names;
    for (const auto& c : commands) names.push_back(c->get_name());
    if (const std::string nearest = nearest_name(word, names); !nearest.empty()) {
      message += "; perhaps '" + path + " " + nearest + "' is meant";
    }
    return message;
  }
  return "";
}

// The first line is what scripts look at.
std::string version_text() {
  char* out = nullptr;
  size_t size = 0;
  if (kedge_build_info(&out, &size) != KEDGE_OK) throw Failure(kedge_last_error());
  const Json build = Json::parse({out, size});
  kedge_free(out);
  std::string isas;
  for (const Json& isa : build["isas"]) isas += (isas.empty() ? "" : ", ") + isa.get<std::string>();
  return "kedge " + build["version"].get<std::string>() + "\ncommit    " + build["commit"].get<std::string>() +
         "\ncompiler  " + build["compiler"].get<std::string>() + "\nkernels   " + isas;
}

int parse_and_run(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) {  // --help, --version
      print(e.what());
      return 0;
    }
    if (const std::string unknown = unknown_command(app, argc, argv); !unknown.empty()) {
      complain(unknown);
      std::fprintf(stderr, "Try '%s'.\n", help_of(app).c_str());
      return kExitUsage;
    }
    complain(e.what());
    std::fprintf(stderr, "Try '%s'.\n", help_of(app).c_str());
    return kExitUsage;
  }
  check_output();
  finish_keeping_weights();
  return 0;
}

}  // namespace
}  // namespace kedge::tools

int main(int argc, char** argv) {
  using namespace kedge::tools;  // NOLINT(google-build-using-namespace)
  try {
    cli::App app("Kedge runs language models (GGUF files) on the CPU.", "kedge");
    app.set_version_flag("--version", version_text());
    app.require_subcommand(1);
    app.footer(
        "Examples:\n"
        "  kedge chat                                talk to the embedded model\n"
        "  kedge pull OWNER/REPO:Q4_K_M              bring a model from Hugging Face\n"
        "  kedge run -m model.gguf -p 'Once upon'    continue a text\n"
        "  kedge inspect model.gguf                  what is in a file, and the memory it needs\n"
        "  kedge doctor                              what this machine can do\n"
        "'kedge COMMAND --help' explains a command.");
    add_ask(app);
    add_calibrate(app);
    add_replay(app);
    add_why(app);
    add_run(app);
    add_serve(app);
    add_batch(app);
    add_chat(app);
    add_models(app);
    add_cache(app);
    add_inspect(app);
    add_tokenize(app);
    add_detokenize(app);
    add_embed(app);
    add_rerank(app);
    add_logits(app);
    add_perplexity(app);
    add_eval(app);
    add_session(app);
    add_index(app);
    add_check(app);
    add_bench(app);
    add_imatrix(app);
    add_quantize(app);
    add_convert(app);
    add_generate_model(app);
    add_doctor(app);
    add_audit(app);
    add_config(app);
    check_numbers(app);
    app.before_run([&app](cli::App& command) {
      if (command.path().front() != "config") Settings(app).apply(command);  // that one looks at them itself
    });
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
