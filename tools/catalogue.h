// Models that people run on CPUs, a line each: which fits a machine, and how fast it can be there.
#pragma once

#include <span>

namespace kedge::tools {

struct CatalogueModel {
  const char* name;     // as it is called
  const char* pull;     // for `kedge pull`
  double parameters;    // billions
  double active;        // billions that a token uses: fewer in mixtures of experts
  double file_gb;       // of the file that `pull` names, 1e9 bytes
  double kv_kib;        // of a token in the KV memory, F16; windowed layers are counted as if they kept all
  const char* licence;  // as its publisher names it; `kedge pull` shows what the hub says
  const char* good_for;
};

std::span<const CatalogueModel> catalogue();

}  // namespace kedge::tools
