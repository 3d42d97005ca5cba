// What readers of answers are made of: where events go, and the search for markers in a text that is not all there yet.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/chat_format.h"
#include "kernels/base/utf8.h"

namespace kedge::engine::chat_read {

inline constexpr std::string_view kSpaces = " \t\r\n";

inline std::string_view without_leading_spaces(std::string_view s) {
  return s.substr(std::min(s.find_first_not_of(kSpaces), s.size()));
}
inline std::string_view without_spaces(std::string_view s) {
  s = without_leading_spaces(s);
  return s.substr(0, s.find_last_not_of(kSpaces) + 1);
}

// Precondition: it is not empty, and valid UTF-8.
inline std::string_view first_character(std::string_view s) {
  return s.substr(0, std::max<size_t>(1, base::utf8_char_length(s, 0)));
}

// Whether more text could make `text` begin with `marker`, which it does not yet.
inline bool may_become(std::string_view text, std::string_view marker) {
  return text.size() < marker.size() && marker.starts_with(text);
}

// Bytes at the end of `text` that may be the beginning of a marker.
inline size_t held_back(std::string_view text, std::string_view marker) {
  for (size_t n = std::min(text.size(), marker.size() - std::min<size_t>(1, marker.size())); n > 0; --n) {
    if (text.substr(text.size() - n) == marker.substr(0, n)) return n;
  }
  return 0;
}

// Makes one event of texts of one kind that follow each other.
class Events {
 public:
  void into(std::vector<ChatEvent>* out) { out_ = out; }

  void content(std::string_view text) { add(ChatEvent::Kind::kContent, 0, text); }
  void reasoning(std::string_view text) { add(ChatEvent::Kind::kReasoning, 0, text); }
  void begin_call(std::string name, std::string id) {
    out_->push_back(
        {.kind = ChatEvent::Kind::kCallBegin, .call = n_calls_++, .name = std::move(name), .id = std::move(id)});
  }
  void arguments(std::string_view json) { add(ChatEvent::Kind::kCallArguments, n_calls_ - 1, json); }
  void end_call() { out_->push_back({.kind = ChatEvent::Kind::kCallEnd, .call = n_calls_ - 1}); }
  size_t n_calls() const { return n_calls_; }

 private:
  void add(ChatEvent::Kind kind, size_t call, std::string_view text) {
    if (text.empty()) return;
    if (!out_->empty() && out_->back().kind == kind && out_->back().call == call) {
      out_->back().text += text;
    } else {
      out_->push_back({.kind = kind, .text = std::string(text), .call = call});
    }
  }

  size_t n_calls_ = 0;
  std::vector<ChatEvent>* out_ = nullptr;
};

}  // namespace kedge::engine::chat_read
