// Requests that bring the text they are about: "Sort the words: pear, apple", "Reverse the word "stressed"".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kedge::router {

struct TextRequest {
  std::string head;          // what to do: words in lower case, without "the", "this", "following", ...
  std::string tail;          // the same of what stands behind a text in quotation marks
  std::string_view payload;  // the text, as it stands in the request; trimmed
  bool quoted = false;       // it stood in quotation marks
  bool courtesy = false;     // words behind it were taken for a courtesy
  bool stop = false;         // and a stop stands between
  bool capital = false;      // or they are several words with a capital

  // They may be a part of the text: "pear, apple, please".
  bool unclear() const { return courtesy && !stop; }
  bool unclear_list() const { return courtesy && !stop && !capital; }
};
std::optional<TextRequest> parse_text_request(std::string_view question);

// "how many letters are in banana", a request whose text is its last word.
std::optional<TextRequest> parse_last_word_request(std::string_view question);

// The items of "pear, apple and fig": without blanks around them and without a stop behind the last. Nothing when there
// are fewer than two, one is empty, or a sign in one may mean something.
std::optional<std::vector<std::string>> list_items(const TextRequest& request);

std::string joined(const std::vector<std::string>& items, std::string_view between);
bool is_ascii_word(std::string_view text);  // letters only, at least one

}  // namespace kedge::router
