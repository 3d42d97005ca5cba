// For json_schema_suite.py: reads lines {"schema" or "gbnf", "texts", "unlisted", "any_order"} and answers each with a
// line
// {"error", "code"} or {"verdicts", "nodes", "states", "read_ms", "compile_ms"}. A text's verdict is the automaton's;
// where the direct reading of the expression says something else, it is null.
#include <chrono>
#include <iostream>
#include <string>

#include "engine/grammar/automaton.h"
#include "engine/grammar/json_schema.h"
#include "engine/grammar/matcher.h"
#include "engine/grammar/node_text.h"

namespace {

using namespace kedge::engine::grammar;
using kedge::base::Json;
using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

bool accepts(const Automaton& automaton, const std::string& text) {
  Matcher matcher(automaton);
  matcher.begin();
  for (const char c : text) {
    if (!matcher.step(static_cast<uint8_t>(c))) return false;
  }
  return matcher.may_end();
}

Json error_of(const kedge::base::Error& error) {
  return {{"error", error.message}, {"code", static_cast<int>(error.code)}};
}

Json answer(const Json& asked) {
  JsonStyle style;
  style.unlisted = asked.value("unlisted", false);
  style.any_order = asked.value("any_order", false);
  Grammar grammar;
  const auto start = Clock::now();
  const auto node = asked.contains("gbnf") ? read_gbnf(asked["gbnf"].get<std::string>(), grammar)
                                           : read_json_schema(asked["schema"], "", style, grammar);
  const double read_ms = ms_since(start);
  if (!node.ok()) return error_of(node.error());
  grammar.start(*node);
  const auto compiling = Clock::now();
  const auto automaton = compile(grammar, {});
  const double compile_ms = ms_since(compiling);
  if (!automaton.ok()) return error_of(automaton.error());
  Json verdicts = Json::array();
  for (const Json& text : asked["texts"]) {
    const bool accepted = accepts(*automaton, text.get<std::string>());
    const bool direct = NodeText(grammar, text.get<std::string>()).matches(*node);
    verdicts.push_back(accepted == direct ? Json(accepted) : Json());
  }
  return {{"verdicts", verdicts},
          {"nodes", grammar.nodes().size()},
          {"states", automaton->n_states()},
          {"read_ms", read_ms},
          {"compile_ms", compile_ms}};
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    const auto asked = kedge::base::parse_json(line, "line");
    std::cout << (asked.ok() ? answer(*asked) : error_of(asked.error())).dump() << "\n" << std::flush;
  }
}
