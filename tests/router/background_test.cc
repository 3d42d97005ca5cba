// Work that nobody waits for.
#include "router/background.h"

#include <gtest/gtest.h>

#include <future>
#include <stdexcept>
#include <vector>

namespace kedge::router {
namespace {

TEST(Background, TakesWorkInOrderAndNobodyWaits) {
  std::promise<void> begun;
  std::promise<void> go;
  std::shared_future<void> told = go.get_future().share();
  std::vector<int> done;
  Background background(3);
  EXPECT_TRUE(background.push([&begun, told](const std::atomic<bool>&) {
    begun.set_value();
    told.wait();
  }));
  begun.get_future().wait();
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(background.push([&done, i](const std::atomic<bool>&) { done.push_back(i); })) << "push returns at once";
    EXPECT_EQ(background.waiting(), static_cast<size_t>(i) + 2);
  }
  go.set_value();
  background.settle();
  EXPECT_EQ(done, (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(background.waiting(), 0u);
}

TEST(Background, RefusesWhatWouldPileUp) {
  std::promise<void> go;
  std::promise<void> begun;
  Background background(2);
  const auto told = go.get_future().share();
  EXPECT_TRUE(background.push([&begun, told](const std::atomic<bool>&) {
    begun.set_value();
    told.wait();
  }));
  begun.get_future().wait();
  const auto nothing = [](const std::atomic<bool>&) {};
  EXPECT_TRUE(background.push(nothing));
  EXPECT_TRUE(background.push(nothing));
  EXPECT_FALSE(background.push(nothing));
  go.set_value();
  background.settle();
  EXPECT_TRUE(background.push(nothing));
}

TEST(Background, WhatIsThrownIsLostAndTheRestGoesOn) {
  Background background(8);
  bool done = false;
  EXPECT_TRUE(background.push([](const std::atomic<bool>&) { throw std::runtime_error("no memory"); }));
  EXPECT_TRUE(background.push([&](const std::atomic<bool>&) { done = true; }));
  background.settle();
  EXPECT_TRUE(done);
}

TEST(Background, TheEndCancelsWhatIsUnderWay) {
  std::promise<void> begun;
  bool rest = false;
  {
    Background background(8);
    EXPECT_TRUE(background.push([&](const std::atomic<bool>& cancel) {
      begun.set_value();
      while (!cancel) std::this_thread::yield();
    }));
    EXPECT_TRUE(background.push([&](const std::atomic<bool>&) { rest = true; }));
    begun.get_future().wait();
  }
  EXPECT_FALSE(rest);
}

}  // namespace
}  // namespace kedge::router
