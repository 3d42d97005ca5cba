// What is told, leaves, and is asked for: a reference that names it is reported or recalled, whatever its spelling;
// anything else raises no alarm, and what is gone is counted.
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/memory/kv_harness.h"

namespace kedge::memory {
namespace {

using namespace kv_harness;

struct Case {
  std::string name;
  std::vector<std::string> facts;
  std::string mention;
  bool named = false;
};

std::vector<Case> cases(const std::string& file) {
  std::ifstream in(std::string(KEDGE_TEST_DATA) + "/cases/references/" + file);
  std::vector<Case> all;
  for (std::string line; std::getline(in, line);) {
    const auto json = nlohmann::json::parse(line);
    all.push_back({json["name"], json["facts"], json["mention"], json["expect"] == "named"});
  }
  return all;
}

std::string flood() {
  std::ifstream in(std::string(KEDGE_TEST_DATA) + "/cases/references/flood.txt");
  return {std::istreambuf_iterator<char>(in), {}};
}

// Pieces of at most five bytes that end before a blank, as a vocabulary might have them.
std::vector<std::string> pieces(std::string_view text) {
  std::vector<std::string> out;
  for (size_t i = 0; i < text.size();) {
    size_t n = 1;
    while (n < 5 && i + n < text.size() && text[i + n] != ' ' && text[i + n] != '\n') ++n;
    out.emplace_back(text.substr(i, n));
    i += n;
  }
  return out;
}

struct Told {
  Driver driver;
  int32_t n_facts;  // tokens
};

// `facts`, `then`, and the mention of the case in a memory of `budget` tokens.
Told tell(const Case& c, const std::string& before, const std::string& after, KvOptions options,
          std::string_view mention) {
  Driver d = Driver::make(tiny_shape(4000), options);
  EXPECT_TRUE(d.append(pieces(before), 16).ok());
  std::string facts;
  for (const std::string& fact : c.facts) facts += fact + "\n";
  const auto told = pieces(facts);
  EXPECT_TRUE(d.append(told, 16).ok());
  EXPECT_TRUE(d.append(pieces(after), 16).ok());
  EXPECT_TRUE(d.append(pieces(mention), 16).ok());
  EXPECT_TRUE(d.append({"\n"}, 16).ok());
  return {std::move(d), static_cast<int32_t>(told.size())};
}

KvOptions small(KvOptions::Cold cold) {
  KvOptions options;
  options.budget = 96;
  options.cold = cold;
  return options;
}

class LostReferences : public testing::TestWithParam<const char*> {};

TEST_P(LostReferences, ALostReferenceIsReportedWhenItIsNamed) {
  const auto all = cases(GetParam());
  ASSERT_GE(all.size(), 27u);
  for (const Case& c : all) {
    SCOPED_TRACE(c.name + ": " + c.mention);
    const Told told = tell(c, "", flood(), small(KvOptions::Cold::kOff), c.mention);
    EXPECT_FALSE(told.driver.m->gone_runs().empty());
    EXPECT_LT(told.driver.m->gone_runs().front().first, told.n_facts) << "the case says that they leave";
    EXPECT_EQ(c.named ? 1u : 0u, told.driver.m->detached().size());
    for (const DetachedReference& d : told.driver.m->detached()) EXPECT_LT(d.first, told.n_facts) << d.reference;
  }
}

TEST_P(LostReferences, WithAColdTierItComesBack) {
  for (const Case& c : cases(GetParam())) {
    if (!c.named) continue;
    SCOPED_TRACE(c.name + ": " + c.mention);
    const Told told = tell(c, "", flood(), small(KvOptions::Cold::kRam), c.mention);
    EXPECT_GT(told.driver.m->counts().recalled, 0u);
    EXPECT_TRUE(told.driver.m->gone_runs().empty());
    for (const DetachedReference& d : told.driver.m->detached()) {
      EXPECT_GT(c.facts.size(), 1u) << d.reference << ": more than there is room for";
    }
  }
}

TEST_P(LostReferences, WhatIsHotOrNotMentionedRaisesNoAlarm) {
  const auto all = cases(GetParam());
  size_t n_hot = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    const Case& c = all[i];
    SCOPED_TRACE(c.name + ": " + c.mention);
    const Told hot = tell(c, flood(), "", small(KvOptions::Cold::kOff), c.mention);
    const auto positions = hot.driver.m->hot_positions();
    const auto first =
        std::lower_bound(positions.begin(), positions.end(), static_cast<int32_t>(pieces(flood()).size()));
    if (positions.end() - first >= hot.n_facts && first[hot.n_facts - 1] == *first + hot.n_facts - 1) {
      ++n_hot;
      for (const DetachedReference& d : hot.driver.m->detached()) ADD_FAILURE() << d.reference;
    }
    const Case& other = all[(i + all.size() / 2) % all.size()];
    if (other.facts[0].substr(0, 8) == c.facts[0].substr(0, 8)) continue;
    const Told not_mentioned = tell(c, "", flood(), small(KvOptions::Cold::kOff), other.mention);
    for (const DetachedReference& d : not_mentioned.driver.m->detached())
      ADD_FAILURE() << other.mention << ": " << d.reference;
  }
  EXPECT_GE(n_hot, all.size() * 9 / 10);
}

INSTANTIATE_TEST_SUITE_P(Cases, LostReferences, testing::Values("mentions.jsonl", "variants.jsonl"),
                         [](const auto& i) { return std::string(i.param).substr(0, std::string(i.param).find('.')); });

TEST(HonestyOfLogs, FieldsOfRepeatedLinesRaiseNoAlarms) {
  Driver d = Driver::make(tiny_shape(20000), small(KvOptions::Cold::kOff));
  for (uint64_t i = 0; i < 120; ++i) {
    const std::string line = "{\"level\": \"info\", \"trace_id\": \"" + std::to_string(mix(i) % 900000 + 100000) +
                             "\", \"status_code\": 200, \"span_ms\": " + std::to_string(mix(i + 999) % 90) + "}\n";
    ASSERT_TRUE(d.append(pieces(line), 16).ok());
  }
  EXPECT_EQ(0u, d.m->counts().detached);
  EXPECT_FALSE(d.m->gone_runs().empty());
}

TEST(HonestyOfPolicies, WhatIsGoneIsCountedUnderAny) {
  for (const std::string_view policy : policy_names()) {
    if (policy == "full") continue;
    KvOptions options = small(KvOptions::Cold::kOff);
    options.policy = policy;
    Driver d = Driver::make(tiny_shape(4000), options);
    ASSERT_TRUE(d.append(pieces(flood()), 16).ok());
    int32_t gone = 0;
    for (const auto& [first, last] : d.m->gone_runs()) gone += last - first;
    const auto hot = d.m->hot_positions();
    EXPECT_EQ(d.m->sequence().next_position(), gone + static_cast<int32_t>(hot.size())) << policy;
    EXPECT_EQ(d.m->policy().uses_metadata, d.m->watches_references()) << policy;
  }
}

}  // namespace
}  // namespace kedge::memory
