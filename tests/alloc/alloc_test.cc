// Running out of memory anywhere is KEDGE_CAPACITY: every function is called again and again while its first, second,
// third ... allocation fails. This program has a malloc of its own that does it.
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <gtest/gtest.h>
#include <string.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "include/kedge/kedge.h"
#include "include/kedge/kedge_router.h"
#include "tests/engine/adapter_files.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define KEDGE_OWN_MALLOC 0
#else
#define KEDGE_OWN_MALLOC 1
#endif

namespace {

std::atomic<bool> armed{false};
std::atomic<long> left{0};  // allocations until the one that fails
std::atomic<long> failed{0};
std::atomic<bool> sticky{false};  // all later ones fail too

// Frames of libsentencepiece. It lives on a reserve (tokenizer/spm_memory.h), which is of no use when retries fail too,
// as sticky ones do: those stay outside of it.
bool in_sentencepiece() {
  void* frames[48];
  armed = false;  // the unwinder may allocate
  const int n = backtrace(frames, 48);
  bool found = false;
  for (int i = 0; i < n && !found; ++i) {
    Dl_info info;
    found = dladdr(frames[i], &info) != 0 && info.dli_fname != nullptr &&
            strstr(info.dli_fname, "sentencepiece") != nullptr;
  }
  armed = true;
  return found;
}

bool fails_now() {
  if (!armed.load(std::memory_order_relaxed)) return false;
  const long now = left.fetch_sub(1);
  if (now > 1 || (now < 1 && !sticky)) return false;
  if (sticky && in_sentencepiece()) return false;
  ++failed;
  errno = ENOMEM;
  return true;
}

}  // namespace

#if KEDGE_OWN_MALLOC
extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);

void* malloc(size_t n) { return fails_now() ? nullptr : __libc_malloc(n); }
void* calloc(size_t n, size_t size) { return fails_now() ? nullptr : __libc_calloc(n, size); }
void* realloc(void* p, size_t n) { return fails_now() ? nullptr : __libc_realloc(p, n); }
void* memalign(size_t alignment, size_t n) { return fails_now() ? nullptr : __libc_memalign(alignment, n); }
void* aligned_alloc(size_t alignment, size_t n) { return memalign(alignment, n); }
int posix_memalign(void** out, size_t alignment, size_t n) {
  void* p = memalign(alignment, n);
  if (p == nullptr) return ENOMEM;
  *out = p;
  return 0;
}
}
#endif

namespace {

using Call = std::function<kedge_status()>;

class OutOfMemory : public testing::Test {
 protected:
  void SetUp() override {
    if (!KEDGE_OWN_MALLOC) GTEST_SKIP() << "a sanitizer has its own malloc";
    std::string pattern = testing::TempDir() + "kedge-alloc-XXXXXX";
    folder_ = mkdtemp(pattern.data());
    ASSERT_EQ(KEDGE_OK, open(golden("llama"), &model_)) << kedge_last_error();
  }
  void TearDown() override {
    kedge_model_close(model_);
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }

  static std::string golden(const char* name) {
    return std::string(KEDGE_TEST_DATA) + "/golden/" + name + "/model.gguf";
  }
  static kedge_status open(const std::string& path, kedge_model** model) {
    return kedge_model_open(path.data(), path.size(), nullptr, model);
  }

  // Fails allocation 1, 2, 3 ... of `call` until it needs no more than that; at most `tries` of them, the later ones
  // further apart. A call may do without an allocation; then its status is KEDGE_OK.
  static void exhaust(const char* what, const Call& call, int tries = 120) {
    ASSERT_EQ(KEDGE_OK, call()) << what << ": " << kedge_last_error();
    for (const bool all_later : {false, true}) {
      sticky = all_later;
      exhaust_once(what, call, tries);
      EXPECT_EQ(KEDGE_OK, call()) << what << " afterwards: " << kedge_last_error();
    }
  }
  static void exhaust_once(const char* what, const Call& call, int tries) {
    long n = 1;
    int refused = 0;
    for (int i = 0; i < tries; ++i, n += 1 + n / 24) {
      failed = 0;
      left = n;
      armed = true;
      const kedge_status status = call();
      armed = false;
      if (failed == 0) break;
      if (status == KEDGE_OK) continue;
      ++refused;
      EXPECT_EQ(KEDGE_CAPACITY, status) << what << ", allocation " << n << ": " << kedge_last_error();
      if (status != KEDGE_CAPACITY) break;
    }
    EXPECT_GT(refused, 0) << what << " never failed";
  }

  kedge_session* session(const std::string& kv = "") const {
    kedge_session_options o;
    kedge_session_options_init(&o, sizeof o);
    o.n_ctx = 128;
    o.n_threads = 1;
    o.kv = {kv.data(), kv.size()};
    kedge_session* made = nullptr;
    EXPECT_EQ(KEDGE_OK, kedge_session_create(model_, &o, &made)) << kedge_last_error();
    return made;
  }

  // A function that gives a text.
  template <class F>
  static Call text_of(F&& f) {
    return [f] {
      char* text = nullptr;
      size_t size = 0;
      const kedge_status status = f(&text, &size);
      kedge_free(text);
      return status;
    };
  }

  std::string folder_;
  kedge_model* model_ = nullptr;
};

constexpr const char* kMessages =
    R"([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where is order 4711?", "x": [1, {"y": 2.5}],
        "segments": [{"range": [9, 14], "kind": "reference", "source_id": "order"}]}])";
constexpr const char* kChatOptions = R"({"tools": [{"name": "f"}], "variables": {"a": {"b": [null, true]}}})";
constexpr const char* kKv =
    R"({"budget": 64, "policy": "anchor", "sinks": 2, "recent": 16, "cold": "ram", "cold_type": "same", "seed": 3})";

TEST_F(OutOfMemory, ModelOpen) {
  for (const char* name : {"llama", "qwen3moe"}) {
    const std::string path = golden(name);
    exhaust("kedge_model_open", [&] {
      kedge_model* model = nullptr;
      const kedge_status status = open(path, &model);
      kedge_model_close(model);
      return status;
    });
  }
}

TEST_F(OutOfMemory, Adapters) {
  using namespace kedge::engine;
  const std::string path =
      testing_adapters::write(testing_adapters::random_draft(*testing_golden::load(golden("llama")), 1), "alloc");
  kedge_adapter* adapter = nullptr;
  const auto adapter_open = [&] {
    kedge_adapter_close(adapter);
    return kedge_adapter_open(model_, path.data(), path.size(), &adapter);
  };
  exhaust("kedge_adapter_open", adapter_open);
  exhaust("kedge_adapter_describe",
          text_of([&](char** t, size_t* n) { return kedge_adapter_describe(adapter, t, n); }));
  exhaust("kedge_session_create with an adapter", [&] {
    const kedge_adapter_use use = {adapter, 0.5f};
    kedge_session_options o;
    kedge_session_options_init(&o, sizeof o);
    o.n_ctx = 128;
    o.n_threads = 1;
    o.adapters = &use;
    o.n_adapters = 1;
    kedge_session* made = nullptr;
    kedge_status status = kedge_session_create(model_, &o, &made);
    const int32_t tokens[] = {5, 17, 40};
    if (status == KEDGE_OK) status = kedge_session_eval(made, tokens, 3, nullptr);
    kedge_session_free(made);
    return status;
  });
  kedge_adapter_close(adapter);
}

TEST_F(OutOfMemory, Text) {
  const std::string text = "Hello, world! <|user|> é漢 12345";
  exhaust("kedge_tokenize", [&] {
    int32_t* ids = nullptr;
    size_t n = 0;
    const kedge_status status = kedge_tokenize(model_, text.data(), text.size(), 3, &ids, &n);
    kedge_free(ids);
    return status;
  });
  const std::vector<int32_t> ids = {1, 45, 99, 200};
  exhaust("kedge_detokenize",
          text_of([&](char** t, size_t* n) { return kedge_detokenize(model_, ids.data(), ids.size(), 1, t, n); }));
  exhaust("kedge_model_describe", text_of([&](char** t, size_t* n) {
            kedge_session_options o;
            kedge_session_options_init(&o, sizeof o);
            o.n_threads = 1;
            return kedge_model_describe(model_, &o, t, n);
          }));
  exhaust("kedge_system_info", text_of([](char** t, size_t* n) { return kedge_system_info(t, n); }));
  exhaust("kedge_settings_schema", text_of([](char** t, size_t* n) { return kedge_settings_schema(t, n); }));
  exhaust("kedge_detect_references", text_of([](char** t, size_t* n) {
            constexpr const char* kText = "See DOC-83FA21 [12], https://example.org/a and order #5; call foo_bar(1).";
            return kedge_detect_references(kText, strlen(kText), t, n);
          }));
}

TEST_F(OutOfMemory, Chat) {
  kedge_model* scout = nullptr;
  kedge_model_options o;
  kedge_model_options_init(&o, sizeof o);
  o.vocab_only = 1;
  const std::string path = std::string(KEDGE_SOURCE_DIR) + "/models/scout-q8_0.gguf";
  ASSERT_EQ(KEDGE_OK, kedge_model_open(path.data(), path.size(), &o, &scout)) << kedge_last_error();
  exhaust("kedge_chat_tokenize", [&] {
    int32_t* ids = nullptr;
    size_t n = 0;
    const kedge_status status =
        kedge_chat_tokenize(scout, kMessages, strlen(kMessages), kChatOptions, strlen(kChatOptions), &ids, &n);
    kedge_free(ids);
    return status;
  });
  exhaust("kedge_chat_tokenize_marked", [&] {
    int32_t* ids = nullptr;
    char* segments = nullptr;
    size_t n = 0;
    size_t size = 0;
    const kedge_status status = kedge_chat_tokenize_marked(scout, kMessages, strlen(kMessages), kChatOptions,
                                                           strlen(kChatOptions), &ids, &n, &segments, &size);
    kedge_free(ids);
    kedge_free(segments);
    return status;
  });
  kedge_model_close(scout);
}

TEST_F(OutOfMemory, Sessions) {
  for (const char* kv : {"", kKv}) {
    exhaust("kedge_session_create", [&] {
      kedge_session_options o;
      kedge_session_options_init(&o, sizeof o);
      o.n_ctx = 128;
      o.n_threads = 2;
      o.kv = {kv, strlen(kv)};
      kedge_session* made = nullptr;
      const kedge_status status = kedge_session_create(model_, &o, &made);
      kedge_session_free(made);
      return status;
    });
  }
}

// Each try on a session of its own: what fails half way may leave tokens behind.
TEST_F(OutOfMemory, EvalAndGenerate) {
  std::vector<int32_t> prompt(100);
  for (size_t i = 0; i < prompt.size(); ++i) prompt[i] = static_cast<int32_t>(3 + i * 7 % 300);
  const auto on_fresh = [&](const std::function<kedge_status(kedge_session*)>& f) {
    return Call([this, f] {
      const bool was_armed = armed.exchange(false);
      kedge_session* s = session(kKv);
      armed = was_armed;
      const kedge_status status = f(s);
      const bool still = armed.exchange(false);
      kedge_session_free(s);
      armed = still;
      return status;
    });
  };
  exhaust("kedge_session_eval",
          on_fresh([&](kedge_session* s) { return kedge_session_eval(s, prompt.data(), prompt.size(), nullptr); }),
          100);
  exhaust("kedge_generate", on_fresh([&](kedge_session* s) {
            kedge_generate_options o;
            kedge_generate_options_init(&o, sizeof o);
            o.max_tokens = 4;
            o.logprobs = 2;
            kedge_generation* generation = nullptr;
            const kedge_status status = kedge_generate(s, prompt.data(), 20, &o, &generation);
            kedge_generation_free(generation);
            return status;
          }),
          100);
}

TEST_F(OutOfMemory, Memory) {
  std::vector<int32_t> prompt(100);
  for (size_t i = 0; i < prompt.size(); ++i) prompt[i] = static_cast<int32_t>(3 + i * 7 % 300);
  kedge_session* s = session(kKv);
  ASSERT_EQ(KEDGE_OK, kedge_session_eval(s, prompt.data(), prompt.size(), nullptr)) << kedge_last_error();
  exhaust("kedge_session_kv", text_of([&](char** t, size_t* n) { return kedge_session_kv(s, t, n); }));
  exhaust("kedge_session_kv_log", text_of([&](char** t, size_t* n) { return kedge_session_kv_log(s, 0, t, n); }));
  exhaust("kedge_session_add_segments", text_of([&](char** t, size_t* n) {
            constexpr const char* kSegments = R"([{"range": [90, 96], "kind": "reference", "source_id": "a"}])";
            return kedge_session_add_segments(s, kSegments, strlen(kSegments), t, n);
          }));
  exhaust("kedge_session_recall", text_of([&](char** t, size_t* n) {
            constexpr const char* kWhat = R"({"text": "DOC-83FA21 and more"})";
            return kedge_session_recall(s, kWhat, strlen(kWhat), t, n);
          }));
  const std::string file = folder_ + "/session";
  exhaust("kedge_session_save", [&] { return kedge_session_save(s, file.data(), file.size()); });
  exhaust("kedge_session_load", [&] {
    kedge_session_options o;
    kedge_session_options_init(&o, sizeof o);
    o.n_ctx = 128;
    o.n_threads = 1;
    o.kv = {kKv, strlen(kKv)};
    kedge_session* made = nullptr;
    const kedge_status status = kedge_session_load(model_, file.data(), file.size(), &o, &made);
    kedge_session_free(made);
    return status;
  });
  kedge_session_free(s);
}

TEST_F(OutOfMemory, Router) {
  exhaust("kedge_check_answer", text_of([](char** t, size_t* n) {
            constexpr const char* kRequest =
                R"({"question": "What is 12 * 12?", "answer": "144", "schema": {"type": "integer"}})";
            return kedge_check_answer(kRequest, strlen(kRequest), t, n);
          }));
  std::string rows = R"({"task": "any", "model": {"digest": "x"}, "observations": [)";
  for (int i = 0; i < 200; ++i) {
    rows += (i == 0 ? "" : ",") + std::string(R"({"id": "r)") + std::to_string(i) + R"(", "features": {"a": )" +
            std::to_string(i % 17) + R"(}, "correct": )" + (i % 17 > 5 + i % 4 ? "true" : "false") + "}";
  }
  rows += "]}";
  exhaust("kedge_calibrate",
          text_of([&](char** t, size_t* n) { return kedge_calibrate(rows.data(), rows.size(), t, n); }), 60);
  std::ofstream(folder_ + "/a.txt") << "The lighthouse of Birkenchester has two lamps.\n\nIts keeper is Ada.\n";
  const std::string index = folder_ + "/a.kidx";
  const std::string build =
      R"({"paths": [")" + folder_ + R"(/a.txt"], "out": ")" + index + R"(", "model": ")" + golden("llama") + R"("})";
  exhaust("kedge_index_build", text_of([&](char** t, size_t* n) {
            return kedge_index_build(build.data(), build.size(), nullptr, nullptr, t, n);
          }),
          60);
  const std::string search = R"({"index": ")" + index + R"(", "query": "lamps of the lighthouse", "by": "bm25"})";
  exhaust("kedge_index_search",
          text_of([&](char** t, size_t* n) { return kedge_index_search(search.data(), search.size(), t, n); }), 60);
}

}  // namespace
