// Unicode NFC (UAX 15), which the tokenizers of some models put text into before anything else.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/rooms.h"

namespace kedge::tokenizer {

// False when the text is in NFC already; otherwise `out` gets it, and `from`, where given, for every byte of `out` the
// byte of `text` from which it came (of characters that were composed or reordered: where those begin). Bytes that are
// not UTF-8 stay as they are. Linear but for a sort of the marks behind one letter. Throws std::bad_alloc only.
bool to_nfc(std::string_view text, std::string* out, std::vector<size_t>* from);

}  // namespace kedge::tokenizer
