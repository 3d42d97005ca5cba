// What speculation gains: texts are cut into prompts, each is continued without guesses and with every kind of them,
// one after the other, and what has to be equal is compared.
//
//   speculation_bench MODEL DRAFT PROMPTS TOKENS NAME=FILE...
//
// "ngram" looks into the text, "draft" asks the small model as it goes, "tokens" has the small model's whole answer, as
// a route has that escalates. Times are those of decoding; a draft's own are in them, the fast answer's are not.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "engine/generate.h"
#include "engine/session.h"

namespace {

using namespace kedge::engine;
using Kind = SpeculationOptions::Kind;

template <class T>
T need(kedge::base::Result<T> made) {
  if (made.ok()) return std::move(made).value();
  std::fprintf(stderr, "%s\n", made.error().message.c_str());
  std::exit(1);
}

constexpr size_t kPromptBytes = 1200;

std::vector<std::string> prompts_of(const std::string& path, size_t n) {
  std::ifstream in(path);
  std::stringstream whole;
  whole << in.rdbuf();
  const std::string text = whole.str();
  std::vector<std::string> prompts;
  for (size_t i = 0; i < n && text.size() > 2 * kPromptBytes; ++i) {
    const size_t at = text.find('\n', i * (text.size() - 2 * kPromptBytes) / n);
    prompts.push_back(text.substr(at + 1, kPromptBytes));
  }
  return prompts;
}

struct Way {
  const char* name;
  Kind kind;
  bool adaptive;
};
constexpr Way kWays[] = {{"none", Kind::kNone, true},
                         {"ngram", Kind::kNgram, true},
                         {"draft", Kind::kDraft, true},
                         {"tokens", Kind::kTokens, true},
                         {"ngram, always 8", Kind::kNgram, false},
                         {"draft, always 8", Kind::kDraft, false}};

struct Sum {
  double decode_ms = 0;
  size_t tokens = 0;
  size_t differ = 0;
  SpeculationResult counts;
};

class Bench {
 public:
  Bench(const std::string& model, const std::string& draft, int n) : n_(n) {
    SessionOptions o;
    o.n_ctx = 1024;
    session_ = need(Session::create(need(Model::load(model)), o));
    draft_ = need(Session::create(need(Model::load(draft)), o));
  }

  void text(const std::string& name, const std::vector<std::string>& prompts) {
    std::vector<Sum> sums(std::size(kWays));
    for (const std::string& prompt : prompts) {
      const auto ids = need(session_->model().tokenizer().encode(prompt, {}));
      GenerateOptions options{.max_tokens = n_, .ignore_eos = true, .sampler = {.settings = {{"temperature", 0.0}}}};
      const auto fast = one(*draft_, ids, options).tokens;
      std::vector<int32_t> want;
      for (size_t w = 0; w < std::size(kWays); ++w) {
        GenerateOptions guessing = options;
        guessing.speculation = {.kind = kWays[w].kind, .adaptive = kWays[w].adaptive};
        if (kWays[w].kind == Kind::kDraft) guessing.speculation.draft = draft_.get();
        if (kWays[w].kind == Kind::kTokens) guessing.speculation.tokens = fast;
        add(sums[w], one(*session_, ids, guessing), want);
      }
    }
    for (size_t w = 0; w < std::size(kWays); ++w) print(name, kWays[w].name, sums[w], sums[0]);
  }

 private:
  static GenerateResult one(Session& session, std::span<const int32_t> ids, const GenerateOptions& options) {
    if (const auto forgotten = session.truncate(0); !forgotten.ok()) std::exit(1);
    return need(generate(session, ids, options));
  }
  static void add(Sum& sum, const GenerateResult& r, std::vector<int32_t>& want) {
    if (want.empty()) want = r.tokens;
    sum.differ += r.tokens == want ? 0 : 1;
    sum.decode_ms += r.decode_ms;
    sum.tokens += r.tokens.size();
    sum.counts.steps += r.speculation.steps;
    sum.counts.guessed += r.speculation.guessed;
    sum.counts.accepted += r.speculation.accepted;
  }
  static void print(const std::string& text, const char* way, const Sum& s, const Sum& none) {
    const auto ratio = [](double a, double b) { return b > 0 ? a / b : 0; };
    const auto guessed = static_cast<double>(s.counts.guessed);
    const auto accepted = static_cast<double>(s.counts.accepted);
    const auto steps = static_cast<double>(s.counts.steps);
    std::printf("%-8s %-16s %7.1f tokens/s  x%.2f  %5.1f %% of %6.0f guesses came  %.2f tokens a step  %zu differ\n",
                text.c_str(), way, 1000 * ratio(static_cast<double>(s.tokens), s.decode_ms),
                ratio(none.decode_ms, s.decode_ms), 100 * ratio(accepted, guessed), guessed,
                steps > 0 ? (steps + accepted) / steps : 1, s.differ);
    std::fflush(stdout);
  }

  int n_;
  std::unique_ptr<Session> session_;
  std::unique_ptr<Session> draft_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) {
    std::fprintf(stderr, "speculation_bench MODEL DRAFT PROMPTS TOKENS NAME=FILE...\n");
    return 2;
  }
  Bench bench(argv[1], argv[2], std::atoi(argv[4]));
  for (int i = 5; i < argc; ++i) {
    const std::string argument = argv[i];
    const size_t equals = argument.find('=');
    bench.text(argument.substr(0, equals), prompts_of(argument.substr(equals + 1), std::strtoul(argv[3], nullptr, 10)));
  }
  return 0;
}
