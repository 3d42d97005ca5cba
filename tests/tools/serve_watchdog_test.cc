// Who notices steps that do not end: once in the log and the metric for each, and for /readyz as long as it lasts.
#include "tools/serve/watchdog.h"

#include <gtest/gtest.h>

#include "tests/tools/run_command.h"

namespace kedge::tools::serve {
namespace {

using std::chrono::milliseconds;

struct WatchdogTest : testing::Test {
  static Json step(int number, double ms) {
    return {{"step", number},
            {"ms", ms},
            {"decoding", 2},
            {"reading", 1},
            {"keys", {"team\nanna", "team\nbert", "other\n"}}};
  }
  size_t lines(const std::string& event) const {
    size_t n = 0;
    const std::string text = slurp(path);
    for (size_t at = 0; (at = text.find("\"event\":\"" + event + "\"", at)) != std::string::npos; ++at) ++n;
    return n;
  }

  // Its own thread looks too.
  void set(Json value) {
    const std::lock_guard lock(mutex);
    busy = std::move(value);
  }
  std::vector<Watchdog::Watched> look() {
    const std::lock_guard lock(mutex);
    return {{"scout", busy, {"seq-1", "seq-2"}}};
  }

  const std::string path = scratch("watchdog.log");
  std::mutex mutex;
  Json busy;
  Metrics metrics;
};

TEST_F(WatchdogTest, NamesAStepOnceAndSaysWhenItEnded) {
  std::filesystem::remove(path);
  {
    Log log;
    ASSERT_TRUE(log.open(path).ok());
    // An hour: the thread looks every ten seconds, and finds what check() has found.
    Watchdog dog([this] { return look(); }, milliseconds(3'600'000), log, metrics);
    const double over = 3'600'001;
    dog.check();
    EXPECT_EQ(dog.overdue(), "");
    set(step(7, over - 2));
    dog.check();
    EXPECT_EQ(dog.overdue(), "");
    set(step(7, over));
    for (int i = 0; i < 3; ++i) dog.check();
    EXPECT_EQ(dog.overdue(),
              "the engine of scout has been at step 7 (2 decode, 1 read) for 3600.0 s, more than 3600.0 s");
    set(step(8, over));
    dog.check();
    set(step(9, 1));
    dog.check();
    EXPECT_EQ(dog.overdue(), "");
    Json between = step(9, over);
    between["step"] = Json();
    set(between);
    dog.check();
    EXPECT_NE(dog.overdue().find("at its memory for"), std::string::npos) << dog.overdue();
    dog.set_limit(milliseconds(0));
    dog.check();
    EXPECT_EQ(dog.overdue(), "") << "no limit";
  }
  EXPECT_EQ(lines("step_overdue"), 3u) << slurp(path);
  EXPECT_EQ(lines("step_ended"), 3u) << slurp(path);
  const std::string text = slurp(path);
  EXPECT_NE(
      text.find(
          R"("step":7,"ms":3600001,"decoding":2,"reading":1,"keys":["other","team"],"sequences":["seq-1","seq-2"])"),
      std::string::npos)
      << text;
  EXPECT_EQ(text.find("anna"), std::string::npos) << "users are the clients' own words";
  EXPECT_NE(metrics.text().find("kedge_steps_overdue_total{model=\"scout\"} 3\n"), std::string::npos) << metrics.text();
}

}  // namespace
}  // namespace kedge::tools::serve
