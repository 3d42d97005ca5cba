// kedge check: does an answer hold, as far as that can be told without a model?
#include "kedge/kedge_router.hpp"
#include "tools/passages.h"

namespace kedge::tools {

namespace {

// As grep does: 1 is a verdict, so what could not be checked is 2.
constexpr int kExitFail = 1;
constexpr int kExitTrouble = 2;
constexpr int kExitUnchecked = 3;

struct CheckFlags {
  std::string answer;
  std::string question;
  std::string evidence;
  std::string schema;
  std::string pattern;
  bool json = false;
};

std::string check(const CheckFlags& flags) {
  if (flags.evidence == "-" || flags.schema == "-") throw Failure("only --answer can be '-' (standard input)");
  Json request = {{"answer", text_or_stdin(flags.answer)}, {"question", flags.question}, {"pattern", flags.pattern}};
  if (!flags.evidence.empty()) request["evidence"] = read_passages(flags.evidence);
  if (!flags.schema.empty()) request["schema"] = parse_json_text(read_text(flags.schema), flags.schema);
  return need(kedge::call(kedge_check_answer, request_text(request)));
}

void show(const Json& answer) {
  print(answer.at("verdict").get<std::string>() + "\n");
  for (const Json& c : answer.at("checks")) {
    print(format("  %-12s %s  %s\n", c.at("name").get<std::string>().c_str(),
                 c.at("verdict").get<std::string>().c_str(), c.at("explanation").get<std::string>().c_str()));
  }
  for (const Json& c : answer.at("citations")) {
    const Json& id = c.at("resolved_id");
    const std::string where = id.is_null() ? "nowhere" : "[" + id.get<std::string>() + "]";
    print(format("  citation [%s] stands %s (by %s)\n", c.at("id").get<std::string>().c_str(), where.c_str(),
                 c.at("resolved_by").get<std::string>().c_str()));
  }
}

void run(const CheckFlags& flags) {
  Json answer;
  try {
    answer = Json::parse(check(flags));
  } catch (const Failure& e) {
    throw Failure(e.what(), kExitTrouble);
  }
  flags.json ? print_json(answer) : show(answer);
  check_output();
  const std::string verdict = answer.at("verdict");
  if (verdict == "fail") throw Failure("", kExitFail);
  if (verdict != "pass") throw Failure("", kExitUnchecked);
}

}  // namespace

void add_check(CLI::App& app) {
  auto flags = std::make_shared<CheckFlags>();
  CLI::App* c = app.add_subcommand("check", "Check an answer without a model");
  c->add_option("--answer", flags->answer, "The answer ('-': standard input, without the line ends behind it)")
      ->required();
  c->add_option("--question", flags->question, "The question; arithmetic in it is recomputed");
  c->add_option("--evidence", flags->evidence, "Passages the answer may cite, one {\"id\", \"text\"} a line")
      ->type_name("FILE.jsonl");
  c->add_option("--schema", flags->schema, "JSON schema the answer has to obey")->type_name("FILE");
  c->add_option("--pattern", flags->pattern, "Regular expression (PCRE2) the whole answer has to match");
  c->add_flag("--json", flags->json, "Print one JSON object");
  c->footer(
      "Exit code: 0 a check applied and none failed, 1 one failed, 3 none applied, 2 could not be checked.\n"
      "Example:\n  kedge check --question 'What is 6 + 5?' --answer 11");
  c->callback([flags] { run(*flags); });
}

}  // namespace kedge::tools
