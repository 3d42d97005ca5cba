// Generation over a scripted source: stop strings and characters across token borders, every finish reason, errors.
#include "engine/generate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <random>

#include "engine/answer_json.h"
#include "engine/stop_matcher.h"
#include "kernels/base/utf8.h"

namespace kedge::engine {
namespace {

// A model that says the pieces of a script, one token each, then token 0 (the end).
class Script final : public GenerationSource {
 public:
  explicit Script(std::vector<std::string> pieces, size_t n_ctx = 100) : pieces_(std::move(pieces)), n_ctx_(n_ctx) {
    pieces_.insert(pieces_.begin(), "<end>");
  }
  size_t n_vocab() const override { return pieces_.size() + 1; }  // the last one is the prompt's token
  int32_t prompt_token() const { return static_cast<int32_t>(pieces_.size()); }
  size_t n_ctx() const override { return n_ctx_; }
  std::span<const int32_t> tokens() const override { return tokens_; }
  std::span<const float> logits() const override { return logits_; }
  std::span<const int32_t> eog_tokens() const override { return eog_; }
  std::span<const int32_t> suppressed_tokens() const override { return suppressed_; }
  std::vector<int32_t> breaker_tokens() const override { return {1}; }
  Status begin_text(int32_t, bool) override { return {}; }

  Status eval(std::span<const int32_t> tokens, const std::function<bool(size_t, size_t)>& progress,
              const std::atomic<bool>* cancel) override {
    for (size_t i = 0; i < tokens.size(); ++i) {
      if (cancel != nullptr && cancel->load()) return Error{ErrorCode::kCancelled, "cancelled"};
      tokens_.push_back(tokens[i]);
      if (progress && !progress(i + 1, tokens.size())) return Error{ErrorCode::kCancelled, "cancelled"};
    }
    logits_.assign(n_vocab(), 0.0f);
    const int32_t last = tokens_.back();
    const int32_t next = last == prompt_token() ? 1 : last + 1;
    logits_[next < prompt_token() ? static_cast<size_t>(next) : 0] = 10.0f;
    if (fail_at_ == tokens_.size()) logits_[1] = NAN;
    return {};
  }
  Status append_text(int32_t token, std::string* bytes) override {
    *bytes += pieces_[static_cast<size_t>(token)];
    return {};
  }
  size_t fail_at_ = 0;
  std::vector<int32_t> suppressed_;

 private:
  std::vector<std::string> pieces_;
  size_t n_ctx_;
  std::vector<int32_t> tokens_;
  std::vector<float> logits_;
  std::vector<int32_t> eog_ = {0};
};

GenerateOptions greedy(std::vector<std::string> stop = {}) {
  return {.stop = std::move(stop), .sampler = {.settings = {{"temperature", 0}}}};
}

struct Outcome {
  GenerateResult result;
  std::vector<std::string> chunks;  // as the callback got them
};

Outcome run(std::vector<std::string> pieces, const GenerateOptions& options, size_t n_ctx = 100) {
  Script script(std::move(pieces), n_ctx);
  Outcome o;
  const std::vector<int32_t> prompt = {script.prompt_token()};
  auto r = generate(script, prompt, options, {.on_text = [&](std::string_view t) {
                      o.chunks.emplace_back(t);
                      return true;
                    }});
  EXPECT_TRUE(r.ok()) << r.error().message;
  if (r.ok()) o.result = *std::move(r);
  std::string joined;
  for (const auto& c : o.chunks) {
    EXPECT_TRUE(utf8_valid(c)) << c;
    EXPECT_FALSE(c.empty());
    joined += c;
  }
  EXPECT_EQ(joined, o.result.text);
  return o;
}

TEST(Generate, EndsAtTheStopToken) {
  const auto o = run({"Hello", " ", "world"}, greedy());
  EXPECT_EQ(o.result.text, "Hello world");
  EXPECT_EQ(o.chunks, (std::vector<std::string>{"Hello", " ", "world"}));
  EXPECT_EQ(o.result.finish, FinishReason::kStopToken);
  EXPECT_EQ(o.result.tokens, (std::vector<int32_t>{1, 2, 3, 0}));
  EXPECT_EQ(o.result.n_prompt, 1u);
}

TEST(Generate, CharactersAreNeverSplit) {
  const auto o = run({"a\xe2", "\x82", "\xac", "\xf0\x9f", "\x98\x80!"}, greedy());
  EXPECT_EQ(o.chunks, (std::vector<std::string>{"a", "\u20ac", "\U0001F600!"}));
  EXPECT_EQ(run({"x\xe2\x82"}, greedy()).result.text, "x\uFFFD");  // an unfinished one is not lost silently
  auto cut = greedy();
  cut.max_tokens = 1;
  EXPECT_EQ(run({"x\xe2\x82", "\xac"}, cut).result.text, "x");  // but what goes on from here has it whole
}

TEST(Generate, StopStringsAcrossTokens) {
  auto o = run({"one ST", "O", "P two"}, greedy({"STOP"}));
  EXPECT_EQ(o.result.text, "one ");
  EXPECT_EQ(o.result.finish, FinishReason::kStopString);
  EXPECT_EQ(o.result.stop_index, 0);
  EXPECT_EQ(o.result.tokens.size(), 3u);
  o = run({"one ST", "O", "RE"}, greedy({"STOP"}));  // what looked like it comes out in the end
  EXPECT_EQ(o.result.text, "one STORE");
  EXPECT_EQ(o.chunks, (std::vector<std::string>{"one ", "STORE"}));
  EXPECT_EQ(run({"tail ST"}, greedy({"STOP"})).result.text, "tail ST");
  o = run({"x\n", "\nUser", ":"}, greedy({"###", "\n\nUser:"}));
  EXPECT_EQ(o.result.text, "x");
  EXPECT_EQ(o.result.stop_index, 1);
  o = run({"\xe2\x82", "\xac end"}, greedy({"\u20ac"}));
  EXPECT_EQ(o.result.text, "");
  EXPECT_EQ(run({"aab"}, greedy({"ab"})).result.text, "a");
}

// However the text is cut, the outcome is that of the whole text: everything before the stop string that ends first.
TEST(StopMatcher, CutsDoNotMatter) {
  std::mt19937 gen(3);
  const auto word = [&](size_t most) {
    std::string s(1 + gen() % most, 'a');
    for (char& c : s) c = static_cast<char>('a' + gen() % 2);
    return s;
  };
  for (int round = 0; round < 5000; ++round) {
    const std::string text = word(24);
    std::vector<std::string> stops(1 + gen() % 3);
    for (auto& s : stops) s = word(5);
    size_t best_end = std::string::npos;
    size_t best_begin = text.size();
    for (const auto& s : stops) {
      const size_t at = text.find(s);
      if (at == std::string::npos) continue;
      if (at + s.size() < best_end || (at + s.size() == best_end && at < best_begin)) {
        best_end = at + s.size();
        best_begin = at;
      }
    }
    auto m = StopMatcher::create(stops);
    ASSERT_TRUE(m.ok());
    std::string out;
    bool stopped = false;
    for (size_t i = 0; i < text.size() && !stopped;) {
      const size_t n = 1 + gen() % 4;
      stopped = m->push(std::string_view(text).substr(i, n), &out);
      ASSERT_TRUE(text.substr(0, best_begin).starts_with(out)) << "part of a stop string came out";
      i += n;
    }
    m->finish(&out);
    EXPECT_EQ(stopped, best_end != std::string::npos);
    EXPECT_EQ(out, text.substr(0, best_begin)) << text;
  }
}

TEST(StopMatcher, Limits) {
  EXPECT_FALSE(StopMatcher::create({"a", ""}).ok());
  EXPECT_FALSE(StopMatcher::create({"\xff"}).ok());
  EXPECT_FALSE(StopMatcher::create({std::string(kMaxStopBytes + 1, 'x')}).ok());
  EXPECT_FALSE(StopMatcher::create(std::vector<std::string>(kMaxStopStrings + 1, "x")).ok());
}

TEST(Generate, Lengths) {
  auto options = greedy();
  options.max_tokens = 2;
  auto o = run({"a", "b", "c"}, options);
  EXPECT_EQ(o.result.text, "ab");
  EXPECT_EQ(o.result.finish, FinishReason::kLength);
  options.max_tokens = 0;
  o = run({"a", "b", "c"}, options);
  EXPECT_TRUE(o.result.tokens.empty());
  EXPECT_EQ(o.result.finish, FinishReason::kLength);
  EXPECT_EQ(o.result.n_prompt, 1u);
}

TEST(Generate, AFullContextIsSaid) {
  const auto o =
      run({"a", "b", "c", "d"}, greedy(), 3);  // the prompt, a and b are in the cache; c is chosen after them
  EXPECT_EQ(o.result.text, "abc");
  EXPECT_EQ(o.result.finish, FinishReason::kContextFull);
}

TEST(Generate, APromptThatDoesNotFitIsAnError) {
  Script script({"a"}, 4);
  const auto r = generate(script, std::vector<int32_t>(5, script.prompt_token()), greedy());
  ASSERT_FALSE(r.ok());
  EXPECT_EQ(r.error().code, ErrorCode::kCapacity);
  EXPECT_EQ(r.error().message, "the prompt has 5 tokens, the context has room for 4 (4, of which 0 are in use)");
  EXPECT_TRUE(script.tokens().empty());
}

TEST(Generate, GoesOnFromAnEmptyPrompt) {
  Script script({"a", "b", "c"});
  EXPECT_FALSE(generate(script, {}, greedy()).ok());
  auto options = greedy();
  options.max_tokens = 1;
  const std::vector<int32_t> prompt = {script.prompt_token()};
  EXPECT_EQ(generate(script, prompt, options)->text, "a");
  EXPECT_EQ(generate(script, {}, options)->text, "a");  // the last token chosen is not in the session
  EXPECT_EQ(generate(script, std::vector<int32_t>{1}, options)->text, "b");
}

TEST(Generate, IgnoreEos) {
  auto options = greedy();
  options.ignore_eos = true;
  options.max_tokens = 5;
  const auto o = run({"a", "b"}, options);
  EXPECT_EQ(o.result.finish, FinishReason::kLength);
  EXPECT_EQ(std::count(o.result.tokens.begin(), o.result.tokens.end(), 0), 0);
}

TEST(Generate, SuppressedTokensAreNeverChosen) {
  Script script({"a", "b", "c"});
  script.suppressed_ = {2};
  auto options = greedy();
  options.max_tokens = 5;
  const auto r = generate(script, std::vector<int32_t>{script.prompt_token()}, options);
  ASSERT_TRUE(r.ok()) << r.error().message;
  EXPECT_EQ(r->tokens.front(), 1);
  EXPECT_EQ(std::count(r->tokens.begin(), r->tokens.end(), 2), 0);
}

TEST(Generate, Cancelling) {
  const auto cancel_with = [](GenerateCallbacks callbacks, size_t n_prompt = 1) {
    Script script({"a", "b", "c"});
    const std::vector<int32_t> prompt(n_prompt, script.prompt_token());
    auto r = generate(script, prompt, greedy(), callbacks);
    EXPECT_TRUE(r.ok());
    return *std::move(r);
  };
  auto r = cancel_with({.on_text = [](std::string_view t) { return t != "b"; }});
  EXPECT_EQ(r.finish, FinishReason::kCancelled);
  EXPECT_EQ(r.text, "ab");
  r = cancel_with({.on_token = [](int32_t token, auto) { return token != 1; }});
  EXPECT_EQ(r.finish, FinishReason::kCancelled);
  EXPECT_EQ(r.tokens.size(), 1u);
  r = cancel_with({.on_prefill = [](size_t done, size_t) { return done < 3; }}, 10);
  EXPECT_EQ(r.finish, FinishReason::kCancelled);
  EXPECT_EQ(r.n_prompt, 3u);
  std::atomic<bool> flag{true};
  r = cancel_with({.cancel = &flag});
  EXPECT_EQ(r.finish, FinishReason::kCancelled);
  EXPECT_EQ(r.n_prompt, 0u);
  flag = false;
  r = cancel_with({.on_token =
                       [&](int32_t token, auto) {
                         flag = token == 2;
                         return true;
                       },
                   .cancel = &flag});
  EXPECT_EQ(r.text, "ab");
}

TEST(Generate, LogprobsHaveARowPerToken) {
  auto options = greedy();
  options.logprobs = 2;
  size_t seen = 0;
  Script script({"a", "b"});
  const std::vector<int32_t> prompt = {script.prompt_token()};
  const auto r = generate(script, prompt, options, {.on_token = [&](int32_t token, std::span<const TokenLogprob> top) {
                            EXPECT_EQ(top.size(), 3u);
                            EXPECT_EQ(top[0].token, token);
                            EXPECT_EQ(top[1].token, token);  // greedy
                            ++seen;
                            return true;
                          }});
  EXPECT_EQ(seen, 3u);
  EXPECT_EQ(r->logprobs_per_token, 3u);
  ASSERT_EQ(r->logprobs.size(), 9u);
  EXPECT_NEAR(r->logprobs[3].logprob, 10 - std::log(std::exp(10.0) + 3), 1e-12);
  EXPECT_EQ(r->logprobs[5].token, 0);
}

TEST(Generate, BadOptionsAndBadLogitsAreErrors) {
  Script script({"a", "b"});
  const std::vector<int32_t> prompt = {script.prompt_token()};
  const auto message = [&](const GenerateOptions& options) {
    const auto r = generate(script, prompt, options);
    return r.ok() ? std::string() : r.error().message;
  };
  EXPECT_EQ(message({.max_tokens = -2}), "max_tokens = -2 is below -1 (no limit)");
  EXPECT_EQ(message({.logprobs = 101}), "logprobs = 101 is outside -1 to 100");
  EXPECT_EQ(message({.logprobs = 5}), "logprobs = 5, but the vocabulary has only 4 tokens");
  EXPECT_EQ(message({.stop = {""}}), "stop string 0 is empty");
  EXPECT_TRUE(script.tokens().empty()) << "nothing is evaluated before the options are checked";
  script.fail_at_ = 2;
  EXPECT_NE(message(greedy()).find("logit of token 1 at position 2 is nan"), std::string::npos);
}

TEST(Generate, SettingsAreEchoed) {
  GenerateOptions options = greedy({"\n"});
  options.sampler.seed = ~uint64_t{0};
  options.sampler.logit_bias = {{1, -INFINITY}};
  const auto o = run({"a"}, options);
  const auto json = nlohmann::json::parse(generate_settings_json(options, o.result));
  EXPECT_EQ(json["seed"].get<uint64_t>(), ~uint64_t{0});
  EXPECT_EQ(json["settings"]["temperature"], 0);
  EXPECT_EQ(json["settings"]["top_p"], 0.95);
  EXPECT_EQ(json["stop"][0], "\n");
  EXPECT_EQ(json["logit_bias"][0]["bias"], "-inf");
  EXPECT_EQ(json["max_tokens"], -1);
}

}  // namespace
}  // namespace kedge::engine
