#include "tools/serve/metrics.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <stdexcept>

namespace kedge::tools::serve {
namespace {

// As the format wants numbers: shortest digits that read back the same, +Inf, -Inf, NaN.
std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char digits[32];
  return {digits, std::to_chars(digits, digits + sizeof digits, value).ptr};
}

std::string escaped(std::string_view text, bool quotes) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || (quotes && c == '"')) out += '\\';
    c == '\n' ? out += "\\n" : out += c;
  }
  return out;
}

std::string series(const std::string& name, const Labels& labels, const std::string& bound = {}) {
  std::string inside;
  const auto add = [&](std::string_view label, std::string_view value) {
    inside += (inside.empty() ? "" : ",") + std::string(label) + "=\"" + escaped(value, true) + '"';
  };
  for (const auto& [label, value] : labels) add(label, value);
  if (!bound.empty()) add("le", bound);
  return inside.empty() ? name : name + '{' + inside + '}';
}

}  // namespace

Distribution::Distribution(std::vector<double> bounds)
    : bounds_(std::move(bounds)), counts_(std::make_unique<std::atomic<uint64_t>[]>(bounds_.size() + 1)) {}

void Distribution::add(double value) {
  const auto at = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  counts_[static_cast<size_t>(at)].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

std::vector<uint64_t> Distribution::counts() const {
  std::vector<uint64_t> counts;
  for (size_t i = 0; i <= bounds_.size(); ++i) counts.push_back(counts_[i].load(std::memory_order_relaxed));
  return counts;
}

double Distribution::quantile(double share) const {
  const std::vector<uint64_t> all = counts();
  uint64_t total = 0;
  for (const uint64_t n : all) total += n;
  if (total == 0) return 0;
  const double wanted = share * static_cast<double>(total);
  double below = 0;
  for (size_t i = 0; i < bounds_.size(); ++i) {
    const auto here = static_cast<double>(all[i]);
    if (here > 0 && below + here >= wanted) {
      const double low = i == 0 ? 0 : bounds_[i - 1];
      return low + (bounds_[i] - low) * std::clamp((wanted - below) / here, 0.0, 1.0);
    }
    below += here;
  }
  return bounds_.back();  // above the last bound nothing more is known
}

MetricText::Family& MetricText::family(const std::string& name, const char* type, std::string_view help) {
  Family& f = families_[name];
  if (f.head.empty()) f.head = "# HELP " + name + ' ' + escaped(help, false) + "\n# TYPE " + name + ' ' + type + '\n';
  return f;
}

void MetricText::counter(const std::string& name, std::string_view help, const Labels& labels, uint64_t value) {
  family(name, "counter", help).samples += series(name, labels) + ' ' + std::to_string(value) + '\n';
}

void MetricText::gauge(const std::string& name, std::string_view help, const Labels& labels, double value) {
  family(name, "gauge", help).samples += series(name, labels) + ' ' + number(value) + '\n';
}

void MetricText::histogram(const std::string& name, std::string_view help, const Labels& labels,
                           std::span<const double> bounds, std::span<const uint64_t> counts, double sum) {
  std::string& out = family(name, "histogram", help).samples;
  uint64_t total = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    total += counts[i];
    const std::string bound = i < bounds.size() ? number(bounds[i]) : "+Inf";
    out += series(name + "_bucket", labels, bound) + ' ' + std::to_string(total) + '\n';
  }
  out += series(name + "_sum", labels) + ' ' + number(sum) + '\n';
  out += series(name + "_count", labels) + ' ' + std::to_string(total) + '\n';
}

std::string MetricText::text() const {
  std::string all;
  for (const auto& [name, f] : families_) all += f.head + f.samples;
  return all;
}

void Metrics::check_new(const std::string& name, const void* home) const {
  const bool elsewhere = (home != &counters_ && counters_.contains(name)) ||
                         (home != &gauges_ && gauges_.contains(name)) ||
                         (home != &distributions_ && distributions_.contains(name));
  if (elsewhere) throw std::logic_error("the metric " + name + " is of another type");
}

template <class T, class... Args>
T& Metrics::find(All<T>& all, const std::string& name, const std::string& help, const Labels& labels,
                 const Args&... args) {
  const std::lock_guard lock(mutex_);
  check_new(name, &all);
  Series<T>& known = all[name];
  if (known.help.empty()) known.help = help;
  std::unique_ptr<T>& one = known.by_labels[labels];
  if (one == nullptr) one = std::make_unique<T>(args...);
  return *one;
}

Counter& Metrics::counter(const std::string& name, const std::string& help, const Labels& labels) {
  return find(counters_, name, help, labels);
}
Gauge& Metrics::gauge(const std::string& name, const std::string& help, const Labels& labels) {
  return find(gauges_, name, help, labels);
}
Distribution& Metrics::distribution(const std::string& name, const std::string& help, const std::vector<double>& bounds,
                                    const Labels& labels) {
  return find(distributions_, name, help, labels, bounds);
}

void Metrics::from(std::function<void(MetricText&)> add) {
  const std::lock_guard lock(mutex_);
  others_.push_back(std::move(add));
}

std::string Metrics::text() const {
  MetricText text;
  std::vector<std::function<void(MetricText&)>> others;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, known] : counters_) {
      for (const auto& [labels, c] : known.by_labels) text.counter(name, known.help, labels, c->value());
    }
    for (const auto& [name, known] : gauges_) {
      for (const auto& [labels, g] : known.by_labels) text.gauge(name, known.help, labels, g->value());
    }
    for (const auto& [name, known] : distributions_) {
      for (const auto& [labels, d] : known.by_labels) {
        text.histogram(name, known.help, labels, d->bounds(), d->counts(), d->sum());
      }
    }
    others = others_;
  }
  for (const auto& add : others) add(text);
  return text.text();
}

}  // namespace kedge::tools::serve
