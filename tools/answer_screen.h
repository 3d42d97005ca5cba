// What is seen at a terminal while a question is answered: what takes time now, and the text as it is written, marked
// as a draft until it is known what becomes of it.
#pragma once

#include <string>

#include "tools/command.h"

namespace kedge::tools {

class AnswerScreen {
 public:
  // Nothing is shown unless `on`.
  AnswerScreen(bool on, bool colour) : on_(on), colour_(colour) {}

  // Of kedge_ask_options.on_event.
  void event(const Json& event);
  // Takes the draft off the screen again, where it still can be. What could not be and stands there; empty: nothing.
  std::string finish();

 private:
  void say(const std::string& what);  // on a line that is gone with the next
  void write(const std::string& more);
  std::string take_back();

  bool on_;
  bool colour_;
  bool saying_ = false;
  std::string draft_;  // as it came
  std::string shown_;  // of it, as people read it
  int64_t attempt_ = -1;
  double last_ = 0;
};

}  // namespace kedge::tools
