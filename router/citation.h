// The citations of an answer: what it quotes, from where, and where that really stands. The id that a model writes is
// often wrong where the sentence it quotes is right, so the id decides last.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "router/comparator.h"
#include "router/text_norm.h"

namespace kedge::router {

// What an answer of the form value<|ref|>source "quote" has between its value and its source.
inline constexpr std::string_view kRefToken = "<|ref|>";

struct Citation {
  std::string value = {};  // what the citation is for: the text before it, trimmed; may be empty
  std::string id = {};     // as written, without brackets; empty: a quotation without a source
  std::string quote = {};  // as written, without its quotation marks; empty: none
  bool marked = false;     // written with <|ref|>: the value is a value, not a sentence of the model's own
};

struct ParsedAnswer {
  std::string value;  // of the first citation; the whole answer when it has none
  std::vector<Citation> citations;
};

// Understands value<|ref|>[ID] "quote" (several, separated by "; "; the source also in parentheses or backquotes), and
// [ID] anywhere in free text with a quotation before or behind it, in straight or typographic marks. Brackets in free
// text are a citation when they hold an id of the evidence or something that looks like one; a quotation without a
// source counts from four words on.
ParsedAnswer parse_answer(std::string_view answer, std::span<const Evidence> evidence);

enum class ResolvedBy { kNone, kQuote, kSentence, kId };
const char* resolved_by_name(ResolvedBy by);  // "none", "quote", "sentence", "id"

struct ResolvedCitation {
  Citation citation;
  ResolvedBy by = ResolvedBy::kNone;
  size_t evidence = 0;           // index of the passage; with kNone no meaning
  std::string resolved_id = {};  // its id; empty with kNone
  bool id_agrees = false;        // the id as written is the id of that passage
  bool byte_exact = false;       // the quotation stands there byte for byte (kQuote only)
  ByteRange range = {};          // of the quotation or the sentence in the passage's text; empty with kId
};

// First the passage in which the quotation stands (NFC, white space runs equal, a mark at its end forgiven), then one
// with a sentence that holds the value and the subject of the question, then the one with the id. Between equals the
// written id decides, then the subject, then the order.
ResolvedCitation resolve_citation(const Citation& citation, std::string_view question,
                                  std::span<const Evidence> evidence);

std::vector<ResolvedCitation> resolve_answer(std::string_view question, std::string_view answer,
                                             std::span<const Evidence> evidence);

// Where a quotation stands in a text; nothing when it does not.
std::optional<ByteRange> find_quote(std::string_view text, std::string_view quote);

}  // namespace kedge::router
