// Numbers in JSON options: nothing wraps, is rounded or taken from a text; the error names the member and its range.
#include <gtest/gtest.h>

#include <string>

#include "engine/capi/memory_json.h"
#include "engine/kv_json.h"
#include "kernels/base/json.h"

namespace kedge::engine {
namespace {

std::string problem(const std::string& member, const std::string& value) {
  const auto options = parse_kv_options("{\"" + member + "\": " + value + "}", 4096, 1024);
  return options.ok() ? "" : options.error().message;
}

TEST(NumberOptions, OfTheMemoryAreRangeChecked) {
  EXPECT_EQ(parse_kv_options(R"({"recent": 64})", 4096, 1024)->recent, 64);
  EXPECT_EQ(parse_kv_options(R"({"recent": "12.5%"})", 4096, 1024)->recent, 512);
  EXPECT_EQ(parse_kv_options(R"({"budget": 2e3})", 4096, 1024)->budget, 2000);
  EXPECT_EQ(parse_kv_options(R"({"cold_budget": 4294967296})", 4096, 1024)->cold_bytes, size_t{4294967296});
  const char* whole[] = {"budget", "recent", "sinks", "anchor_margin", "forks", "log", "seed", "cold_budget"};
  for (const std::string member : whole) {
    for (const char* value : {"0.5", "-1", "1.5", "18446744073709551615", "18446744073709551617", "1e300",
                              "-9223372036854775809", "true", "[4]", "{}"}) {
      const std::string why = problem(member, value);
      EXPECT_NE(why.find("KV option " + member + " is "), std::string::npos) << member << " " << value << ": " << why;
    }
  }
  for (const std::string member : {"recent", "sinks", "anchor_margin", "forks", "log"}) {
    const std::string why = problem(member, "4294967297");
    EXPECT_NE(why.find("is 4294967297, must be a whole number from "), std::string::npos) << why;
  }
  for (const std::string member : {"anchor_threshold", "anchor_cap", "recall_threshold"}) {
    for (const char* value : {"-0.1", "1.1", "1e300", "\"0.5\"", "true"}) {
      EXPECT_NE(
          problem(member, value).find(member + " is " + Json::parse(value).dump() + ", must be a number from 0 to 1"),
          std::string::npos)
          << member << " " << value;
    }
  }
  EXPECT_NE(problem("recent", "1e400").find("byte 11: the number 1e400 is beyond"), std::string::npos);
}

TEST(NumberOptions, WrittenAsTextsAreSizesAndSharesOnly) {
  for (const char* value :
       {"\"nan\"", "\"inf\"", "\"-5\"", "\"1e30 GiB\"", "\"nan%\"", "\"101%\"", "\"\"", "\"64 MoB\""}) {
    EXPECT_NE(problem("budget", value), "") << value;
    EXPECT_NE(problem("cold_budget", value), "") << value;
  }
  for (const char* value : {"\"64\"", "\"nan%\"", "\"-1%\"", "\"1 %x\""})
    EXPECT_NE(problem("recent", value), "") << value;
}

TEST(NumberOptions, OfSegmentsAreRangeChecked) {
  const auto why = [](const std::string& members) {
    const auto segments = parse_segments("[{" + members + "}]");
    return segments.ok() ? std::string() : segments.error().message;
  };
  EXPECT_EQ(why(R"("range": [0, 5], "priority": 99, "ttl": 2147483647, "trust": 1)"), "");
  EXPECT_NE(why(R"("range": [0, 4294967301])").find("segments[0].range[1] is 4294967301, must be a whole"),
            std::string::npos);
  EXPECT_NE(why(R"("range": [0.5, 5])").find("segments[0].range[0] is 0.5"), std::string::npos);
  EXPECT_NE(why(R"("range": ["0", 5])").find("segments[0].range[0] is \"0\""), std::string::npos);
  EXPECT_NE(why(R"("range": [5, 5])").find("is empty"), std::string::npos);
  EXPECT_NE(why(R"("range": [0, 5], "priority": 256)").find("priority is 256, must be a whole number from 0 to 99"),
            std::string::npos);
  EXPECT_NE(why(R"("range": [0, 5], "ttl": 4294967297)").find("ttl is 4294967297"), std::string::npos);
  EXPECT_NE(why(R"("range": [0, 5], "ttl": 1.5)").find("ttl is 1.5"), std::string::npos);
  EXPECT_NE(why(R"("range": [0, 5], "trust": 1.01)").find("trust is 1.01, must be a number from 0 to 1"),
            std::string::npos);
}

}  // namespace
}  // namespace kedge::engine
