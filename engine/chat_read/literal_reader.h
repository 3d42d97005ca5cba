// Arguments written as literals of Python, or in Gemma's notation, as JSON, while they come.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kernels/base/result.h"

namespace kedge::engine::chat_read {

enum class Dialect {
  kPython,  // (name=value, ...): strings, numbers, True, False, None, lists, tuples, dictionaries, JSON
  kGemma,   // {name:value,...}: <|"|>strings<|"|>, bare names, otherwise JSON
};

// The arguments of one call, from behind the bracket that opens them to the one that closes them.
class LiteralReader {
 public:
  explicit LiteralReader(Dialect dialect);
  // Takes from `text` what it can and adds the JSON of it to `out`. Errors: kInvalidArgument, without the tool's name.
  Status read(std::string_view& text, bool last, std::string& out);
  bool done() const { return open_.empty(); }
  // What would close the arguments as they stand.
  std::string closers() const;

 private:
  enum class At { kKey, kSeparator, kValue, kString, kWord, kNext };
  enum class Step { kMore, kOn };
  struct Level {
    char close;
    bool members;
    bool first = true;
  };

  Result<Step> step(std::string_view& text, bool last, std::string& out);
  Result<Step> read_key(std::string_view& text, std::string& out);
  Result<Step> begin_value(std::string_view& text, bool last, std::string& out);
  Result<Step> read_string(std::string_view& text, bool last, std::string& out);
  Result<Step> read_escape(std::string_view& text, std::string& out);
  Result<Step> read_word(std::string_view& text, std::string& out);
  Result<Step> read_next(std::string_view& text, std::string& out);
  // The marks a string may begin with; kMore: it takes more text to tell.
  Result<Step> begin_string(std::string_view& text, bool last, bool& begun);
  bool ends_string(std::string_view rest, bool last, bool& unsure) const;
  void open(char close, bool members, std::string& out);
  void close(std::string& out);
  void begin_item(std::string& out);
  char separator() const { return open_.back().close == ')' ? '=' : ':'; }

  Dialect dialect_;
  std::vector<Level> open_;
  At at_ = At::kKey;
  bool started_ = false;
  bool key_ = false;   // the string is a member's name
  std::string quote_;  // of the string
};

}  // namespace kedge::engine::chat_read
