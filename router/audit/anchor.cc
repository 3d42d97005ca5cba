#include "router/audit/anchor.h"

#include <algorithm>

#include "kernels/base/hex.h"

namespace kedge::router::audit {

namespace {

constexpr size_t kMaxLine = 512;  // a head needs 300

}  // namespace

std::string anchor_header(std::string_view genesis) { return "kedge-audit-heads-v1 " + hex(genesis) + "\n"; }

Result<Anchor::Tail> Anchor::tail(std::string_view genesis) const {
  KEDGE_ASSIGN(size, file_.size());
  const std::string header = anchor_header(genesis);
  KEDGE_ASSIGN(begin, file_.read(0, header.size()));
  Tail tail;
  if (size < header.size()) {
    tail.torn = begin;
  } else if (begin != header) {
    return Error{ErrorCode::kCorrupt, file_.path() + ": its first line belongs to another log"};
  }
  if (!header.starts_with(begin)) {
    return Error{ErrorCode::kCorrupt, file_.path() + ": its first line belongs to another log"};
  }
  tail.has_header = size >= header.size();
  if (size <= header.size()) return tail;

  const uint64_t from = std::max<uint64_t>(header.size(), size > 2 * kMaxLine ? size - 2 * kMaxLine : 0);
  KEDGE_ASSIGN(text, file_.read(from, static_cast<size_t>(size - from)));
  const size_t last_end = text.rfind('\n');
  tail.torn = last_end == std::string::npos ? text : text.substr(last_end + 1);
  if (tail.torn.size() > kMaxLine) return Error{ErrorCode::kCorrupt, file_.path() + ": its last line has no end"};
  if (last_end == std::string::npos) return tail;
  const size_t before = last_end == 0 ? std::string::npos : text.rfind('\n', last_end - 1);
  const size_t line_at = before == std::string::npos ? 0 : before + 1;
  auto head = parse_head_line(std::string_view(text).substr(line_at, last_end - line_at));
  if (!head.ok()) return Error{ErrorCode::kCorrupt, file_.path() + ": its last line " + head.error().message};
  tail.last = std::move(*head);
  return tail;
}

Status Anchor::cut(const Tail& tail) const {
  if (tail.torn.empty()) return {};
  KEDGE_ASSIGN(size, file_.size());
  return file_.truncate(size - tail.torn.size());
}

Status Anchor::append(std::string_view line) const {
  KEDGE_TRY(file_.append(line));
  return file_.sync();
}

}  // namespace kedge::router::audit
