// Pages: parsed by kedge-reader (router/reader/parse_html.cc); what it answers is checked like anything from outside.
#include <charconv>

#include "router/retrieval/document.h"
#include "router/retrieval/text_clean.h"
#include "router/retrieval/worker.h"

namespace kedge::router::retrieval {

namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

WorkerLimits limits_for(size_t n_bytes) {
  const auto n = static_cast<int64_t>(n_bytes);
  // An honest megabyte takes 50 ms, and an element of ten bytes a few hundred bytes.
  return {.cpu_ms = 700 + n * 500 / kMiB, .memory = 64 * kMiB + n * 100};
}

class Answer {
 public:
  explicit Answer(std::string_view text) : rest_(text) {}
  // A number and the character behind it.
  bool number(size_t* value, char end) {
    const auto [at, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), *value);
    const auto n = static_cast<size_t>(at - rest_.data());
    if (error != std::errc() || n >= rest_.size() || rest_[n] != end) return false;
    rest_.remove_prefix(n + 1);
    return true;
  }
  bool bytes(size_t n, std::string* value) {
    if (n > rest_.size()) return false;
    *value = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return true;
  }
  bool at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

bool decode(std::string_view text, Document* document) {
  Answer answer(text);
  size_t n_sections = 0;
  size_t n_bytes = 0;
  if (!answer.number(&n_sections, ' ') || !answer.number(&n_bytes, '\n')) return false;
  size_t end = 0;
  for (size_t i = 0; i < n_sections; ++i) {
    Section s;
    size_t n_title = 0;
    const bool read = answer.number(&s.begin, ' ') && answer.number(&s.end, ' ') && answer.number(&n_title, '\n') &&
                      answer.bytes(n_title, &s.title);
    if (!read || s.begin < end || s.end < s.begin || s.end > n_bytes) return false;
    end = s.end;
    document->sections.push_back(std::move(s));
  }
  return answer.bytes(n_bytes, &document->text) && answer.at_end();
}

}  // namespace

Result<Document> read_html(std::string_view bytes, const std::string& name, const GoOn& go_on) {
  KEDGE_TRY(check_utf8(bytes, name));
  const std::string arguments[] = {"html"};
  KEDGE_ASSIGN(answer, run_worker(arguments, bytes, limits_for(bytes.size()), name, go_on));
  Document document;
  if (!decode(answer, &document)) return Error{ErrorCode::kInternal, name + ": its reader's answer cannot be read"};
  return document;
}

}  // namespace kedge::router::retrieval
