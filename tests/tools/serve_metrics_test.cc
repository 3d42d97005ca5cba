// Metrics of the server: the format to the letter, and numbers that add up.
#include "tools/serve/serve_metrics.h"

#include <gtest/gtest.h>

#include <fstream>
#include <limits>
#include <thread>

#include "kedge/kedge.hpp"
#include "tests/tools/metrics_format.h"

namespace kedge::tools::serve {
namespace {

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST(Metrics, TextIsWhatWasCounted) {
  Metrics all;
  Counter& a = all.counter("kedge_a_total", "As.", {{"kind", "x"}});
  a.add();
  a.add(41);
  all.counter("kedge_a_total", "As.", {{"kind", "x"}}).add();  // the same one
  all.counter("kedge_a_total", "As.", {{"kind", "y"}});
  all.gauge("kedge_b", "Bs.").set(-0.25);
  Distribution& d = all.distribution("kedge_c_seconds", "Cs.", {0.1, 1, 10});
  for (const double v : {0.05, 0.1, 0.5, 3.0, 100.0}) d.add(v);
  EXPECT_EQ(all.text(),
            "# HELP kedge_a_total As.\n# TYPE kedge_a_total counter\n"
            "kedge_a_total{kind=\"x\"} 43\nkedge_a_total{kind=\"y\"} 0\n"
            "# HELP kedge_b Bs.\n# TYPE kedge_b gauge\nkedge_b -0.25\n"
            "# HELP kedge_c_seconds Cs.\n# TYPE kedge_c_seconds histogram\n"
            "kedge_c_seconds_bucket{le=\"0.1\"} 2\nkedge_c_seconds_bucket{le=\"1\"} 3\n"
            "kedge_c_seconds_bucket{le=\"10\"} 4\nkedge_c_seconds_bucket{le=\"+Inf\"} 5\n"
            "kedge_c_seconds_sum 103.65\nkedge_c_seconds_count 5\n");
  EXPECT_EQ(MetricsFormat::problem(all.text()), "");
  EXPECT_THROW(all.gauge("kedge_a_total", "As."), std::logic_error);
}

TEST(Metrics, StrangeLabelsAndNumbersStayInTheFormat) {
  Metrics all;
  all.counter("kedge_a_total", "A back\\slash\nand a line.", {{"reason", "a \"quoted\"\\ \n line, {x=\"y\"} 7"}}).add();
  all.gauge("kedge_b", "Bs.", {{"of", ""}}).set(std::numeric_limits<double>::infinity());
  all.gauge("kedge_b", "Bs.", {{"of", "no"}}).set(std::numeric_limits<double>::quiet_NaN());
  all.gauge("kedge_b", "Bs.", {{"of", "little"}}).set(1e-300);
  const std::string text = all.text();
  EXPECT_EQ(MetricsFormat::problem(text), "") << text;
  EXPECT_TRUE(has_line(text, "# HELP kedge_a_total A back\\\\slash\\nand a line."));
  EXPECT_TRUE(has_line(text, R"(kedge_a_total{reason="a \"quoted\"\\ \n line, {x=\"y\"} 7"} 1)"));
  EXPECT_TRUE(has_line(text, "kedge_b{of=\"\"} +Inf"));
  EXPECT_TRUE(has_line(text, "kedge_b{of=\"no\"} NaN"));
  EXPECT_TRUE(has_line(text, "kedge_b{of=\"little\"} 1e-300"));
}

TEST(Metrics, TheCheckOfTheFormatFindsWhatIsWrong) {
  const std::string head = "# HELP a As.\n# TYPE a gauge\n";
  const std::string h = "# HELP h Hs.\n# TYPE h histogram\n";
  const std::pair<std::string, const char*> wrong[] = {
      {"", "line feed"},
      {head + "a 1", "line feed"},
      {head, "no samples"},
      {head + "a 1\na 2\n", "twice"},
      {head + "b 1\n", "another family"},
      {head + "a one\n", "not a value"},
      {head + "a{x=\"1\" 1\n", "without }"},
      {head + "a{x=\"1\",x=\"2\"} 1\n", "label comes twice"},
      {head + "a{x=\"\\q\"} 1\n", "backslash"},
      {head + "a 1\n" + head + "a{x=\"1\"} 1\n", "family comes twice"},
      {"# TYPE a gauge\na 1\n", "does not follow"},
      {"# HELP a As.\n# TYPE a counter\na 1\n", "_total"},
      {"# HELP a_total As.\n# TYPE a_total counter\na_total -1\n", "below 0"},
      {h + "h_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\n", "counts fall"},
      {h + "h_bucket{le=\"2\"} 1\nh_bucket{le=\"1\"} 1\n", "do not ascend"},
      {h + "h_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 2\n", "not that of the bucket"},
      {h + "h_bucket{le=\"+Inf\"} 1\nh_sum 1\n", "without its count"},
  };
  for (const auto& [text, what] : wrong) {
    EXPECT_NE(MetricsFormat::problem(text).find(what), std::string::npos) << text << MetricsFormat::problem(text);
  }
}

TEST(Metrics, ThreadsLoseNothing) {
  Metrics all;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      Counter& c = all.counter("kedge_a_total", "As.");
      Gauge& g = all.gauge("kedge_b", "Bs.");
      Distribution& d = all.distribution("kedge_c", "Cs.", {1, 2});
      for (int i = 0; i < 10'000; ++i) {
        c.add();
        g.add(1);
        d.add(i % 3);
        if (i % 1000 == 0) {
          EXPECT_EQ(MetricsFormat::problem(all.text()), "");
        }
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_TRUE(has_line(all.text(), "kedge_a_total 40000"));
  EXPECT_TRUE(has_line(all.text(), "kedge_b 40000"));
  EXPECT_TRUE(has_line(all.text(), "kedge_c_count 40000"));
  EXPECT_TRUE(has_line(all.text(), "kedge_c_bucket{le=\"1\"} 26668")) << all.text();
}

TEST(Metrics, QuantilesLieBetweenTheirBounds) {
  Distribution d({1, 2, 4});
  EXPECT_EQ(d.quantile(0.5), 0);
  for (int i = 0; i < 100; ++i) d.add(i < 50 ? 0.5 : 3);
  EXPECT_DOUBLE_EQ(d.quantile(0.25), 0.5);
  EXPECT_DOUBLE_EQ(d.quantile(0.5), 1);
  EXPECT_DOUBLE_EQ(d.quantile(0.75), 3);
  d.add(1000);
  EXPECT_EQ(d.quantile(1), 4) << "above the last bound";
}

TEST(Metrics, EnginesAndRequestsTogether) {
  const std::string path = std::string(KEDGE_TEST_DATA) + "/golden/quant-llama/model-Q8_0.gguf";
  auto model = kedge::Model::open(path);
  ASSERT_TRUE(model.ok());
  auto engine = kedge::Engine::create(*model, {.n_threads = 1});
  ASSERT_TRUE(engine.ok());
  auto session = engine->session({.n_ctx = 64});
  ASSERT_TRUE(session.ok());
  const std::vector<int32_t> prompt = {1, 5, 9, 13, 17};
  ASSERT_TRUE(session->generate(prompt, {.max_tokens = 4, .ignore_eos = true}).ok());
  Metrics all;
  ServeMetrics serve(all);
  all.from([&](MetricText& text) {
    for (const char* name : {"scout", "sage"}) add_engine_metrics(text, name, Json::parse(*engine->stats()));
  });
  serve.generated.add(4);
  serve.first_token_s.add(0.2);
  serve.rejected("queue_full").add();
  serve.cancelled("client").add();
  serve.answers("answered", "fast").add();
  serve.confidence.add(0.93);
  serve.model_loaded("scout", "sha256:00");
  serve.request("/v1/chat/completions", 200, 0.7);
  serve.request("/v1/chat/completions", 429, 0.001);
  const std::string text = all.text();
  EXPECT_EQ(MetricsFormat::problem(text), "") << text;
  EXPECT_TRUE(has_line(text, "kedge_rows_total{model=\"scout\",kind=\"prefill\"} 5"));
  EXPECT_TRUE(has_line(text, "kedge_rows_total{model=\"sage\",kind=\"decode\"} 3"));
  EXPECT_TRUE(has_line(text, "kedge_queue_seconds_count{model=\"scout\"} 1"));
  EXPECT_TRUE(has_line(text, "kedge_step_tokens_sum{model=\"scout\",kind=\"prefill\"} 5"));
  EXPECT_TRUE(has_line(text, "kedge_request_seconds_count{route=\"/v1/chat/completions\"} 2"));
  EXPECT_TRUE(has_line(text, "kedge_requests_total{route=\"/v1/chat/completions\",status=\"429\"} 1"));
  EXPECT_NE(text.find("kedge_build_info{version=\"" + kedge::version() + "\"} 1"), std::string::npos);
  // For `promtool check metrics` by hand.
  std::ofstream(testing::TempDir() + "kedge_metrics.txt") << text;
}

}  // namespace
}  // namespace kedge::tools::serve
