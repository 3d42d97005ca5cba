// The flags for what is added to a model while it runs, the same in every subcommand that has a session.
#pragma once

#include <string>
#include <vector>

#include "tools/command.h"

namespace kedge::tools {

class AdapterFlags {
 public:
  void add_to(CLI::App* command);
  bool given() const { return !lora_.empty() || !control_.empty(); }
  // Opens the files for a model, which must be the same at every call; they stay open as long as the flags live. For
  // SessionOptions.adapters.
  std::vector<kedge_adapter_use> open(const kedge::Model& model);
  Json json() const;  // [{"file", "scale"}], in the order they are added

 private:
  struct Named {
    std::string file;
    float scale;
  };
  std::vector<Named> named() const;

  std::vector<std::string> lora_;
  std::vector<std::string> control_;
  std::vector<kedge::Adapter> opened_;
};

}  // namespace kedge::tools
