// The text of a PDF through poppler's pdftotext, which says where every word stands.
#include <algorithm>
#include <cstdlib>

#include "router/retrieval/document.h"
#include "router/retrieval/hyphens.h"
#include "router/retrieval/text_clean.h"
#include "router/retrieval/worker.h"

namespace kedge::router::retrieval {

namespace {

constexpr int64_t kMiB = int64_t{1} << 20;
constexpr size_t kMaxText = size_t{256} << 20;

WorkerLimits limits_for(size_t n_bytes) {
  const auto n = static_cast<int64_t>(n_bytes);
  // An honest megabyte takes up to a second, and 20 MiB.
  return {.cpu_ms = 1000 + n * 3000 / kMiB, .memory = 96 * kMiB + n * 32};
}

struct Word {
  std::string text;
  double x_min = 0, y_min = 0, x_max = 0, y_max = 0;
};

double attribute(std::string_view tag, std::string_view name) {
  const size_t at = tag.find(name);
  if (at == std::string_view::npos) return 0;
  const std::string value(tag.substr(at + name.size(), 32));
  return std::strtod(value.c_str(), nullptr);
}

std::string unescaped(std::string_view text) {
  static constexpr std::pair<std::string_view, char> kEntities[] = {
      {"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const auto* found = std::find_if(std::begin(kEntities), std::end(kEntities),
                                     [&](const auto& e) { return text.substr(i).starts_with(e.first); });
    if (found == std::end(kEntities)) {
      out += text[i++];
    } else {
      out += found->second;
      i += found->first.size();
    }
  }
  return out;
}

// A change of font within a word makes two of it, with nothing between them.
bool touches(const Word& a, const Word& b) {
  const double height = std::min(a.y_max - a.y_min, b.y_max - b.y_min);
  const double overlap = std::min(a.y_max, b.y_max) - std::max(a.y_min, b.y_min);
  return overlap > 0.4 * height && b.x_min >= a.x_min && b.x_min - a.x_max < 0.08 * height;
}

// An exponent: smaller digits, higher up, behind a digit.
bool is_raised(const Word& a, const Word& b) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  return digit(a.text.back()) && std::all_of(b.text.begin(), b.text.end(), digit) &&
         b.y_max - b.y_min < 0.85 * (a.y_max - a.y_min) && b.y_max < a.y_max - 0.15 * (a.y_max - a.y_min);
}

// From the XHTML of "pdftotext -bbox-layout": words of a line are parted by spaces, lines by newlines, flows (columns,
// pages) by empty lines.
std::string text_of(std::string_view page) {
  std::string text;
  Word last;
  for (size_t at = page.find('<'); at != std::string_view::npos; at = page.find('<', at)) {
    const size_t end = page.find('>', at);
    if (end == std::string_view::npos) break;
    const std::string_view tag = page.substr(at, end - at);
    at = end + 1;
    if (tag.starts_with("<word ")) {
      const size_t close = std::min(page.find('<', at), page.size());
      const Word word{unescaped(page.substr(at, close - at)), attribute(tag, "xMin=\""), attribute(tag, "yMin=\""),
                      attribute(tag, "xMax=\""), attribute(tag, "yMax=\"")};
      at = close;
      if (word.text.empty()) continue;
      if (!last.text.empty()) text += !touches(last, word) ? " " : is_raised(last, word) ? "^" : "";
      text += word.text;
      last = word;
    } else if (tag == "</line") {
      text += '\n';
      last = {};
    } else if (tag == "</flow" && !text.empty()) {
      text += '\n';
    }
  }
  return text;
}

}  // namespace

Result<Document> read_pdf(std::string_view bytes, const std::string& name, const GoOn& go_on) {
  const std::string arguments[] = {"run",  "pdftotext", "-bbox-layout",    "-enc", "UTF-8",
                                   "-eol", "unix",      "/proc/self/fd/0", "-"};
  auto answer = run_worker(arguments, bytes, limits_for(bytes.size()), name, go_on);
  if (!answer.ok()) {
    Error error = std::move(answer).error();
    if (error.code == ErrorCode::kInvalidArgument) error.message += " (pdftotext of poppler-utils)";
    const bool missing =
        error.code == ErrorCode::kUnsupported && error.message.find("kedge-reader") == std::string::npos;
    if (missing)
      error.message = name + ": PDF needs the program pdftotext (Debian package poppler-utils): " + error.message;
    return error;
  }
  const std::string text = text_of(*answer);
  if (text.size() > kMaxText) {
    return Error{ErrorCode::kCapacity, name + ": more than " + std::to_string(kMaxText) + " bytes of text"};
  }
  return read_plain_text(text, name);
}

}  // namespace kedge::router::retrieval
