// Ctrl-C (or SIGTERM) stops what a session is doing, not the program, which then tidies up.
#pragma once

#include "kedge/kedge.hpp"

namespace kedge::tools {

// While it lives, Ctrl-C cancels the session's work (and the next one's, until cleared). One at a time.
class InterruptGuard {
 public:
  explicit InterruptGuard(kedge::Session& session);
  // Of no session: Ctrl-C is only noted, for callbacks that ask interrupted().
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  // True when Ctrl-C came since the last clear(), or SIGTERM at all.
  static bool interrupted();
  static bool terminated();
  // What shells expect of a program that a signal stopped: 130 after Ctrl-C, 143 after SIGTERM.
  static int exit_code();
  void clear();
  // Another session in place of the one it was made with.
  void watch(kedge::Session& session);

 private:
  kedge::Session* session_ = nullptr;
};

}  // namespace kedge::tools
