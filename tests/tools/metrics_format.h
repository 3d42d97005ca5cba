// Prometheus' text format 0.0.4, checked strictly: what is wrong with a text, or nothing.
#pragma once

#include <cctype>
#include <cmath>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace kedge::tools {

class MetricsFormat {
 public:
  // The first thing that is wrong, with its line; empty: nothing.
  static std::string problem(const std::string& text) {
    MetricsFormat check;
    if (text.empty() || text.back() != '\n') return "does not end with a line feed";
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      const std::string wrong = check.line(line);
      if (!wrong.empty()) return wrong + ": " + line;
    }
    return check.end_family();
  }

 private:
  struct Histogram {
    double bound = -INFINITY;
    double total = 0;
    bool complete = false;
  };

  static bool is_name(const std::string& s, bool label) {
    if (s.empty() || std::isdigit(static_cast<unsigned char>(s[0])) != 0) return false;
    for (const char c : s) {
      const bool letter = std::islower(static_cast<unsigned char>(c)) != 0 || c == '_' || (!label && c == ':');
      if (!letter && std::isdigit(static_cast<unsigned char>(c)) == 0) return false;
    }
    return true;
  }

  std::string line(const std::string& text) {
    if (text.rfind("# HELP ", 0) == 0) return help(text.substr(7));
    if (text.rfind("# TYPE ", 0) == 0) return type(text.substr(7));
    if (text.rfind('#', 0) == 0) return "a comment that is neither HELP nor TYPE";
    return sample(text);
  }

  std::string help(const std::string& rest) {
    std::string wrong = end_family();
    if (!wrong.empty()) return wrong;
    name_ = rest.substr(0, rest.find(' '));
    type_.clear();
    if (!is_name(name_, false)) return "not a name";
    if (rest.size() <= name_.size() + 1) return "no help";
    for (size_t i = name_.size(); i < rest.size(); ++i) {
      if (rest[i] == '\\' && (++i == rest.size() || (rest[i] != 'n' && rest[i] != '\\'))) return "a bare backslash";
    }
    return families_.insert(name_).second ? "" : "the family comes twice";
  }

  std::string type(const std::string& rest) {
    const size_t space = rest.find(' ');
    if (rest.substr(0, space) != name_ || !type_.empty()) return "TYPE does not follow its HELP";
    type_ = space == std::string::npos ? "" : rest.substr(space + 1);
    const bool total = name_.size() > 6 && name_.compare(name_.size() - 6, 6, "_total") == 0;
    if (type_ != "counter" && type_ != "gauge" && type_ != "histogram") return "unknown type";
    return total == (type_ == "counter") ? "" : "counters, and nothing else, end with _total";
  }

  // name{label="value",...} value
  std::string sample(const std::string& text) {
    size_t at = text.find_first_of("{ ");
    if (at == std::string::npos) return "no value";
    const std::string name = text.substr(0, at);
    std::map<std::string, std::string> labels;
    if (text[at] == '{') {
      const std::string wrong = read_labels(text, at, labels);
      if (!wrong.empty()) return wrong;
    }
    if (at >= text.size() || text[at] != ' ') return "no blank before the value";
    const std::string digits = text.substr(at + 1);
    char* end = nullptr;
    const double value = std::strtod(digits.c_str(), &end);
    if (digits.empty() || *end != '\0' || digits.find(' ') != std::string::npos) return "not a value";
    if (!series_.insert(text.substr(0, at)).second) return "the series comes twice";
    ++n_samples_;
    if (type_ == "histogram") return histogram(name, std::move(labels), value);
    if (type_ == "counter" && !(value >= 0)) return "a counter below 0";
    return name == name_ ? "" : "a sample of another family";
  }

  static std::string read_labels(const std::string& text, size_t& at, std::map<std::string, std::string>& labels) {
    do {
      const size_t equals = text.find('=', ++at);
      if (equals == std::string::npos) return "a label without =";
      const std::string name = text.substr(at, equals - at);
      if (!is_name(name, true)) return "not a label";
      at = equals + 1;
      if (at >= text.size() || text[at] != '"') return "a label's value without quotes";
      std::string value;
      for (++at; at < text.size() && text[at] != '"'; ++at) {
        value += text[at];
        if (text[at] == '\\' && (++at == text.size() || std::string("n\\\"").find(text[at]) == std::string::npos)) {
          return "a bare backslash";
        }
      }
      if (at >= text.size()) return "a label's value without its end";
      if (!labels.emplace(name, value).second) return "a label comes twice";
      ++at;
    } while (at < text.size() && text[at] == ',');
    if (at >= text.size() || text[at] != '}') return "labels without }";
    ++at;
    return "";
  }

  std::string histogram(const std::string& name, std::map<std::string, std::string> labels, double value) {
    const auto bound = labels.find("le");
    const bool has_bound = bound != labels.end();
    const std::string le = has_bound ? bound->second : "";
    labels.erase("le");
    Histogram& h = histograms_[labels];
    if (name == name_ + "_bucket") {
      if (!has_bound) return "a bucket without le";
      const double at = le == "+Inf" ? INFINITY : std::strtod(le.c_str(), nullptr);
      if (!(at > h.bound)) return "bounds do not ascend";
      if (value < h.total) return "counts fall";
      h.bound = at;
      h.total = value;
      return "";
    }
    if (has_bound) return "le where it has no place";
    if (name == name_ + "_sum") return "";
    if (name != name_ + "_count") return "a sample of another family";
    h.complete = std::isinf(h.bound) && h.total == value;
    return h.complete ? "" : "the count is not that of the bucket +Inf";
  }

  std::string end_family() {
    if (!name_.empty() && n_samples_ == 0) return name_ + " has no samples";
    for (const auto& [labels, h] : histograms_) {
      if (!h.complete) return name_ + " has a histogram without its count";
    }
    histograms_.clear();
    n_samples_ = 0;
    return "";
  }

  std::string name_;
  std::string type_;
  size_t n_samples_ = 0;
  std::set<std::string> families_;
  std::set<std::string> series_;
  std::map<std::map<std::string, std::string>, Histogram> histograms_;
};

}  // namespace kedge::tools
