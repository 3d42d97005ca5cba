// Lines from standard input that Ctrl-C can interrupt.
#pragma once

#include <string>

namespace kedge::tools {

class LineReader {
 public:
  enum class Outcome { kLine, kEnd, kInterrupted };

  // The next line without its line end. kInterrupted: a signal came while waiting; what was typed so far is dropped.
  Outcome read(std::string& line);

 private:
  std::string pending_;
  bool at_end_ = false;
};

}  // namespace kedge::tools
