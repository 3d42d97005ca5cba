// The vocabularies of RWKV ("World"): the longest token at each place, over bytes, without words or merges.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "kernels/base/result.h"
#include "tokenizer/tokenizer.h"

namespace kedge::tokenizer {

// `vocab` comes from resolve_vocab(). Errors: kCorrupt (a token that is not written as it must), kCapacity.
Result<std::unique_ptr<Tokenizer>> make_rwkv_tokenizer(VocabData vocab);

// The bytes of a token, which files write as Python does: \t \n \r \\ \' \" \xHH, and everything else as it is. False
// for any other escape.
bool decode_escapes(std::string_view text, std::string* bytes);

}  // namespace kedge::tokenizer
