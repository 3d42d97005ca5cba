#include "tools/eval/detector.h"

#include <algorithm>

namespace kedge::tools {

namespace {

struct Range {
  size_t begin;
  size_t end;
  size_t size() const { return end - begin; }
};

size_t overlap(const Range& a, const Range& b) {
  const size_t begin = std::max(a.begin, b.begin);
  const size_t end = std::min(a.end, b.end);
  return begin < end ? end - begin : 0;
}

bool finds(const Range& detected, const Range& span) {
  return static_cast<double>(overlap(detected, span)) >= 0.9 * static_cast<double>(span.size()) &&
         static_cast<double>(detected.size()) <= 1.5 * static_cast<double>(span.size()) + 8;
}

double ratio(size_t part, size_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

Json rates(double precision, double recall) {
  const double sum = precision + recall;
  return {{"precision", precision}, {"recall", recall}, {"f1", sum > 0 ? 2 * precision * recall / sum : 0}};
}

}  // namespace

void DetectorScore::add(const RecallRow& row) {
  std::vector<Range> spans;
  for (const RecallSpan& s : row.spans) {
    if (s.reference) spans.push_back({s.begin, s.end});
  }
  std::vector<Range> detected;
  for (const Json& d : Json::parse(need(kedge::detect_references(row.content())))) {
    if (d.at("strong").get<bool>()) detected.push_back({d.at("span").at(0), d.at("span").at(1)});
  }
  n_spans += spans.size();
  for (const Range& s : spans) {
    n_found += std::any_of(detected.begin(), detected.end(), [&](const Range& d) { return finds(d, s); }) ? 1 : 0;
  }
  for (const Range& d : detected) {
    n_false += std::none_of(spans.begin(), spans.end(), [&](const Range& s) { return overlap(d, s) > 0; }) ? 1 : 0;
  }
  enum : uint8_t { kData = 1, kDetected = 2, kBoth = 3 };
  std::vector<uint8_t> bytes(row.bytes(), 0);
  const auto paint = [&](const std::vector<Range>& ranges, uint8_t bit) {
    for (const Range& r : ranges) {
      for (size_t i = r.begin; i < r.end; ++i) bytes[i] = static_cast<uint8_t>(bytes[i] | bit);
    }
  };
  paint(spans, kData);
  paint(detected, kDetected);
  for (const uint8_t b : bytes) {
    data_bytes += (b & kData) != 0 ? 1 : 0;
    detected_bytes += (b & kDetected) != 0 ? 1 : 0;
    common_bytes += b == kBoth ? 1 : 0;
  }
}

Json DetectorScore::json() const {
  Json out = rates(ratio(n_found, n_found + n_false), ratio(n_found, n_spans));
  out["spans"] = n_spans;
  out["found"] = n_found;
  out["false"] = n_false;
  out["bytes"] = rates(ratio(common_bytes, detected_bytes), ratio(common_bytes, data_bytes));
  return out;
}

}  // namespace kedge::tools
