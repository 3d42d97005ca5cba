// Which tokens end a generation: what the metadata says, and what everybody takes for such a token.
#pragma once

#include "tokenizer/vocab.h"

namespace kedge::tokenizer {

// Completes eog_ids, eot_id and eom_id, and makes the tokens concerned kControl. All else must be resolved.
void resolve_end_tokens(VocabData* v);

}  // namespace kedge::tokenizer
