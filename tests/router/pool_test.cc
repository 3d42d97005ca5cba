// Which models are in memory, and whose they are.
#include <condition_variable>
#include <new>
#include <set>
#include <thread>

#include "tests/router/router_harness.h"

namespace kedge::router {
namespace {

const uint64_t kScoutBytes = std::filesystem::file_size(kScout);
const uint64_t kSageBytes = std::filesystem::file_size(kSage);

class PoolTest : public RouterFixture {
 protected:
  std::unique_ptr<Pool> make(const Json& changes) const {
    const auto config = parse_router_config(pool(changes).dump(), "pool", folder_);
    EXPECT_TRUE(config.ok()) << config.error().message;
    return std::make_unique<Pool>(*config);
  }
  // One more model, so that there is a choice whom to unload.
  static Json with_copy(uint64_t bytes) {
    return {{"memory_bytes", bytes}, {"models", {{"copy", {{"path", kScout}}}}}};
  }
};

TEST_F(PoolTest, LoadsWhenAskedAndOnce) {
  const auto p = make(Json::object());
  EXPECT_EQ(p->loaded("fast"), nullptr);
  const auto first = p->get("fast");
  ASSERT_TRUE(first.ok());
  EXPECT_EQ((*first)->name(), "scout");
  EXPECT_EQ((*p->get("scout")).get(), first->get()) << "by its name too";
  EXPECT_EQ((*first)->digest(), digest_of(kScout));
  EXPECT_EQ((*first)->bytes(), kScoutBytes);
  EXPECT_EQ(p->loaded("deep"), nullptr);
}

TEST_F(PoolTest, UnknownNameListsWhatThereIs) {
  const auto none = make(Json::object())->get("nobody");
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, ErrorCode::kNotFound);
  for (const char* word : {"nobody", "fast (scout)", "deep (sage)"}) {
    EXPECT_NE(none.error().message.find(word), std::string::npos) << none.error().message;
  }
}

TEST_F(PoolTest, UnloadsTheIdleModelUsedLeastRecently) {
  const auto p = make(with_copy(2 * kScoutBytes));
  ASSERT_TRUE(p->get("scout").ok());
  ASSERT_TRUE(p->get("copy").ok());
  ASSERT_TRUE(p->get("scout").ok());  // now copy is the older one
  const auto other = make(with_copy(kScoutBytes + kSageBytes));
  ASSERT_TRUE(other->get("scout").ok());
  ASSERT_TRUE(other->get("copy").ok());
  ASSERT_TRUE(other->get("scout").ok());
  ASSERT_TRUE(other->get("deep").ok());
  EXPECT_NE(other->loaded("scout"), nullptr);
  EXPECT_EQ(other->loaded("copy"), nullptr);
  EXPECT_NE(p->loaded("copy"), nullptr) << "two fit";
}

TEST_F(PoolTest, NeverOneInUse) {
  const auto p = make({{"memory_bytes", kSageBytes}});
  auto held = p->get("fast");
  ASSERT_TRUE(held.ok());
  const auto refused = p->get("deep");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kCapacity);
  for (const std::string& word :
       {std::string("'sage'"), std::to_string(kSageBytes), std::to_string(kScoutBytes), std::string("memory_bytes")}) {
    EXPECT_NE(refused.error().message.find(word), std::string::npos) << refused.error().message;
  }
  EXPECT_EQ(p->health("deep")->breaker.state()["failures"], 0) << "want of room is not the model's fault";
  held = Error{ErrorCode::kInternal, "let go"};
  EXPECT_TRUE(p->get("deep").ok());
  EXPECT_EQ(p->loaded("fast"), nullptr);
}

TEST_F(PoolTest, NeverAPinnedOne) {
  const auto p = make({{"memory_bytes", kSageBytes}, {"models", {{"scout", {{"pinned", true}}}}}});
  ASSERT_TRUE(p->get("fast").ok());
  const auto refused = p->get("deep");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kCapacity);
  EXPECT_NE(p->loaded("fast"), nullptr);
}

TEST_F(PoolTest, WhatIsKnownOfAModelOutlivesItsUnloading) {
  const auto p = make({{"memory_bytes", kSageBytes}});
  (*p->get("fast"))->health().cost.add(0.5, 0.25);
  ASSERT_TRUE(p->get("deep").ok());
  ASSERT_EQ(p->loaded("fast"), nullptr);
  EXPECT_EQ(p->health("fast")->cost.p95().wall_s, 0.5);
  ASSERT_TRUE(p->get("fast").ok());
  EXPECT_EQ((*p->get("fast"))->health().cost.p95().cpu_s, 0.25);
  EXPECT_EQ(p->health("nobody"), nullptr);
}

TEST_F(PoolTest, FoundByDigestUnderAnyName) {
  const auto p =
      make({{"models", {{"scout", nullptr}, {"other", {{"path", kScout}}}}}, {"aliases", {{"fast", "other"}}}});
  const auto found = p->with_digest(digest_of(kScout));
  ASSERT_TRUE(found.ok()) << found.error().message;
  EXPECT_EQ((*found)->name(), "other");
  const auto none = p->with_digest("sha256:00");
  ASSERT_FALSE(none.ok());
  EXPECT_NE(none.error().message.find(digest_of(kSage)), std::string::npos) << none.error().message;
}

TEST_F(PoolTest, RepointedAliasLeavesTheOldModelToItsHolders) {
  const auto p = make(Json::object());
  std::weak_ptr<LoadedModel> old;
  {
    const auto held = *p->get("fast");
    old = held;
    EXPECT_EQ(p->repoint("fast", *p->get("deep")), "scout");
    EXPECT_EQ((*p->get("fast"))->name(), "sage");
    EXPECT_EQ(held->name(), "scout");
    EXPECT_FALSE(old.expired());
  }
  EXPECT_TRUE(old.expired()) << "nobody holds it any more";
}

// Holds every load until it is let go.
class SlowLoads {
 public:
  Pool::Load load() {
    return [this](const auto& name, const auto& spec, const auto& calibrators, int threads, auto health) {
      std::unique_lock lock(mutex_);
      ++begun_[name];
      changed_.notify_all();
      changed_.wait(lock, [&] { return free_.count(name) != 0; });
      return LoadedModel::load(name, spec, calibrators, threads, std::move(health));
    };
  }
  void wait_for(const std::string& name) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return begun_[name] > 0; });
  }
  void let_go(const std::string& name) {
    const std::lock_guard lock(mutex_);
    free_.insert(name);
    changed_.notify_all();
  }
  int begun(const std::string& name) {
    const std::lock_guard lock(mutex_);
    return begun_[name];
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, int> begun_;
  std::set<std::string> free_;
};

TEST_F(PoolTest, WhileAModelIsLoadedOnlyThoseWhoWantItWait) {
  const auto config = parse_router_config(pool({{"memory_bytes", kScoutBytes + kSageBytes}}).dump(), "pool", folder_);
  ASSERT_TRUE(config.ok());
  SlowLoads slow;
  slow.let_go("scout");
  Pool p(*config, slow.load());
  std::vector<std::shared_ptr<LoadedModel>> got(3);
  std::vector<std::thread> threads;
  for (auto& mine : got) threads.emplace_back([&] { mine = *p.get("deep"); });
  slow.wait_for("sage");
  EXPECT_TRUE(p.get("fast").ok()) << "another one";
  EXPECT_EQ(p.state().size(), 2u);
  EXPECT_EQ(p.models().size(), 2u);
  EXPECT_EQ(p.loaded("deep"), nullptr);
  ModelSpec spec;
  spec.path = kSage;
  const auto third = p.load_beside("beside", spec);
  ASSERT_FALSE(third.ok()) << "the one being loaded has its bytes already, and the idle one's are not enough";
  EXPECT_EQ(third.error().code, ErrorCode::kCapacity);
  slow.let_go("sage");
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(slow.begun("sage"), 1) << "loaded once";
  for (const auto& mine : got) EXPECT_EQ(mine, p.loaded("deep"));
  EXPECT_NE(p.loaded("deep"), nullptr);
}

TEST_F(PoolTest, ALoadThatRunsOutOfMemoryIsAnErrorForOneAndNoEndForOthers) {
  const auto config = parse_router_config(pool().dump(), "pool", folder_);
  ASSERT_TRUE(config.ok());
  bool first = true;
  Pool p(*config, [&](const auto& name, const auto& spec, const auto& calibrators, int threads, auto health) {
    if (std::exchange(first, false)) throw std::bad_alloc();
    return LoadedModel::load(name, spec, calibrators, threads, std::move(health));
  });
  const auto refused = p.get("fast");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kCapacity);
  EXPECT_TRUE(p.get("fast").ok());
}

TEST_F(PoolTest, StateNamesEveryModel) {
  const auto p = make(Json::object());
  ASSERT_TRUE(p->get("fast").ok());
  const Json state = p->state();
  ASSERT_EQ(state.size(), 2U);
  for (const Json& m : state) {
    EXPECT_EQ(m["loaded"], m["name"] == "scout");
    EXPECT_EQ(m["breaker"]["state"], "closed");
  }
}

}  // namespace
}  // namespace kedge::router
