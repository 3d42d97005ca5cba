// A session belongs to one call at a time, and what that means in callbacks, on other threads and after fork().
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "include/kedge/kedge.h"

namespace {

kedge_model* open_llama() {
  const std::string path = std::string(KEDGE_TEST_DATA) + "/golden/llama/model.gguf";
  kedge_model* model = nullptr;
  EXPECT_EQ(KEDGE_OK, kedge_model_open(path.data(), path.size(), nullptr, &model)) << kedge_last_error();
  return model;
}

kedge_session* session_of(const kedge_model* model, const std::string& kv = "", int threads = 2) {
  kedge_session_options o;
  kedge_session_options_init(&o, sizeof o);
  o.n_ctx = 128;
  o.n_threads = threads;
  o.kv = {kv.data(), kv.size()};
  kedge_session* session = nullptr;
  EXPECT_EQ(KEDGE_OK, kedge_session_create(model, &o, &session)) << kedge_last_error();
  return session;
}

const std::vector<int32_t> kPrompt = {1, 5, 17, 200, 64, 33};

std::vector<float> logits_of(const kedge_session* session) {
  const float* logits = nullptr;
  size_t n = 0;
  EXPECT_EQ(KEDGE_OK, kedge_session_logits(session, &logits, &n)) << kedge_last_error();
  return {logits, logits + n};
}

// What every function says of a session that another call uses.
std::vector<kedge_status> use_all(kedge_session* s) {
  const float* logits = nullptr;
  const int32_t* tokens = nullptr;
  size_t n = 0;
  char* text = nullptr;
  kedge_session* fork = nullptr;
  kedge_generation* generation = nullptr;
  kedge_session_info info{};
  info.struct_size = sizeof info;
  const std::string path = testing::TempDir() + "kedge-never-written";
  return {kedge_session_eval(s, kPrompt.data(), 1, nullptr),
          kedge_generate(s, kPrompt.data(), 1, nullptr, &generation),
          kedge_session_truncate(s, 0),
          kedge_session_logits(s, &logits, &n),
          kedge_session_tokens(s, &tokens, &n),
          kedge_session_get_info(s, &info),
          kedge_session_add_segments(s, "[]", 2, &text, &n),
          kedge_session_recall(s, "{\"text\":\"a\"}", 12, &text, &n),
          kedge_session_fork(s, &fork),
          kedge_session_save(s, path.data(), path.size())};
}

// What the functions that only look say.
std::vector<kedge_status> look_all(const kedge_session* s) {
  char* text[3] = {};
  size_t n = 0;
  const std::vector<kedge_status> said = {kedge_session_kv(s, &text[0], &n), kedge_session_kv_log(s, 0, &text[1], &n),
                                          kedge_session_experts(s, &text[2], &n)};
  for (char* owned : text) kedge_free(owned);
  return said;
}

struct InCallback {
  kedge_session* session = nullptr;
  std::vector<kedge_status> said;
  std::vector<kedge_status> looked;
  std::string why;
  bool free_it = false;
};

int on_progress(void* user, size_t, size_t) {
  auto* in = static_cast<InCallback*>(user);
  in->said = use_all(in->session);
  in->why = kedge_last_error();
  in->looked = look_all(in->session);
  kedge_session_set_cancel(in->session, 0);  // the one that is allowed
  if (in->free_it) kedge_session_free(in->session);
  return 0;
}

TEST(SessionUse, FromItsOwnCallbackIsAnError) {
  kedge_model* model = open_llama();
  for (const bool free_it : {false, true}) {
    InCallback in;
    in.session = session_of(model);
    in.free_it = free_it;
    kedge_eval_options o;
    kedge_eval_options_init(&o, sizeof o);
    o.on_progress = on_progress;
    o.user = &in;
    EXPECT_EQ(KEDGE_OK, kedge_session_eval(in.session, kPrompt.data(), kPrompt.size(), &o)) << kedge_last_error();
    ASSERT_FALSE(in.said.empty());
    for (size_t i = 0; i < in.said.size(); ++i) EXPECT_EQ(KEDGE_INVALID_ARGUMENT, in.said[i]) << i;
    EXPECT_NE(in.why.find("the session is in use"), std::string::npos) << in.why;
    for (const kedge_status s : in.looked) EXPECT_EQ(KEDGE_OK, s) << "looking is allowed";
    if (free_it) continue;  // gone with the end of the call
    for (const kedge_status s : use_all(in.session)) EXPECT_EQ(KEDGE_OK, s) << kedge_last_error();
    kedge_session_free(in.session);
  }
  std::filesystem::remove(testing::TempDir() + "kedge-never-written");
  kedge_model_close(model);
}

int on_row(void* user, int32_t, const float*, size_t) {
  auto* in = static_cast<InCallback*>(user);
  in->looked = look_all(in->session);
  in->why = kedge_last_error();
  return 0;
}

// Rows are given within a step: whoever waited there for its end would wait for ever.
TEST(SessionUse, LookingFromARowIsAnError) {
  kedge_model* model = open_llama();
  InCallback in;
  in.session = session_of(model);
  kedge_eval_options o;
  kedge_eval_options_init(&o, sizeof o);
  o.on_row = on_row;
  o.user = &in;
  EXPECT_EQ(KEDGE_OK, kedge_session_eval(in.session, kPrompt.data(), kPrompt.size(), &o)) << kedge_last_error();
  ASSERT_EQ(in.looked.size(), 3u);
  for (const kedge_status s : in.looked) EXPECT_EQ(KEDGE_INVALID_ARGUMENT, s);
  EXPECT_NE(in.why.find("a step is under way"), std::string::npos) << in.why;
  for (const kedge_status s : look_all(in.session)) EXPECT_EQ(KEDGE_OK, s);
  kedge_session_free(in.session);
  kedge_model_close(model);
}

// A callback that waits until another thread has tried.
struct Meeting {
  std::mutex mutex;
  std::condition_variable changed;
  bool inside = false;
  bool tried = false;
};

int wait_for_other(void* user, size_t, size_t) {
  auto* m = static_cast<Meeting*>(user);
  std::unique_lock lock(m->mutex);
  m->inside = true;
  m->changed.notify_all();
  m->changed.wait(lock, [&] { return m->tried; });
  return 0;
}

TEST(SessionUse, FromTwoThreadsIsAnErrorOfTheSecond) {
  kedge_model* model = open_llama();
  kedge_session* session = session_of(model);
  Meeting m;
  kedge_status second = KEDGE_OK;
  std::thread other([&] {
    std::unique_lock lock(m.mutex);
    m.changed.wait(lock, [&] { return m.inside; });
    second = kedge_session_eval(session, kPrompt.data(), 1, nullptr);
    m.tried = true;
    m.changed.notify_all();
  });
  kedge_eval_options o;
  kedge_eval_options_init(&o, sizeof o);
  o.on_progress = wait_for_other;
  o.user = &m;
  EXPECT_EQ(KEDGE_OK, kedge_session_eval(session, kPrompt.data(), kPrompt.size(), &o)) << kedge_last_error();
  other.join();
  EXPECT_EQ(KEDGE_INVALID_ARGUMENT, second);
  EXPECT_EQ(KEDGE_OK, kedge_session_eval(session, kPrompt.data(), 1, nullptr)) << kedge_last_error();
  kedge_session_free(session);
  kedge_model_close(model);
}

// Runs `child` in a child of this process; its result is the exit status, -1 when it did not end by itself.
template <class F>
int in_child(F&& child) {
  const pid_t pid = fork();
  if (pid == 0) {
    alarm(60);  // a child that hangs is a failure, not a hanging test
    _exit(child());
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Fork, AChildLoadsAndAnswersLikeItsParent) {
  kedge_model* model = open_llama();  // the parent has packed on all of its threads
  kedge_session* session = session_of(model, "", 4);
  ASSERT_EQ(KEDGE_OK, kedge_session_eval(session, kPrompt.data(), kPrompt.size(), nullptr)) << kedge_last_error();
  const std::vector<float> want = logits_of(session);
  EXPECT_EQ(0, in_child([&] {
              kedge_model* own = open_llama();
              kedge_session* s = session_of(own, "", 4);
              const bool ok =
                  kedge_session_eval(s, kPrompt.data(), kPrompt.size(), nullptr) == KEDGE_OK && logits_of(s) == want;
              kedge_session_free(s);
              kedge_model_close(own);
              return ok ? 0 : 1;
            }));
  EXPECT_EQ(0, in_child([&] {  // a new session on the parent's model
              kedge_session* s = session_of(model, "", 4);
              const bool ok =
                  kedge_session_eval(s, kPrompt.data(), kPrompt.size(), nullptr) == KEDGE_OK && logits_of(s) == want;
              kedge_session_free(s);
              return ok ? 0 : 1;
            }));
  kedge_session_free(session);
  kedge_model_close(model);
}

TEST(Fork, AnInheritedSessionGoesOnWithoutItsThreads) {
  kedge_model* model = open_llama();
  kedge_session* session = session_of(model, "", 4);
  ASSERT_EQ(KEDGE_OK, kedge_session_eval(session, kPrompt.data(), 5, nullptr)) << kedge_last_error();
  const int in = in_child([&] {
    const bool ok = kedge_session_eval(session, kPrompt.data() + 5, 1, nullptr) == KEDGE_OK;
    const std::vector<float> got = logits_of(session);
    kedge_session_free(session);
    kedge_session* whole = session_of(model, "", 1);
    const bool right =
        kedge_session_eval(whole, kPrompt.data(), kPrompt.size(), nullptr) == KEDGE_OK && logits_of(whole) == got;
    return ok && right ? 0 : 1;
  });
  EXPECT_EQ(0, in);
  EXPECT_EQ(KEDGE_OK, kedge_session_eval(session, kPrompt.data() + 5, 1, nullptr)) << kedge_last_error();
  kedge_session_free(session);
  kedge_model_close(model);
}

TEST(Fork, AColdTierInAFileStaysTheParents) {
  kedge_model* model = open_llama();
  const std::string path = testing::TempDir() + "kedge-fork-cold-" + std::to_string(getpid());
  kedge_session* session = session_of(model, R"({"budget": 64, "policy": "anchor", "cold": "file:)" + path + "\"}");
  const int in = in_child([&] {
    return kedge_session_eval(session, kPrompt.data(), kPrompt.size(), nullptr) == KEDGE_UNSUPPORTED &&
                   std::strstr(kedge_last_error(), "fork") != nullptr
               ? 0
               : 1;
  });
  EXPECT_EQ(0, in);
  EXPECT_EQ(KEDGE_OK, kedge_session_eval(session, kPrompt.data(), kPrompt.size(), nullptr)) << kedge_last_error();
  kedge_session_free(session);
  kedge_model_close(model);
  std::filesystem::remove(path);
}

// A pipe that nobody writes to would let a careless open() wait for ever.
TEST(ModelFile, WhatIsNoFileIsRefusedAtOnce) {
  const std::string pipe = testing::TempDir() + "kedge-pipe-" + std::to_string(getpid());
  ASSERT_EQ(0, mkfifo(pipe.c_str(), 0600));
  const std::string folder = testing::TempDir();
  const int in = in_child([&] {
    const auto refused = [](const std::string& path, const char* what) {
      kedge_model* model = nullptr;
      const kedge_status status = kedge_model_open(path.data(), path.size(), nullptr, &model);
      return status == KEDGE_INVALID_ARGUMENT && std::strstr(kedge_last_error(), what) != nullptr;
    };
    kedge_model* model = open_llama();
    kedge_session* session = nullptr;
    const bool load = kedge_session_load(model, pipe.data(), pipe.size(), nullptr, &session) != KEDGE_OK;
    return refused(pipe, "a pipe") && refused(folder, "a directory") && refused("/dev/null", "a device") && load ? 0
                                                                                                                 : 1;
  });
  EXPECT_EQ(0, in);
  std::filesystem::remove(pipe);
}

}  // namespace
