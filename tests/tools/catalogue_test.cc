// kedge list --catalogue: which models fit a machine.
#include <gtest/gtest.h>

#include <set>

#include "tests/tools/run_command.h"

namespace kedge::tools {
namespace {

TEST(Catalogue, EveryModelSaysWhatItNeeds) {
  const Outcome o = run_command({"list", "--catalogue", "--json"});
  ASSERT_EQ(o.exit_code, 0) << o.err;
  const auto json = o.json();
  const double memory = json["memory_bytes"];
  const double bandwidth = json["read_bytes_per_second"];
  EXPECT_GT(bandwidth, 0);
  ASSERT_GT(json["models"].size(), 10u);
  std::set<std::string> names;
  double before = 0;
  for (const auto& m : json["models"]) {
    const std::string name = m["name"];
    EXPECT_TRUE(names.insert(name).second) << name << " stands there twice";
    const std::string pull = m["pull"];
    EXPECT_EQ(std::count(pull.begin(), pull.end(), '/'), 1) << pull;
    EXPECT_EQ(std::count(pull.begin(), pull.end(), ':'), 1) << pull;
    EXPECT_FALSE(m["licence"].get<std::string>().empty()) << name;
    const double file = m["file_bytes"];
    const double parameters = m["parameters"];
    EXPECT_LE(m["active_parameters"].get<double>(), parameters) << name;
    EXPECT_GT(file / parameters, 0.5) << name << ": fewer bits than its type has";
    EXPECT_LT(file / parameters, 1.2) << name << ": more bits than its type has";
    EXPECT_GT(m["memory_bytes"].get<double>(), file) << name;
    EXPECT_EQ(m["fits"].get<bool>(), m["memory_bytes"].get<double>() <= memory) << name;
    // All the weights of a token go through the memory: nobody is faster than that.
    const double token_bytes = file * m["active_parameters"].get<double>() / parameters;
    EXPECT_LT(m["tokens_per_second"].get<double>() * token_bytes, bandwidth) << name;
    EXPECT_GE(parameters, before) << name << ": the table goes from small to large";
    before = parameters;
  }
  const Outcome table = run_command({"list", "--catalogue"});
  EXPECT_EQ(table.exit_code, 0) << table.err;
  for (const std::string& name : names) EXPECT_NE(table.out.find(name), std::string::npos) << name;
  EXPECT_NE(table.out.find("kedge pull "), std::string::npos);
}

}  // namespace
}  // namespace kedge::tools
