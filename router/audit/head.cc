#include "router/audit/head.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "kernels/base/hex.h"
#include "kernels/base/utf8_cut.h"

namespace kedge::router::audit {

std::string head_message(std::string_view genesis, const Head& head) {
  return "kedge-audit-head-v1\n" + hex(genesis) + "\n" + std::to_string(head.first) + "\n" + std::to_string(head.seq) +
         "\n" + head.created + "\n" + hex(head.hash) + "\n";
}

Head signed_head(const SigningKey& key, std::string_view genesis, int64_t first, int64_t seq, std::string_view hash,
                 std::string created) {
  Head head{first, seq, std::string(hash), std::move(created), key_id(key.public_key()), ""};
  head.signature = key.sign(head_message(genesis, head));
  return head;
}

bool head_is_valid(const Head& head, std::string_view genesis, std::string_view public_key) {
  return head.key_id == key_id(public_key) &&
         signature_is_valid(head.signature, head_message(genesis, head), public_key);
}

std::string head_line(const Head& head) {
  return std::to_string(head.first) + " " + std::to_string(head.seq) + " " + head.created + " " + hex(head.hash) + " " +
         head.key_id + " " + hex(head.signature) + "\n";
}

Result<Head> parse_head_line(std::string_view line) {
  const Error broken{ErrorCode::kCorrupt, "is not a head: '" + std::string(utf8_cut(line, 300)) + "'"};
  std::vector<std::string_view> words;
  for (size_t at = 0; at <= line.size();) {
    const size_t end = std::min(line.find(' ', at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end + 1;
  }
  if (words.size() != 6) return broken;
  Head head;
  const auto number = [](std::string_view word, int64_t& out) {
    return std::from_chars(word.data(), word.data() + word.size(), out).ec == std::errc();
  };
  auto hash = unhex(words[3]);
  auto signature = unhex(words[5]);
  if (!number(words[0], head.first) || !number(words[1], head.seq) || !hash.ok() || !signature.ok()) return broken;
  head.created = words[2];
  head.hash = *hash;
  head.key_id = words[4];
  head.signature = *signature;
  if (head_line(head) != std::string(line) + "\n") return broken;  // "007" is no other way to write 7
  return head;
}

}  // namespace kedge::router::audit
