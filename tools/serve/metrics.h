// Numbers for a monitoring system, in Prometheus' text format 0.0.4. Counting takes no lock; text() reads what was
// counted, and asks nobody who would have to wait for a model.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/base/json.h"

namespace kedge::tools::serve {

using base::Json;
using Labels = std::vector<std::pair<std::string, std::string>>;

class Counter {
 public:
  void add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Gauge {
 public:
  void set(double value) { value_.store(value, std::memory_order_relaxed); }
  void add(double value) { value_.fetch_add(value, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

// A histogram: how many values there were up to each bound.
class Distribution {
 public:
  explicit Distribution(std::vector<double> bounds);  // ascending
  void add(double value);
  std::span<const double> bounds() const { return bounds_; }
  std::vector<uint64_t> counts() const;  // of each bound those above the one before, and those above the last
  double sum() const { return sum_.load(std::memory_order_relaxed); }
  // A value that so large a share of all is not above, on a line between bounds; 0 without values. For the page.
  double quantile(double share) const;

 private:
  std::vector<double> bounds_;
  std::unique_ptr<std::atomic<uint64_t>[]> counts_;
  std::atomic<double> sum_{0};
};

// The text while it is put together: the samples of a family stand together, whoever adds them.
class MetricText {
 public:
  void counter(const std::string& name, std::string_view help, const Labels& labels, uint64_t value);
  void gauge(const std::string& name, std::string_view help, const Labels& labels, double value);
  void histogram(const std::string& name, std::string_view help, const Labels& labels, std::span<const double> bounds,
                 std::span<const uint64_t> counts, double sum);
  std::string text() const;

 private:
  struct Family {
    std::string head;
    std::string samples;
  };
  Family& family(const std::string& name, const char* type, std::string_view help);
  std::map<std::string, Family> families_;
};

// All that is counted. What counter(), gauge() and distribution() give lives as long as this and is the same for the
// same name and labels: keep the reference where it is counted often. A name that is something else already is a bug
// and throws std::logic_error.
class Metrics {
 public:
  Counter& counter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge& gauge(const std::string& name, const std::string& help, const Labels& labels = {});
  Distribution& distribution(const std::string& name, const std::string& help, const std::vector<double>& bounds,
                             const Labels& labels = {});
  // `add` brings numbers that somebody else keeps, at every text().
  void from(std::function<void(MetricText&)> add);
  std::string text() const;

 private:
  template <class T>
  struct Series {
    std::string help;
    std::map<Labels, std::unique_ptr<T>> by_labels;
  };
  template <class T>
  using All = std::map<std::string, Series<T>>;
  void check_new(const std::string& name, const void* home) const;
  template <class T, class... Args>
  T& find(All<T>& all, const std::string& name, const std::string& help, const Labels& labels, const Args&... args);

  mutable std::mutex mutex_;
  All<Counter> counters_;
  All<Gauge> gauges_;
  All<Distribution> distributions_;
  std::vector<std::function<void(MetricText&)>> others_;
};

// What kedge_engine_stats says of one engine, as kedge_steps_total, kedge_kv_usage_ratio and so on with the label
// "model".
void add_engine_metrics(MetricText& text, const std::string& model, const Json& stats);

}  // namespace kedge::tools::serve
