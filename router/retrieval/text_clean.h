// Text from outside as the index keeps it.
#pragma once

#include <string>
#include <string_view>

#include "kernels/base/result.h"

namespace kedge::router::retrieval {

// kInvalidArgument for bytes that are not UTF-8, with `name` and the place of the first.
Status check_utf8(std::string_view text, const std::string& name);

// Strict UTF-8, in NFC, without a byte order mark and without control characters other than newline and tab. Carriage
// returns, form feeds and vertical tabs become newlines ("\r\n" one), so that no two words run together. Soft hyphens,
// zero-width spaces and word joiners, which nobody sees, are left out; of the ligatures of Latin letters (ﬁ) the
// letters are kept. Errors: those of check_utf8.
Result<std::string> clean_text(std::string_view text, const std::string& name);

// Without white space at either end.
std::string_view trim(std::string_view text);

}  // namespace kedge::router::retrieval
