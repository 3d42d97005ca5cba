// The public interface on a real (tiny) model: what it gives, and what it says when used wrongly.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "engine/chat_tokens.h"
#include "engine/sampler.h"
#include "engine/vocab_loader.h"
#include "kedge/kedge.hpp"
#include "kernels/isa.h"
#include "kernels/kv_format.h"
#include "memory/eviction/policy.h"
#include "weights/gguf_writer.h"
#include "weights/tensor_store.h"

namespace kedge::engine {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

const std::string kModel = KEDGE_TEST_DATA "/golden/quant-llama/model.gguf";
constexpr const char* kTemplate =
    "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}{% if enable_thinking %}think{% endif %}";

fs::path temp(const std::string& name) {
  return fs::temp_directory_path() / ("kedge_c_api_" + std::to_string(getpid()) + "_" + name);
}

// The golden model with a chat template.
std::string write_chat_model() {
  auto store = TensorStore::open(kModel);
  EXPECT_TRUE(store.ok());
  GgufWriter w;
  for (const GgufEntry& entry : store->metadata().entries()) {
    if (entry.key != "tokenizer.chat_template") w.copy(entry);
  }
  w.add_string("tokenizer.chat_template", kTemplate);
  for (const TensorInfo& t : store->tensors()) {
    w.add_tensor(t.name, *t.type, std::span(t.dims).first(static_cast<size_t>(t.n_dims)));
  }
  const std::string path = temp("chat.gguf").string();
  EXPECT_TRUE(w.begin(path).ok());
  for (const TensorInfo& t : store->tensors()) EXPECT_TRUE(w.write(t.name, store->data(t)).ok());
  EXPECT_TRUE(w.finish().ok());
  return path;
}

kedge::Model open(const std::string& path = kModel) {
  auto m = kedge::Model::open(path);
  EXPECT_TRUE(m.ok()) << m.error().message;
  return *std::move(m);
}

kedge::Session session(const kedge::Model& model, kedge::SessionOptions options = {.n_ctx = 64, .n_threads = 1}) {
  auto s = kedge::Session::create(model, options);
  EXPECT_TRUE(s.ok()) << s.error().message;
  return *std::move(s);
}

const std::vector<int32_t> kPrompt = {1, 127, 196, 245, 190, 21, 271, 255, 150, 271};

TEST(CApi, OpensAndDescribes) {
  std::vector<size_t> seen;
  auto m = kedge::Model::open(kModel, {.on_progress = [&](size_t done, size_t) {
                                seen.push_back(done);
                                return true;
                              }});
  ASSERT_TRUE(m.ok()) << m.error().message;
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  const auto info = m->info();
  EXPECT_EQ(info.n_vocab, 288);
  EXPECT_EQ(info.bos_token, 1);
  EXPECT_EQ(info.has_chat_template, 0);
  const auto description = m->describe({.n_ctx = 64, .n_threads = 1});
  ASSERT_TRUE(description.ok()) << description.error().message;
  const Json d = Json::parse(*description);
  EXPECT_EQ(d["architecture"], "llama");
  EXPECT_EQ(d["n_parameters"], info.n_parameters);
  EXPECT_EQ(d["memory"]["n_ctx"], 64);
  EXPECT_EQ(d["memory"]["kv_bytes"]["f32"].get<int>(), 2 * d["memory"]["kv_bytes"]["f16"].get<int>());
  EXPECT_EQ(d["tokenizer"]["fingerprint"].get<std::string>().size(), 64u);
  EXPECT_FALSE(d["chat_template"]["usable"].get<bool>());
  EXPECT_TRUE(d["chat_template"]["problem"].is_string());
  // Cancelling a load that reads the file.
  const auto cancelled =
      kedge::Model::open(kModel, {.use_mmap = false, .on_progress = [](size_t, size_t) { return false; }});
  ASSERT_FALSE(cancelled.ok());
  EXPECT_EQ(cancelled.error().code, KEDGE_CANCELLED);
}

TEST(CApi, TokensRoundTrip) {
  const kedge::Model m = open();
  const auto ids = m.tokenize("Hello wörld", true, false);
  ASSERT_TRUE(ids.ok()) << ids.error().message;
  EXPECT_EQ(ids->front(), 1);
  EXPECT_EQ(*m.detokenize(*ids), "Hello wörld");
  EXPECT_TRUE(m.tokenize("", false, false)->empty());
  EXPECT_TRUE(m.token(2)->is_eog());
  EXPECT_TRUE(m.token(1)->is_control());
  EXPECT_FALSE(m.token(288).ok());
  EXPECT_FALSE(m.token(-1).ok());
  EXPECT_EQ(m.detokenize(std::vector<int32_t>{1, 999}).error().code, KEDGE_INVALID_ARGUMENT);
}

TEST(CApi, EvalGivesTheLogitsOfEveryToken) {
  const kedge::Model m = open();
  kedge::Session a = session(m, {.n_ctx = 64, .n_threads = 1, .chunk = 3, .kv_type = KEDGE_KV_F32});
  EXPECT_TRUE(a.logits().empty());
  std::vector<int> positions;
  std::vector<float> last;
  size_t progress = 0;
  const auto status = a.eval_all(
      kPrompt,
      [&](int position, std::span<const float> row) {
        positions.push_back(position);
        last.assign(row.begin(), row.end());
        return true;
      },
      [&](size_t done, size_t total) {
        progress = done;
        return total == kPrompt.size();
      });
  ASSERT_TRUE(status.ok()) << status.error().message;
  EXPECT_EQ(progress, kPrompt.size());
  EXPECT_EQ(positions.size(), kPrompt.size());
  EXPECT_EQ(positions.back(), static_cast<int>(kPrompt.size()) - 1);
  kedge::Session b = session(m, {.n_ctx = 64, .n_threads = 2, .kv_type = KEDGE_KV_F32});
  ASSERT_TRUE(b.eval(kPrompt).ok());
  ASSERT_EQ(b.logits().size(), last.size());
  EXPECT_EQ(std::memcmp(b.logits().data(), last.data(), last.size() * sizeof(float)), 0);
  EXPECT_TRUE(std::ranges::equal(b.tokens(), kPrompt));
  EXPECT_EQ(b.info().n_past, 10);
  EXPECT_GT(b.info().kv_bytes, 0u);
  EXPECT_TRUE(b.truncate(3).ok());
  EXPECT_EQ(b.info().n_past, 3);
  EXPECT_EQ(b.truncate(4).error().code, KEDGE_INVALID_ARGUMENT);
  EXPECT_EQ(b.eval(std::vector<int32_t>(62, 5)).error().code, KEDGE_CAPACITY);
  EXPECT_EQ(b.eval(std::vector<int32_t>{288}).error().code, KEDGE_INVALID_ARGUMENT);
  const auto stopped = a.eval_all(std::vector<int32_t>{1, 2}, [](int, std::span<const float>) { return false; });
  EXPECT_EQ(stopped.error().code, KEDGE_CANCELLED);
}

TEST(CApi, GenerationIsTheSameHoweverItIsCut) {
  const kedge::Model m = open();
  kedge::GenerateOptions options{.max_tokens = 12, .logprobs = 3, .ignore_eos = true, .seed = 42};
  std::vector<int32_t> first;
  for (const int chunk : {1, 7, 512}) {
    for (const int threads : {1, 2}) {
      kedge::Session s = session(m, {.n_ctx = 64, .n_threads = threads, .chunk = chunk});
      std::string text;
      size_t tokens = 0;
      options.on_text = [&](std::string_view t) {
        text += t;
        return true;
      };
      options.on_token = [&](int32_t, std::span<const kedge_logprob> top) { return ++tokens > 0 && top.size() == 4; };
      const auto g = s.generate(kPrompt, options);
      ASSERT_TRUE(g.ok()) << g.error().message;
      EXPECT_EQ(g->text(), text);
      EXPECT_EQ(tokens, 12u);
      EXPECT_EQ(g->finish_reason(), KEDGE_FINISH_LENGTH);
      EXPECT_EQ(g->logprobs(11).size(), 4u);
      EXPECT_GE(g->logprobs(0)[1].logprob, g->logprobs(0)[2].logprob);
      EXPECT_EQ(s.tokens().size(), kPrompt.size() + 11);
      const std::vector<int32_t> got(g->tokens().begin(), g->tokens().end());
      if (first.empty()) first = got;
      EXPECT_EQ(got, first) << "chunk " << chunk << ", threads " << threads;
      EXPECT_EQ(Json::parse(g->settings())["seed"], 42);
    }
  }
}

TEST(CApi, GenerationReachesTheEndOfTheContextAndSaysSo) {
  const kedge::Model m = open();
  kedge::Session s = session(m, {.n_ctx = 16, .n_threads = 1});
  const auto g = s.generate(kPrompt, {.ignore_eos = true});
  ASSERT_TRUE(g.ok());
  EXPECT_EQ(g->finish_reason(), KEDGE_FINISH_CONTEXT_FULL);
  EXPECT_EQ(g->tokens().size(), 7u);
  const auto full = s.generate(kPrompt);
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code, KEDGE_CAPACITY);
  EXPECT_EQ(full.error().message, "the prompt has 10 tokens, the context has room for 0 (16, of which 16 are in use)");
}

TEST(CApi, CancellingFromAnotherThread) {
  const kedge::Model m = open();
  kedge::Session s = session(m, {.n_ctx = 512, .n_threads = 1});
  size_t tokens = 0;
  std::thread other;
  const auto g = s.generate(kPrompt, {.ignore_eos = true, .on_token = [&](int32_t, auto) {
                                        if (++tokens == 3) other = std::thread([&] { s.set_cancel(true); });
                                        if (tokens == 3) other.join();
                                        return true;
                                      }});
  ASSERT_TRUE(g.ok());
  EXPECT_EQ(g->finish_reason(), KEDGE_FINISH_CANCELLED);
  EXPECT_EQ(g->tokens().size(), 3u);
  EXPECT_EQ(s.generate({}, {}).ok(), true) << "being cancelled is no error";
  EXPECT_EQ(s.eval(kPrompt).error().code, KEDGE_CANCELLED) << "the flag stays until it is taken back";
  s.set_cancel(false);
  EXPECT_TRUE(s.eval(kPrompt).ok());
}

TEST(CApi, ChatGoesThroughTheModelsTemplate) {
  const std::string path = write_chat_model();
  const kedge::Model m = open(path);
  fs::remove(path);
  EXPECT_EQ(m.info().has_chat_template, 1);
  const std::string messages = R"([{"role":"user","content":"hi </s> there"},{"role":"assistant","content":"yes"}])";
  EXPECT_EQ(*m.chat_render(messages), "<s>user: hi </s> there</s>assistant: yes</s>assistant:");
  EXPECT_EQ(*m.chat_render(messages, R"({"add_generation_prompt":false,"enable_thinking":true})"),
            "<s>user: hi </s> there</s>assistant: yes</s>think");
  const auto ends = [&](const char* options) {
    const auto ids = m.chat_tokenize(messages, options);
    EXPECT_TRUE(ids.ok()) << ids.error().message;
    EXPECT_EQ(ids->front(), 1);
    return std::count(ids->begin(), ids->end(), 2);
  };
  EXPECT_EQ(ends(""), 2) << "what a user typed is not a control token";
  EXPECT_EQ(ends(R"({"allow_special":true})"), 3);
  // Without control tokens in the messages there is no difference to the rendered text as a whole.
  const std::string plain = R"([{"role":"user","content":"one two"}])";
  EXPECT_EQ(*m.chat_tokenize(plain), *m.tokenize(*m.chat_render(plain), false, true));
}

// The prompts the demo model was trained on, from messages: scout's own vocabulary and template.
TEST(ChatTokens, ScoutsPrompts) {
  const std::string folder = KEDGE_TEST_DATA "/vocab/";
  auto store = TensorStore::open(folder + "ggml-vocab-scout.gguf");
  ASSERT_TRUE(store.ok()) << store.error().message;
  auto vocab = load_vocab(store->metadata());
  ASSERT_TRUE(vocab.ok()) << vocab.error().message;
  const auto tokenizer = Tokenizer::make(*std::move(vocab));
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  const auto chat = ChatTemplate::parse(*store->metadata().get_string("tokenizer.chat_template"), "<s>", "</s>");
  ASSERT_TRUE(chat.ok()) << chat.error().message;
  size_t checked = 0;
  for (const Json& prompt : Json::parse(std::ifstream(folder + "scout_prompts.json"))) {
    // "<|role|>text<|end|>...<|assistant|>" back into messages.
    std::vector<ChatMessage> messages;
    std::string rest = prompt["text"];
    for (size_t end = 0; (end = rest.find("<|end|>")) != std::string::npos && rest.starts_with("<|");) {
      const size_t bar = rest.find("|>");
      messages.push_back({rest.substr(2, bar - 2), rest.substr(bar + 2, end - bar - 2), ""});
      rest = rest.substr(end + 7);
    }
    if (messages.empty() || rest != "<|assistant|>") continue;
    const auto segments = chat->render_segments(messages);
    ASSERT_TRUE(segments.ok()) << segments.error().message;
    const bool has_doc = prompt["text"].get<std::string>().find("<|doc|>") != std::string::npos;
    EXPECT_EQ(*encode_chat(**tokenizer, *segments, {.allow_special = true}),
              prompt["tokens"].get<std::vector<int32_t>>());
    EXPECT_EQ(*encode_chat(**tokenizer, *segments, {}) == *encode_chat(**tokenizer, *segments, {.allow_special = true}),
              !has_doc);
    ++checked;
  }
  EXPECT_GE(checked, 2u);
}

TEST(CApi, ChatErrorsNameWhatIsWrong) {
  const std::string path = write_chat_model();
  const kedge::Model m = open(path);
  fs::remove(path);
  const auto error = [&](const std::string& messages, const std::string& options = "") {
    const auto r = m.chat_render(messages, options);
    return r.ok() ? std::string("(none)") : r.error().message;
  };
  EXPECT_EQ(error("{}"), "messages is not a JSON array");
  EXPECT_NE(error("[1").find("messages is not JSON"), std::string::npos);
  EXPECT_EQ(error("[3]"), "messages[0] is not an object");
  EXPECT_EQ(error(R"([{"content":"x"}])"), "messages[0].role is not a string");
  EXPECT_EQ(error(R"([{"role":"user"}])"), "messages[0] has no content");
  EXPECT_NE(error("[]", R"({"thinking":1})").find("unknown chat option 'thinking'"), std::string::npos);
  EXPECT_EQ(error("[]", R"({"allow_special":1})"), "chat option allow_special is not true or false");
  EXPECT_EQ(error(std::string(100000, '[')), "messages: JSON byte 64: nested deeper than 64");
  EXPECT_EQ(open().chat_render("[]").error().code, KEDGE_UNSUPPORTED);
}

TEST(CApi, OpeningWhatIsNoModel) {
  const auto code = [](const std::string& path) {
    const auto m = kedge::Model::open(path);
    EXPECT_FALSE(m.ok());
    EXPECT_FALSE(m.ok() ? true : m.error().message.empty());
    return m.ok() ? KEDGE_OK : m.error().code;
  };
  EXPECT_EQ(code("/no/such/file.gguf"), KEDGE_NOT_FOUND);
  EXPECT_EQ(code(""), KEDGE_INVALID_ARGUMENT);
  EXPECT_EQ(code(std::string("a\0b", 3)), KEDGE_INVALID_ARGUMENT);
  EXPECT_NE(code(KEDGE_TEST_DATA), KEDGE_OK);  // a directory
  EXPECT_NE(code(KEDGE_TEST_DATA "/vocab/ggml-vocab-llama-spm.gguf"), KEDGE_OK);
  EXPECT_NE(code(KEDGE_SOURCE_DIR "/LICENSE"), KEDGE_OK);
}

// Every function, with every pointer null that may not be.
TEST(CApi, NullHandlesAreErrors) {
  kedge_model* model = nullptr;
  kedge_session* s = nullptr;
  kedge_generation* g = nullptr;
  char* text = nullptr;
  int32_t* ids = nullptr;
  size_t n = 0;
  const auto bad = [](kedge_status status) {
    EXPECT_EQ(status, KEDGE_INVALID_ARGUMENT);
    EXPECT_NE(std::string(kedge_last_error()).find(" is null"), std::string::npos) << kedge_last_error();
  };
  bad(kedge_system_info(nullptr, &n));
  bad(kedge_settings_schema(&text, nullptr));
  bad(kedge_model_open("x", 1, nullptr, nullptr));
  bad(kedge_model_open(nullptr, 5, nullptr, &model));
  bad(kedge_model_get_info(nullptr, nullptr));
  bad(kedge_model_describe(nullptr, nullptr, &text, &n));
  bad(kedge_tokenize(nullptr, "x", 1, 0, &ids, &n));
  bad(kedge_detokenize(nullptr, nullptr, 0, 0, &text, &n));
  bad(kedge_token(nullptr, 1, &text, &n, nullptr));
  bad(kedge_chat_render(nullptr, "[]", 2, nullptr, 0, &text, &n));
  bad(kedge_chat_tokenize(nullptr, "[]", 2, nullptr, 0, &ids, &n));
  bad(kedge_session_create(nullptr, nullptr, &s));
  bad(kedge_session_get_info(nullptr, nullptr));
  const int32_t* tokens = nullptr;
  const float* logits = nullptr;
  bad(kedge_session_tokens(nullptr, &tokens, &n));
  bad(kedge_session_logits(nullptr, &logits, &n));
  bad(kedge_session_eval(nullptr, nullptr, 0, nullptr));
  bad(kedge_session_truncate(nullptr, 0));
  bad(kedge_generate(nullptr, nullptr, 0, nullptr, &g));
  bad(kedge_generation_get(nullptr, nullptr));
  const kedge::Model m = open();
  bad(kedge_tokenize(m.get(), nullptr, 3, 0, &ids, &n));
  bad(kedge_tokenize(m.get(), "x", 1, 0, nullptr, &n));
  bad(kedge_token(m.get(), 1, &text, nullptr, nullptr));
  bad(kedge_model_get_info(m.get(), nullptr));
  kedge::Session live = session(m);
  bad(kedge_session_eval(live.get(), nullptr, 2, nullptr));
  bad(kedge_generate(live.get(), nullptr, 2, nullptr, &g));
  kedge_generate_options o;
  kedge_generate_options_init(&o, sizeof o);
  o.n_stop = 1;
  const int32_t one = 1;
  bad(kedge_generate(live.get(), &one, 1, &o, &g));
  kedge_model_close(nullptr);
  kedge_session_free(nullptr);
  kedge_generation_free(nullptr);
  kedge_session_set_cancel(nullptr, 1);
  kedge_session_options_init(nullptr, 8);
  kedge_free(nullptr);
  EXPECT_STREQ(kedge_status_name(static_cast<kedge_status>(15)), "unknown");
}

TEST(CApi, OptionsOfOlderAndNewerCallers) {
  const kedge::Model m = open();
  kedge_session_options o;
  kedge_session_options_init(&o, sizeof o);
  EXPECT_EQ(o.struct_size, sizeof o);
  EXPECT_EQ(o.chunk, 512);
  kedge_session* s = nullptr;
  // An older caller: its struct ends after n_ctx; what follows in memory is not read.
  o = {.struct_size = offsetof(kedge_session_options, n_threads),
       .n_ctx = 32,
       .n_threads = -7,
       .chunk = -7,
       .kv_type = -7,
       .numerics = 0,
       .kv = {},
       .adapters = nullptr,
       .n_adapters = 7};
  EXPECT_EQ(kedge_session_create(m.get(), &o, &s), KEDGE_OK) << kedge_last_error();
  kedge_session_info info{};
  info.struct_size = offsetof(kedge_session_info, n_threads);
  info.n_threads = -7;
  EXPECT_EQ(kedge_session_get_info(s, &info), KEDGE_OK);
  EXPECT_EQ(info.n_ctx, 32);
  EXPECT_EQ(info.n_threads, -7) << "written beyond the caller's struct";
  kedge_session_free(s);
  // A newer one: fields we do not know must be zero.
  struct {
    kedge_session_options known;
    int64_t added;
  } newer;
  kedge_session_options_init(&newer.known, sizeof newer);
  EXPECT_EQ(newer.added, 0);
  newer.known.n_ctx = 32;
  EXPECT_EQ(kedge_session_create(m.get(), &newer.known, &s), KEDGE_OK) << kedge_last_error();
  kedge_session_free(s);
  newer.added = 1;
  EXPECT_EQ(kedge_session_create(m.get(), &newer.known, &s), KEDGE_UNSUPPORTED);
  EXPECT_EQ(s, nullptr);
  o = {};
  EXPECT_EQ(kedge_session_create(m.get(), &o, &s), KEDGE_INVALID_ARGUMENT);
  EXPECT_NE(std::string(kedge_last_error()).find("struct_size = 0"), std::string::npos);
  kedge_session_options_init(&o, sizeof o);
  o.kv_type = 9;
  EXPECT_EQ(kedge_session_create(m.get(), &o, &s), KEDGE_INVALID_ARGUMENT);
}

TEST(CApi, BadGenerateOptionsNameThemselves) {
  const kedge::Model m = open();
  kedge::Session s = session(m);
  const auto error = [&](const kedge::GenerateOptions& o) {
    const auto g = s.generate(kPrompt, o);
    return g.ok() ? std::string("(none)") : g.error().message;
  };
  EXPECT_EQ(error({.settings = {{"top_p", 2.0}}}), "top_p = 2 is outside 0 to 1");
  EXPECT_NE(error({.settings = {{"tempreature", 2.0}}}).find("unknown setting 'tempreature'"), std::string::npos);
  EXPECT_EQ(error({.stop = {""}}), "stop string 0 is empty");
  EXPECT_EQ(error({.logit_bias = {{400, 1.0f}}}), "logit bias of token 400: the vocabulary has 288 tokens");
  EXPECT_EQ(s.info().n_past, 0);
}

TEST(CApi, AnExceptionOfACallbackStaysInside) {
  const kedge::Model m = open();
  kedge::Session s = session(m);
  const auto g =
      s.generate(kPrompt, {.on_token = [](int32_t, auto) -> bool { throw std::runtime_error("from a callback"); }});
  ASSERT_FALSE(g.ok());
  EXPECT_EQ(g.error().code, KEDGE_INTERNAL);
  EXPECT_EQ(g.error().message, "from a callback");
}

TEST(CApi, ErrorsBelongToTheThread) {
  EXPECT_FALSE(kedge::Model::open("/no/such/a").ok());
  std::string other = "unset";
  std::thread([&] { other = kedge_last_error(); }).join();
  EXPECT_EQ(other, "");
  EXPECT_NE(std::string(kedge_last_error()).find("/no/such/a"), std::string::npos);
}

TEST(CApi, SchemaAndSystemInfoAreJson) {
  const Json schema = Json::parse(*kedge::settings_schema());
  EXPECT_EQ(schema["order"].size(), sampler_defs().size());
  for (const Json& p : schema["policies"]) EXPECT_NE(find_policy(p["name"].get<std::string>()), nullptr) << p;
  EXPECT_EQ(schema["policies"].size(), policy_names().size());
  for (const Json& t : schema["cache_types"]) EXPECT_EQ(info(*kv_format_at(t["value"].get<int>())).name, t["name"]);
  EXPECT_EQ(schema["cache_types"].size(), kKvFormats.size());
  for (const Json& s : schema["settings"]) {
    EXPECT_GE(s["default"], s["min"]) << s["name"];
    EXPECT_LE(s["default"], s["max"]) << s["name"];
    EXPECT_FALSE(s["doc"].get<std::string>().empty());
  }
  EXPECT_EQ(Json::parse(*kedge::system_info())["default_threads"], kedge::default_threads());
}

// Runs a command; its exit status and what it printed.
std::pair<int, std::string> shell(const std::string& command) {
  std::string output;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return {-1, "popen failed"};
  char buffer[4096];
  for (size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) output.append(buffer, n);
  return {pclose(pipe), output};
}

// Each header by itself, as the oldest C that has its types, and as C++.
TEST(CApi, HeadersAreStrictC) {
  for (const char* header : {"kedge.h", "kedge_generation.h", "kedge_router.h"}) {
    const std::string source = temp("header.c").string();
    std::ofstream(source) << "#include <kedge/" << header
                          << ">\n#include <kedge/kedge.h>\nint main(void) { return 0; }\n";
    for (const char* language : {"cc -std=c99 -Wstrict-prototypes -Wold-style-definition", "c++ -x c++ -std=c++98"}) {
      const auto [status, messages] = shell(std::string(language) +
                                            " -pedantic-errors -Wall -Wextra -Werror -fsyntax-only "
                                            "-I'" KEDGE_SOURCE_DIR "/include' " +
                                            source);
      EXPECT_EQ(status, 0) << header << ", " << language << ": " << messages;
    }
    fs::remove(source);
  }
}

TEST(CApi, TheBuildSaysWhatItIs) {
  char* text = nullptr;
  size_t size = 0;
  ASSERT_EQ(kedge_build_info(&text, &size), KEDGE_OK);
  const Json build = Json::parse(std::string(text, size));
  kedge_free(text);
  EXPECT_EQ(build["version"], kedge_version());
  EXPECT_STREQ(kedge_version(), KEDGE_VERSION);
  EXPECT_EQ(std::to_string(KEDGE_VERSION_MAJOR) + "." + std::to_string(KEDGE_VERSION_MINOR) + "." +
                std::to_string(KEDGE_VERSION_PATCH),
            KEDGE_VERSION);
  EXPECT_EQ(build["abi"], KEDGE_ABI_VERSION);
  EXPECT_FALSE(build["commit"].get<std::string>().empty());
  std::vector<std::string> isas;
  for (const Json& isa : build["isas"]) isas.push_back(isa.get<std::string>());
  for (const KernelTable* table : usable_kernels()) {
    EXPECT_NE(std::find(isas.begin(), isas.end(), table->name), isas.end()) << table->name;
  }
}

TEST(CApi, TheLogIsHeardAndEnds) {
  std::vector<std::string> heard;
  const auto hear = [](void* user, int level, const char* line, size_t n) {
    static_cast<std::vector<std::string>*>(user)->push_back(std::to_string(level) + " " + std::string(line, n));
  };
  const auto load = [] {
    const auto model = kedge::Model::open(kModel);
    ASSERT_TRUE(model.ok()) << model.error().message;
  };
  kedge_set_log(hear, &heard, KEDGE_LOG_INFO);
  load();
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0], "3 " + std::string(kModel) + ": loaded");
  kedge_set_log(hear, &heard, KEDGE_LOG_WARNING);
  load();
  kedge_set_log(nullptr, nullptr, KEDGE_LOG_DEBUG);
  load();
  EXPECT_EQ(heard.size(), 1u);
}

TEST(CApi, ACompilerForCIsEnough) {
  const std::string compile = "cc -std=c11 -pedantic -Wall -Wextra -Werror -I'" KEDGE_SOURCE_DIR "/include' ";
  const std::string source = "'" KEDGE_SOURCE_DIR "/tests/engine/c_consumer.c'";
  const std::string object = temp("consumer.o").string();
  const std::string program = temp("consumer").string();
  const auto [compiled, messages] = shell(compile + "-c " + source + " -o " + object);
  ASSERT_EQ(compiled, 0) << messages;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  fs::remove(object);
  GTEST_SKIP() << "compiled; linking would need the sanitizer's flags";
#endif
  const std::string library = (fs::path(KEDGE_COMMAND).parent_path() / "libkedge.a").string();
  const auto [linked, link_messages] = shell("cc " + object + " '" + library + "' -o " + program +
                                             " -lstdc++ -lgomp -lsentencepiece -lpcre2-8 -lutf8proc -lm -lpthread");
  ASSERT_EQ(linked, 0) << link_messages;
  const auto [ran, output] = shell(program + " '" + kModel + "'");
  EXPECT_EQ(ran, 0);
  EXPECT_EQ(output, "ok\n");
  fs::remove(object);
  fs::remove(program);
}

// Every token of every expert layer is counted; chunking changes nothing.
TEST(CApi, ExpertStatistics) {
  const std::string path = std::string(KEDGE_TEST_DATA) + "/golden/qwen3moe/model.gguf";
  std::string first;
  for (const int chunk : {1, 4, 512}) {
    auto m = kedge::Model::open(path);
    ASSERT_TRUE(m.ok()) << m.error().message;
    kedge::Session s = session(*m, {.n_ctx = 64, .n_threads = 1, .chunk = chunk});
    ASSERT_TRUE(s.eval_all(kPrompt, [](int, std::span<const float>) { return true; }).ok());
    const auto text = s.experts();
    ASSERT_TRUE(text.ok()) << text.error().message;
    const Json json = Json::parse(*text);
    ASSERT_FALSE(json["layers"].empty());
    for (const Json& layer : json["layers"]) {
      EXPECT_EQ(layer["n_tokens"], kPrompt.size());
      uint64_t total = 0;
      for (const auto& n : layer["tokens"]) total += n.get<uint64_t>();
      EXPECT_EQ(total, kPrompt.size() * json["n_used"].get<uint64_t>());
      EXPECT_GT(layer["entropy"].get<double>(), 0);
      EXPECT_LE(layer["entropy"].get<double>(), std::log(json["n_experts"].get<double>()) + 1e-5);
      EXPECT_GE(layer["margin"].get<double>(), 0);
      EXPECT_LE(layer["switch_rate"].get<double>(), 1);
    }
    if (first.empty()) first = *text;
    EXPECT_EQ(first, *text) << "chunk " << chunk;
  }
}

}  // namespace
}  // namespace kedge::engine
