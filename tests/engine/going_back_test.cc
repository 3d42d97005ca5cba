// Models whose memory cannot simply forget tokens: layers with windows, layers that recur. Truncated, copied, rolled
// back, saved, paused and begun with what others have computed, a sequence has the bits of one that was never touched.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <random>

#include "engine/engine.h"
#include "engine/prefix_cache.h"
#include "engine/session_file.h"
#include "tests/engine/golden.h"

namespace kedge::engine {
namespace {

using namespace testing_golden;

constexpr int kTokens = 300;

SessionOptions options_of(int chunk = 32) {
  SessionOptions o;
  o.n_ctx = kTokens;
  o.n_threads = 1;
  o.chunk = chunk;
  return o;
}

// What the tests need of a model, computed once.
struct Subject {
  std::string name;
  std::shared_ptr<const Model> model;
  KvOptions kv;
  std::vector<int32_t> tokens;
  std::vector<float> rows;  // the logits of all of them

  std::span<const float> row(int position) const {
    const size_t width = rows.size() / tokens.size();
    return std::span(rows).subspan(static_cast<size_t>(position) * width, width);
  }
  // Evaluates up to a position and compares the logits there.
  void go_on(Session& s, int position, const std::string& where) const {
    const auto from = static_cast<size_t>(s.n_past());
    const Status done = s.eval(std::span(tokens).subspan(from, static_cast<size_t>(position) - from));
    ASSERT_TRUE(done.ok()) << where << ": " << done.error().message;
    expect_here(s, where);
  }
  void expect_here(const Session& s, const std::string& where) const {
    const auto want = row(s.n_past() - 1);
    ASSERT_EQ(want.size(), s.logits().size()) << name << " " << where;
    ASSERT_EQ(0, std::memcmp(want.data(), s.logits().data(), want.size_bytes())) << name << " " << where;
    ASSERT_TRUE(std::equal(s.tokens().begin(), s.tokens().end(), tokens.begin())) << name << " " << where;
  }
};

std::vector<Subject> make_subjects() {
  std::vector<Subject> found;
  for (const std::string& folder : golden_folders()) {
    const std::string path = data_path("golden/" + folder + "/model.gguf");
    const auto model = Model::load(path);
    if (!model.ok() || (*model)->config().both_directions) continue;  // a golden test says so; a text is one step
    const auto session = Session::create(*model, options_of());
    if (!session.ok() || !(*session)->memory().shape().only_forward()) continue;
    // The second with a budget: what keeps all of the text loses some of it. Going back is before that again.
    for (const bool bounded : {false, true}) {
      if (bounded && (*session)->memory().shape().n_tables() == 0) continue;
      Subject s{folder + (bounded ? " with a budget" : ""), *model, {}, {}, {}};
      if (bounded) s.kv.budget = 96;
      SessionOptions options = options_of(64);
      options.kv = s.kv;
      const int n_vocab = s.model->config().n_vocab;
      for (int i = 0; i < kTokens; ++i) s.tokens.push_back((i * 131 + i / 7 + 3) % std::min(n_vocab, 320));
      s.rows = all_logits(s.model, s.tokens, options);
      found.push_back(std::move(s));
    }
  }
  return found;
}

const std::vector<Subject>& subjects() {
  static const std::vector<Subject> kSubjects = make_subjects();
  return kSubjects;
}

std::unique_ptr<Session> session_of(const Subject& subject, int chunk = 32) {
  SessionOptions options = options_of(chunk);
  options.kv = subject.kv;
  auto made = Session::create(subject.model, options);
  EXPECT_TRUE(made.ok()) << made.error().message;
  return std::move(*made);
}

TEST(GoingBack, ThereAreSuchModels) { EXPECT_FALSE(subjects().empty()); }

TEST(GoingBack, TruncateAnywhere) {
  for (const Subject& subject : subjects()) {
    std::mt19937 dice(7);
    const auto s = session_of(subject, 32);
    subject.go_on(*s, 220, "at first");
    for (int round = 0; round < 5; ++round) {
      const int past = s->n_past();
      const int n = round % 4 == 0 ? past - 1 : static_cast<int>(dice() % static_cast<unsigned>(past + 1));
      const Status back = s->truncate(n);
      ASSERT_TRUE(back.ok()) << back.error().message;
      ASSERT_EQ(n, s->n_past());
      ASSERT_TRUE(s->logits().empty());
      const std::string where = "round " + std::to_string(round) + ", back to " + std::to_string(n);
      // A token at a time, or many.
      for (int i = static_cast<int>(dice() % 3); i > 0 && s->n_past() < kTokens; --i) {
        subject.go_on(*s, s->n_past() + 1, where);
      }
      const int more = 1 + static_cast<int>(dice() % 80);
      if (s->n_past() < kTokens) subject.go_on(*s, std::min(s->n_past() + more, kTokens), where);
      if (testing::Test::HasFatalFailure()) return;
    }
    // The context full, and one token less: also then there is room for what is kept.
    if (s->n_past() < kTokens) subject.go_on(*s, kTokens, "full");
    ASSERT_TRUE(s->truncate(kTokens - 1).ok());
    subject.go_on(*s, kTokens, "full again");
    EXPECT_FALSE(s->truncate(kTokens + 1).ok());
    EXPECT_FALSE(s->truncate(-1).ok());
  }
}

// Other tokens on a branch leave nothing behind.
TEST(GoingBack, BranchesOfCopiesAndCheckpoints) {
  for (const Subject& subject : subjects()) {
    std::mt19937 dice(11);
    auto s = session_of(subject, 40);
    subject.go_on(*s, 150, "at first");
    const auto early = s->checkpoint();
    ASSERT_TRUE(early.ok());
    subject.go_on(*s, 200, "later");
    const auto late = s->checkpoint();
    ASSERT_TRUE(late.ok());
    std::vector<int32_t> others(subject.tokens.rbegin(), subject.tokens.rend());
    for (int round = 0; round < 2; ++round) {
      const std::string where = "round " + std::to_string(round);
      const bool to_late = dice() % 2 == 0;
      ASSERT_TRUE(s->rollback(to_late ? **late : **early).ok());
      ASSERT_TRUE(s->eval(std::span(others).first(1 + dice() % 60)).ok());  // astray
      ASSERT_TRUE(s->rollback(to_late ? **late : **early).ok());
      subject.expect_here(*s, where);
      const int past = s->n_past();
      ASSERT_TRUE(s->truncate(past - 1 - static_cast<int>(dice() % 100)).ok());
      subject.go_on(*s, past - static_cast<int>(dice() % 2), where);
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST(GoingBack, ForksGoTheirOwnWays) {
  for (const Subject& subject : subjects()) {
    EngineOptions options;
    options.n_threads = 1;
    options.sequences = 4;
    options.step_tokens = 48;
    auto engine = Engine::create(subject.model, options);
    ASSERT_TRUE(engine.ok()) << engine.error().message;
    SessionOptions of_session;
    of_session.n_ctx = kTokens;
    of_session.kv = subject.kv;
    auto a = (*engine)->session(of_session);
    ASSERT_TRUE(a.ok());
    subject.go_on(**a, 200, "a");
    auto b = (*a)->fork();
    ASSERT_TRUE(b.ok()) << b.error().message;
    ASSERT_TRUE((*a)->truncate(120).ok());
    subject.go_on(**b, 250, "b");
    subject.go_on(**a, 260, "a again");
    ASSERT_TRUE((*b)->truncate(199).ok());
    subject.go_on(**b, 300, "b again");
    a->reset();
    b->reset();
    EXPECT_EQ(0u, (*engine)->stats().pages_in_use);
  }
}

// What a prompt's end has is there still: going back to it evaluates nothing.
TEST(GoingBack, ToAPromptsEndCostsNothing) {
  for (const Subject& subject : subjects()) {
    EngineOptions options;
    options.n_threads = 1;
    options.sequences = 2;
    auto engine = Engine::create(subject.model, options);
    ASSERT_TRUE(engine.ok()) << engine.error().message;
    SessionOptions of_session;
    of_session.n_ctx = kTokens;
    of_session.kv = subject.kv;
    auto s = (*engine)->session(of_session);
    ASSERT_TRUE(s.ok());
    subject.go_on(**s, 150, "a prompt");
    for (int p = 151; p < 190; ++p) subject.go_on(**s, p, "its answer");
    const auto rows = [&] { return (*engine)->stats().prompt_rows + (*engine)->stats().decode_rows; };
    const auto before = rows();
    ASSERT_TRUE((*s)->truncate(150).ok());
    EXPECT_EQ(before, rows());
    ASSERT_TRUE((*s)->truncate(150).ok());
    subject.go_on(**s, 170, "another");
    ASSERT_TRUE((*s)->truncate(160).ok());
    EXPECT_LE(rows(), before + 20 + 10) << subject.name << ": from the prompt's end";
  }
}

TEST(GoingBack, SavedAndLoaded) {
  for (const Subject& subject : subjects()) {
    const auto s = session_of(subject);
    subject.go_on(*s, 210, "at first");
    const std::string path = testing::TempDir() + "kedge-going-back-" + std::to_string(::getpid());
    ASSERT_TRUE(SessionFile::save(*s, path).ok());
    auto loaded = SessionFile::load(subject.model, path, options_of(17));
    ASSERT_TRUE(loaded.ok()) << loaded.error().message;
    ::unlink(path.c_str());
    subject.expect_here(**loaded, "loaded");
    subject.go_on(**loaded, 290, "gone on");
    ASSERT_TRUE((*loaded)->truncate(205).ok());
    subject.go_on(**loaded, 215, "gone back");
  }
}

// Too few pages for all of them: they wait in a file, windows and states too.
TEST(GoingBack, PausedForWantOfPages) {
  for (const Subject& subject : subjects()) {
    if (subject.kv.budget > 0) continue;  // all of them have room then
    const auto alone = session_of(subject);
    EngineOptions options;
    options.n_threads = 1;
    options.sequences = 2;
    options.step_tokens = 16;
    options.spill = testing::TempDir();
    // With room for hardly more than one.
    const KvShape shape = alone->memory().shape();
    auto roomy = Engine::create(subject.model, options);
    ASSERT_TRUE(roomy.ok()) << roomy.error().message;
    options.memory = (*roomy)->stats().buffer_bytes +  // and logits of two, with those of their copies
                     10 * static_cast<size_t>(subject.model->config().n_vocab) * sizeof(float) +
                     (shape.pages_for(kTokens) * 5 / 4) * shape.page_bytes();
    auto engine = Engine::create(subject.model, options);
    ASSERT_TRUE(engine.ok()) << engine.error().message;
    SessionOptions of_session;
    of_session.n_ctx = kTokens;
    of_session.kv = subject.kv;
    std::vector<std::unique_ptr<Session>> all;
    for (int i = 0; i < 4; ++i) all.push_back(std::move((*engine)->session(of_session).value()));
    std::mt19937 dice(3);
    for (int round = 0; round < 14; ++round) {
      Session& s = *all[dice() % all.size()];
      const std::string where = "round " + std::to_string(round);
      if (dice() % 4 == 0 && s.n_past() > 0) {
        ASSERT_TRUE(s.truncate(static_cast<int>(dice() % static_cast<unsigned>(s.n_past()))).ok()) << where;
      }
      if (s.n_past() < kTokens) {
        subject.go_on(s, std::min(s.n_past() + 1 + static_cast<int>(dice() % 100), kTokens), where);
      }
      if (testing::Test::HasFatalFailure()) return;
    }
    EXPECT_GT((*engine)->stats().paused, 0u) << subject.name;
    all.clear();
    EXPECT_EQ(0u, (*engine)->stats().pages_in_use) << subject.name;
  }
}

TEST(GoingBack, BegunWithWhatOthersComputed) {
  for (const Subject& subject : subjects()) {
    if (subject.kv.budget > 0) continue;  // then states are taken as a whole anyway
    auto cache = PrefixCache::create(subject.model, options_of());
    ASSERT_TRUE(cache.ok()) << cache.error().message;
    const auto first = [&](int n) { return std::span(subject.tokens).first(static_cast<size_t>(n)); };
    const auto request = [&](int n, const std::string& where) {
      auto got = (*cache)->acquire(first(n));
      EXPECT_TRUE(got.ok()) << got.error().message;
      if (got->n_reused < n) subject.go_on(*got->session, n, where);
      subject.expect_here(*got->session, where);
      return std::move(*got);
    };
    auto a = request(200, "first");
    EXPECT_EQ(0, a.n_reused);
    for (int p = 201; p < 230; ++p) subject.go_on(*a.session, p, "its answer");
    ASSERT_TRUE((*cache)->store(*a.session).value());
    EXPECT_EQ(200, request(200, "the same again").n_reused) << "with its logits";
    EXPECT_EQ(229, request(250, "gone on").n_reused);
    EXPECT_LE(200, request(215, "ends within the answer").n_reused) << subject.name;
    auto b = request(215, "gone back");
    ASSERT_TRUE(b.session->truncate(203).ok());
    subject.go_on(*b.session, 240, "from there");
    // Another way behind the prompt.
    std::vector<int32_t> other(subject.tokens.begin(), subject.tokens.begin() + 200);
    for (int i = 0; i < 30; ++i) other.push_back(subject.tokens[static_cast<size_t>(i * 5 % 97)]);
    auto c = (*cache)->acquire(other);
    ASSERT_TRUE(c.ok());
    EXPECT_EQ(200, c->n_reused);
    const Status done = c->session->eval(std::span(other).subspan(200));
    ASSERT_TRUE(done.ok()) << subject.name << ": " << done.error().message;
    const auto anew = session_of(subject);
    ASSERT_TRUE(anew->eval(other).ok());
    EXPECT_EQ(0, std::memcmp(anew->logits().data(), c->session->logits().data(), anew->logits().size_bytes()));
  }
}

// Segments that were announced are known after going back, as those of a model that forgets.
TEST(GoingBack, SegmentsStay) {
  for (const Subject& subject : subjects()) {
    if (subject.kv.budget > 0) continue;  // pins would hold other tokens than those of the rows compared with
    const auto s = session_of(subject);
    const Segment early{.first = 10, .last = 30, .pin = Pin::kSoft, .source_id = "early"};
    ASSERT_TRUE(s->add_segments({&early, 1}).ok());
    subject.go_on(*s, 200, "at first");
    const Segment late{.first = 150, .last = 190, .pin = Pin::kSoft, .source_id = "late"};
    const Segment ahead{.first = 240, .last = 260, .source_id = "ahead"};
    ASSERT_TRUE(s->add_segments({&late, 1}).ok());
    ASSERT_TRUE(s->add_segments({&ahead, 1}).ok());
    subject.go_on(*s, 250, "later");
    ASSERT_TRUE(s->truncate(195).ok());
    std::vector<std::string> names;
    for (const Segment& segment : s->memory().index().segments()) names.push_back(segment.source_id);
    EXPECT_EQ((std::vector<std::string>{"early", "late"}), names) << subject.name;
    ASSERT_TRUE(s->truncate(0).ok());
    EXPECT_TRUE(s->memory().index().segments().empty());
    subject.go_on(*s, 100, "from the beginning");
  }
}

}  // namespace
}  // namespace kedge::engine
