#include "tools/constraint_flags.h"

#include <algorithm>

namespace kedge::tools {

namespace {

// JSON itself, or a file of it.
Json read_schema(const std::string& given) {
  const size_t first = given.find_first_not_of(" \t\r\n");
  const bool is_text = first != std::string::npos && given[first] == '{';
  const std::string text = is_text ? given : read_text(given);
  auto schema = base::parse_json(text, is_text ? "--json-schema" : given.c_str());
  return need(std::move(schema));
}

}  // namespace

void ConstraintFlags::add_to(CLI::App* command) {
  auto* schema =
      command
          ->add_option("--json-schema", schema_,
                       "The answer is JSON that this schema accepts, members in its order; what of it cannot be "
                       "enforced is an error")
          ->type_name("FILE|JSON");
  auto* grammar =
      command->add_option("--grammar", grammar_, "The answer is a text of this grammar (GBNF)")->type_name("FILE");
  auto* pattern =
      command->add_option("--regex", pattern_, "The whole answer matches this regular expression")->type_name("REGEX");
  auto* choice =
      command
          ->add_option("--choice", choices_, "The answer is one of these texts, separated by commas; may be repeated")
          ->type_name("TEXT,...")
          ->delimiter(',')
          ->allow_extra_args(false);
  options_ = {schema, grammar, pattern, choice};
  for (CLI::Option* one : options_) {
    for (CLI::Option* other : options_) {
      if (one != other) one->excludes(other);
    }
  }
}

bool ConstraintFlags::given() const {
  return std::any_of(options_.begin(), options_.end(), [](const CLI::Option* one) { return one->count() > 0; });
}

Json ConstraintFlags::options() const {
  if (!given()) return Json();
  if (options_[0]->count() > 0) return {{"json_schema", read_schema(schema_)}};
  if (options_[1]->count() > 0) return {{"grammar", read_text(grammar_)}};
  if (options_[2]->count() > 0) return {{"regex", pattern_}};
  return {{"choice", choices_}};
}

std::string ConstraintFlags::json() const { return given() ? request_text(options()) : std::string(); }

void ConstraintFlags::apply(Json& request) const {
  if (given()) apply(options(), request);
}

void ConstraintFlags::apply(const Json& options, Json& request) {
  if (!options.contains("json_schema")) {
    request["structured_outputs"] = options;
    return;
  }
  request["response_format"] = {
      {"type", "json_schema"},
      {"json_schema", {{"name", "answer"}, {"strict", true}, {"schema", options["json_schema"]}}}};
}

}  // namespace kedge::tools
