// Characters of a general category of Unicode.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "kernels/base/rooms.h"

namespace kedge::tokenizer {

// First and last of runs of characters, ascending, of a category or a group of them, by its short or its long name (UAX
// 44): "Lu", "Uppercase_Letter", "L", "Letter". Empty when there is none of that name.
std::vector<std::pair<char32_t, char32_t>> unicode_category(std::string_view name);

}  // namespace kedge::tokenizer
