#include "tools/interrupt.h"

#include <csignal>

#include <atomic>

namespace kedge::tools {

namespace {

std::atomic<kedge_session*> g_session{nullptr};
std::atomic<bool> g_interrupted{false};
std::atomic<bool> g_terminated{false};
static_assert(std::atomic<kedge_session*>::is_always_lock_free);

void on_interrupt(int signal) {
  g_interrupted.store(true);
  if (signal == SIGTERM) g_terminated.store(true);
  if (kedge_session* session = g_session.load()) kedge_session_set_cancel(session, 1);
}

void set_handler(void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  action.sa_flags = 0;  // no SA_RESTART: a read that waits for the user returns
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

}  // namespace

InterruptGuard::InterruptGuard(kedge::Session& session) : session_(&session) {
  g_interrupted.store(false);
  g_session.store(session.get());
  set_handler(on_interrupt);
}

InterruptGuard::InterruptGuard() {
  g_interrupted.store(false);
  set_handler(on_interrupt);
}

InterruptGuard::~InterruptGuard() {
  set_handler(SIG_DFL);
  g_session.store(nullptr);
}

bool InterruptGuard::interrupted() { return g_interrupted.load(); }
bool InterruptGuard::terminated() { return g_terminated.load(); }
int InterruptGuard::exit_code() { return 128 + (terminated() ? SIGTERM : SIGINT); }

void InterruptGuard::watch(kedge::Session& session) {
  session_ = &session;
  g_session.store(session.get());
}

void InterruptGuard::clear() {
  if (terminated()) return;
  g_interrupted.store(false);
  if (session_ != nullptr) session_->set_cancel(false);
}

}  // namespace kedge::tools
