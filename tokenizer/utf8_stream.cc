#include "tokenizer/utf8_stream.h"

#include "kernels/base/utf8.h"

namespace kedge::tokenizer {

void Utf8Stream::emit_invalid(std::string_view bytes, std::string* out) const {
  if (invalid_ == InvalidUtf8::kPass) {
    out->append(bytes);
  } else {
    out->append("\xef\xbf\xbd");
  }
}

void Utf8Stream::push(std::string_view bytes, std::string* out) {
  size_t i = 0;
  // First complete (or give up) the character that began in an earlier piece, a byte at a time.
  while (n_held_ > 0 && i < bytes.size()) {
    held_[n_held_] = bytes[i];
    bool complete = false;
    const size_t length = utf8_prefix({held_.data(), n_held_ + 1}, 0, &complete);
    if (length == n_held_) {  // the new byte does not continue it, and starts afresh below
      emit_invalid({held_.data(), n_held_}, out);
      n_held_ = 0;
      break;
    }
    ++n_held_;
    ++i;
    if (complete) {
      out->append(held_.data(), n_held_);
      n_held_ = 0;
    }
  }
  while (i < bytes.size()) {
    const size_t end = utf8_valid_until(bytes, i);
    out->append(bytes.substr(i, end - i));
    i = end;
    if (i == bytes.size()) return;
    bool complete = false;
    const size_t length = utf8_prefix(bytes, i, &complete);
    if (length > 0 && i + length == bytes.size()) {
      n_held_ = bytes.copy(held_.data(), length, i);
      return;
    }
    const size_t bad = length == 0 ? 1 : length;
    emit_invalid(bytes.substr(i, bad), out);
    i += bad;
  }
}

void Utf8Stream::flush(std::string* out) {
  if (n_held_ > 0) emit_invalid({held_.data(), n_held_}, out);
  n_held_ = 0;
}

}  // namespace kedge::tokenizer
