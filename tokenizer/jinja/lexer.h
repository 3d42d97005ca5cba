// Splits a template into text and tokens, with Jinja's white-space control and the settings chat templates are written
// for: trim_blocks and lstrip_blocks on, one newline at the end of the source dropped.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/result.h"

namespace kedge::tokenizer::jinja {

struct Position {
  uint32_t line = 1;
  uint32_t column = 1;  // in bytes
};

enum class TokenKind {
  kText,
  kBlockBegin,
  kBlockEnd,
  kOutputBegin,
  kOutputEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEnd
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  Position pos;
  std::string text;  // strings: unescaped; numbers: digits without underscores
};

// The last token is kEnd.
Result<std::vector<Token>> tokenize(std::string_view source);

// An error of the template's source, with its place.
Error syntax_error(Position pos, const std::string& message, ErrorCode code = ErrorCode::kInvalidArgument);

}  // namespace kedge::tokenizer::jinja
