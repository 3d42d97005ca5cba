// kedge tokenize and kedge detokenize: text to ids and back.
#include "tools/model_flags.h"

namespace kedge::tools {

namespace {

struct TokenizeFlags {
  ModelFlags model;
  std::string file = "-";
  std::string prompt;
  TextFlags text;
  bool pieces = false;
  bool json = false;
};

void print_pieces(const kedge::Model& model, const std::vector<int32_t>& ids) {
  for (const int32_t id : ids) {
    const kedge::Token token = need(model.token(id));
    // As a JSON string, so that spaces, line ends and control characters show.
    const std::string piece = Json(token.piece).dump();
    print(format("%8d  %s%s\n", id, piece.c_str(), token.is_control() ? "  (control)" : ""));
  }
}

void tokenize(const TokenizeFlags& flags, bool prompt_given) {
  const std::string text = prompt_given ? flags.prompt : read_text(flags.file);
  const kedge::Model model = flags.model.open_vocabulary();
  const auto ids = flags.text.tokenize(model, text);
  if (flags.pieces) {
    print_pieces(model, ids);
  } else {
    print_json(Json(ids), -1);
  }
}

struct DetokenizeFlags {
  ModelFlags model;
  TokensFlags tokens;
  bool special = false;
  bool json = false;
};

void detokenize(const DetokenizeFlags& flags) {
  const auto ids = flags.tokens.given() ? flags.tokens.read() : parse_ids(read_text("-"), "standard input");
  const kedge::Model model = flags.model.open_vocabulary();
  const std::string text = need(model.detokenize(ids, flags.special));
  if (flags.json) {
    print_json({{"text", text}});
  } else {
    print(text);
  }
}

}  // namespace

void add_tokenize(CLI::App& app) {
  auto flags = std::make_shared<TokenizeFlags>();
  CLI::App* c = app.add_subcommand("tokenize", "Print the token ids of a text as a JSON array");
  flags->model.add_to(c);
  auto* file =
      c->add_option("-f,--file", flags->file, "File with the text; '-': standard input")->capture_default_str();
  auto* prompt = c->add_option("-p,--prompt", flags->prompt, "The text itself")->excludes(file);
  flags->text.add_to(c);
  auto* pieces = c->add_flag("--pieces", flags->pieces, "One token a line, with its text, instead of JSON");
  c->add_flag("--json", flags->json, "The output is JSON anyway; accepted for symmetry")->excludes(pieces);
  c->footer("Examples:\n  kedge tokenize -m model.gguf -f book.txt\n  kedge tokenize -p 'Hello there' --pieces");
  c->callback([flags, prompt] { tokenize(*flags, prompt->count() > 0); });
}

void add_detokenize(CLI::App& app) {
  auto flags = std::make_shared<DetokenizeFlags>();
  CLI::App* c = app.add_subcommand("detokenize", "Print the text of token ids");
  flags->model.add_to(c);
  flags->tokens.add_to(c);
  c->add_flag("--special", flags->special, "Write control tokens as text instead of leaving them out");
  c->add_flag("--json", flags->json, "Print a JSON object {\"text\": ...}");
  c->footer(
      "Without --tokens and --tokens-file the ids are read from standard input.\n"
      "Examples:\n  kedge detokenize --tokens 1,415,273\n  kedge tokenize -f a.txt | kedge detokenize");
  c->callback([flags] { detokenize(*flags); });
}

}  // namespace kedge::tools
