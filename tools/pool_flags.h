// Which pool of models a command asks: `--config`, and what may be changed on the command line.
#pragma once

#include <string>

#include "kedge/kedge_router.hpp"
#include "tools/command.h"

namespace kedge::tools {

struct PoolFlags {
  std::string config;  // empty: the embedded pool
  int threads = -1;

  void add_to(CLI::App* command);
  std::string path() const;  // a Failure when there is no embedded pool
  // `overrides` as kedge_router_open takes them, without the flags'.
  kedge::Router open(Json overrides = Json::object()) const;
};

}  // namespace kedge::tools
