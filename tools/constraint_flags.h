// The flags that say what an answer has to obey, the same in every subcommand that generates.
#pragma once

#include <string>
#include <vector>

#include "tools/command.h"

namespace kedge::tools {

class ConstraintFlags {
 public:
  void add_to(CLI::App* command);
  bool given() const;
  // As kedge_generate_options.constraint describes it; null when no flag was given. A Failure: a file that cannot be
  // read, a schema that is no JSON.
  Json options() const;
  std::string json() const;  // empty when no flag was given
  // The same for a server, as members of a request.
  void apply(Json& request) const;
  static void apply(const Json& options, Json& request);

 private:
  std::string schema_;
  std::string grammar_;
  std::string pattern_;
  std::vector<std::string> choices_;
  std::vector<CLI::Option*> options_;  // in the order of the members above
};

// What to say of an answer that ended before its constraint's text was whole.
inline constexpr const char* kUnfinished =
    "the answer ended where what it has to obey is not whole yet (--max-tokens and --ctx set how long it may be)";

}  // namespace kedge::tools
