// A head: the signature over the chain as it was after one commit. It stands in the database and, as a line, in the
// anchor file beside it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "kernels/base/result.h"
#include "router/audit/signing_key.h"

namespace kedge::router::audit {

struct Head {
  int64_t first = 0;  // the commit holds the records first .. seq
  int64_t seq = 0;
  std::string hash;     // of record seq
  std::string created;  // iso_time
  std::string key_id;
  std::string signature;  // over head_message
};

// What is signed. `genesis` names the log: a head of another one does not verify.
std::string head_message(std::string_view genesis, const Head& head);
Head signed_head(const SigningKey& key, std::string_view genesis, int64_t first, int64_t seq, std::string_view hash,
                 std::string created);
bool head_is_valid(const Head& head, std::string_view genesis, std::string_view public_key);

// "first seq created hash key_id signature\n": one text for one head.
std::string head_line(const Head& head);
Result<Head> parse_head_line(std::string_view line);  // without the line end; kCorrupt

}  // namespace kedge::router::audit
