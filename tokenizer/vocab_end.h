// Which tokens end a generation: what the metadata says, and what everybody takes for such a token.
#pragma once

#include <string_view>
#include <unordered_map>

#include "tokenizer/vocab.h"

namespace kedge::tokenizer {

using TokenIndex = std::unordered_map<std::string_view, int32_t>;

// Completes eog_ids, eot_id and eom_id, and makes the tokens concerned kControl. All else must be resolved.
void resolve_end_tokens(VocabData* v, const TokenIndex& index);

}  // namespace kedge::tokenizer
