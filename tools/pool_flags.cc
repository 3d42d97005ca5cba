#include "tools/pool_flags.h"

#include "tools/model_flags.h"

namespace kedge::tools {

void PoolFlags::add_to(CLI::App* command) {
  const CLI::CommonOptions common(command);
  command
      ->add_option("--pool,--config", config, "Pool of models: a TOML or JSON file [the embedded pool: scout and sage]")
      ->type_name("FILE");
  command->add_option("-t,--threads", threads, "Threads of a generation; 0: the cores this process may use")
      ->check(in_range(0, 1024));
}

std::string PoolFlags::path() const { return config.empty() ? embedded_file("pool.toml") : config; }

kedge::Router PoolFlags::open(Json overrides) const {
  if (threads >= 0) overrides["threads"] = threads;
  return need(kedge::Router::open(path(), overrides.dump()));
}

}  // namespace kedge::tools
