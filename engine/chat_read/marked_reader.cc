#include "engine/chat_read/marked_reader.h"

#include "kernels/base/utf8.h"

namespace kedge::engine::chat_read {

MarkedReader::MarkedReader(const MarkedForm& form, const ChatReadOptions& options)
    : form_(form),
      options_(options),
      takes_calls_(form.parser != nullptr && !options.tools.empty() && options.choice != ToolChoice::kNone),
      bare_(form.bare_calls && takes_calls_) {
  if (options.reasoning_open && !form.reasoning_end.empty()) {
    where_ = Where::kReasoning;
    drop_space_ = options.split_reasoning;
  }
}

Status MarkedReader::push(std::string_view text, std::vector<ChatEvent>& out) {
  if (base::utf8_valid_until(text, 0) != text.size()) {
    return Error{ErrorCode::kInvalidArgument, "the text of an answer is not whole UTF-8 characters"};
  }
  text_ += text;
  return run(false, out);
}

Status MarkedReader::end(std::vector<ChatEvent>& out) { return run(true, out); }

Status MarkedReader::run(bool last, std::vector<ChatEvent>& out) {
  events_.into(&out);
  while (failed_.ok()) {
    auto more = step(last);
    if (!more.ok()) {
      failed_ = std::move(more).error();
    } else if (!*more) {
      break;
    }
  }
  events_.into(nullptr);
  return failed_;
}

Result<bool> MarkedReader::step(bool last) {
  if (where_ == Where::kCall) return read_call(last);
  if (text_.empty()) return false;
  return where_ == Where::kReasoning ? read_reasoning(last) : read_content(last);
}

MarkedReader::Marker MarkedReader::find_marker() const {
  const std::string_view text = text_;
  Marker first;
  const auto offer = [&](Marker::Kind kind, size_t at, std::string_view marker) {
    if (at == text.npos || (first.kind != Marker::Kind::kNone && at >= first.at)) return;
    first = {kind, at, marker};
  };
  const size_t word = std::min(text.find_first_not_of(kSpaces), text.size());
  if (fresh_ && !form_.reasoning_begin.empty() && text.substr(word).starts_with(form_.reasoning_begin)) {
    offer(Marker::Kind::kReasoning, word, form_.reasoning_begin);
  }
  for (const std::string_view marker : form_.dropped) offer(Marker::Kind::kDropped, text.find(marker), marker);
  if (!takes_calls_) return first;
  for (const std::string_view marker : form_.call_begins) offer(Marker::Kind::kCall, text.find(marker), marker);
  if (bare_ && word < text.size() && text[word] == '{') offer(Marker::Kind::kCall, word, "");
  return first;
}

// Bytes at the end that may be the beginning of a marker.
size_t MarkedReader::unsure() const {
  const std::string_view text = text_;
  size_t n = 0;
  const std::string_view word = without_leading_spaces(text);
  if (fresh_ && may_become(word, form_.reasoning_begin)) n = word.size();
  for (const std::string_view marker : form_.dropped) n = std::max(n, held_back(text, marker));
  if (!takes_calls_) return n;
  for (const std::string_view marker : form_.call_begins) n = std::max(n, held_back(text, marker));
  return n;
}

// The first n bytes as content or reasoning, but for the white space at their end where a marker may follow it.
void MarkedReader::give(size_t n, bool marker_follows, bool last, bool reasoning) {
  std::string_view piece = std::string_view(text_).substr(0, n);
  if (drop_space_) piece = without_leading_spaces(piece);
  const size_t dropped = n - piece.size();
  const std::string_view words = piece.substr(0, piece.find_last_not_of(kSpaces) + 1);
  if (last && !marker_follows && !words.empty()) {
    reasoning ? events_.reasoning(piece) : events_.content(piece);
    return take(n);
  }
  if (!words.empty()) {
    reasoning ? events_.reasoning(words) : events_.content(words);
    fresh_ = drop_space_ = bare_ = false;
  }
  if (last && !marker_follows && !drop_space_ && !reasoning) events_.content(piece);  // white space and nothing else
  take(last || marker_follows ? n : dropped + words.size());
}

void MarkedReader::give_verbatim(size_t n) {
  events_.content(std::string_view(text_).substr(0, n));
  take(n);
}

bool MarkedReader::read_content(bool last) {
  const Marker marker = find_marker();
  if (marker.kind == Marker::Kind::kNone) {
    const size_t before = text_.size();
    give(before - (last ? 0 : unsure()), false, last, false);
    return false;
  }
  if (marker.kind == Marker::Kind::kReasoning && !options_.split_reasoning) {
    give_verbatim(marker.at + marker.text.size());
    where_ = Where::kReasoning;
    return true;
  }
  if (marker.kind == Marker::Kind::kCall) {
    const size_t words = std::string_view(text_).substr(0, marker.at).find_last_not_of(kSpaces) + 1;
    if (words > 0) give(words, false, false, false);
    lead_ = marker.at - words + marker.text.size();
    read_ = 0;
    calls_before_ = events_.n_calls();
    parser_ = form_.parser(options_, marker.text);
    where_ = Where::kCall;
    return true;
  }
  const bool dropped = marker.kind == Marker::Kind::kDropped;  // what it holds is exact
  give(marker.at, !dropped, dropped, false);
  take(marker.text.size());
  if (!dropped) where_ = Where::kReasoning;
  fresh_ = true;
  drop_space_ = !dropped;
  bare_ = form_.bare_calls && takes_calls_;
  return true;
}

bool MarkedReader::read_reasoning(bool last) {
  const std::string_view text = text_;
  const size_t at = text.find(form_.reasoning_end);
  const bool found = at != text.npos;
  const size_t sure = found ? at : text.size() - (last ? 0 : held_back(text, form_.reasoning_end));
  if (options_.split_reasoning) {
    give(sure, found, last, true);
    if (found) take(form_.reasoning_end.size());
  } else {
    give_verbatim(found ? sure + form_.reasoning_end.size() : sure);
  }
  if (!found) return false;
  where_ = Where::kContent;
  fresh_ = drop_space_ = options_.split_reasoning;
  bare_ = form_.bare_calls && takes_calls_;
  return true;
}

Result<bool> MarkedReader::read_call(bool last) {
  std::string_view rest = std::string_view(text_).substr(lead_ + read_);
  const size_t before = rest.size();
  KEDGE_ASSIGN(read, parser_->read(rest, last, events_));
  read_ += before - rest.size();
  if (read == Read::kNoCall) {
    where_ = Where::kContent;
    if (drop_space_) {
      const size_t spaces = std::min(text_.find_first_not_of(kSpaces), lead_);
      take(spaces);
      lead_ -= spaces;
    }
    give_verbatim(lead_);
    fresh_ = drop_space_ = bare_ = false;
    return true;
  }
  if (read == Read::kDone || events_.n_calls() > calls_before_) {  // a call it is
    take(lead_ + read_);
    lead_ = read_ = 0;
  }
  if (read == Read::kMore) {
    if (last) return cut_off({}, "its end");
    return false;
  }
  where_ = Where::kContent;
  fresh_ = drop_space_ = true;
  return true;
}

}  // namespace kedge::engine::chat_read
