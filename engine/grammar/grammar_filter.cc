#include "engine/grammar/grammar_filter.h"

#include <algorithm>
#include <chrono>

#include "engine/grammar/costs.h"
#include "engine/grammar/spelling.h"

namespace kedge::engine::grammar {
namespace {

constexpr double kPrepareMs = 50;         // of states worked out before the first token
constexpr size_t kMaxForcedBytes = 2048;  // looked ahead at once

}  // namespace

Result<std::shared_ptr<const Compiled>> Compiled::make(const Grammar& grammar,
                                                       std::shared_ptr<const Vocabulary> vocabulary,
                                                       std::span<const Grammar::NodeId> open) {
  const auto begun = std::chrono::steady_clock::now();
  KEDGE_ASSIGN(automaton, compile(grammar, vocabulary->special_texts(), open));
  find_costs(automaton, *vocabulary);
  if (automaton.cost(automaton.start(0)) >= Automaton::kNever) {
    return Error{ErrorCode::kUnsupported, "the vocabulary has no tokens that spell a text of the grammar"};
  }
  auto compiled = std::make_shared<Compiled>();
  compiled->vocabulary = std::move(vocabulary);
  compiled->automaton = std::move(automaton);
  compiled->table = std::make_unique<TokenTable>(compiled->automaton, *compiled->vocabulary);
  compiled->table->prepare(kPrepareMs);
  compiled->ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begun).count();
  return std::shared_ptr<const Compiled>(std::move(compiled));
}

GrammarFilter::GrammarFilter(std::shared_ptr<const Compiled> compiled)
    : compiled_(std::move(compiled)), at_(compiled_->automaton) {
  at_.begin();
}

Status GrammarFilter::allow(TokenBits bits, size_t left) {
  if (const uint32_t least = at_.cost(); least > left) {
    return Error{ErrorCode::kCapacity, "the text takes " + std::to_string(least) + " more tokens to its end, and " +
                                           std::to_string(left) + " are left"};
  }
  allowed_.assign(bits.size(), 0);
  if (!finished_) KEDGE_TRY(compiled_->table->fill(at_, left, allowed_));
  for (size_t w = 0; w < bits.size(); ++w) bits[w] &= allowed_[w];
  return {};
}

Status GrammarFilter::accept(int32_t token) {
  const Vocabulary& vocabulary = *compiled_->vocabulary;
  const auto refuse = [&] {
    return Error{ErrorCode::kInvalidArgument, "token " + std::to_string(token) + " ('" +
                                                  std::string(vocabulary.tokenizer().piece(token)) +
                                                  "') is not allowed where the text stands"};
  };
  if (finished_) return refuse();
  if (const int32_t label = vocabulary.special_label(token); label >= 0) {
    const bool in_marker = !vocabulary.is_end(token) || !at_.may_end();
    if (in_marker && step_special(label)) {
      settle();
      return {};
    }
  }
  if (vocabulary.is_end(token)) {
    if (!at_.may_end()) return refuse();
    finished_ = true;
    return {};
  }
  if (!vocabulary.is_text(token) || !read(vocabulary.tokenizer().piece(token))) return refuse();
  return {};
}

bool GrammarFilter::step_special(int32_t label) {
  const auto number = static_cast<uint32_t>(label);
  const Vocabulary& vocabulary = *compiled_->vocabulary;
  const bool ends = vocabulary.is_end(vocabulary.special_token(number));
  return at_.step_special(number, ends ? std::string_view() : vocabulary.special_texts()[number]);
}

bool GrammarFilter::read(std::string_view bytes) {
  const size_t before = at_.depth();
  for (const char c : bytes) {
    if (at_.step(static_cast<uint8_t>(c))) continue;
    at_.pop(at_.depth() - before);
    return false;
  }
  settle();
  return true;
}

// As often as the text behind doubled: what is settled is as large as what is open.
void GrammarFilter::settle() {
  if (at_.bytes() < 2 * settled_bytes_ + 4096) return;
  at_.settle();
  settled_bytes_ = at_.bytes();
}

bool GrammarFilter::over() const {
  if (finished_) return true;
  if (!at_.may_end()) return false;
  // What is called stands among the items itself.
  const auto items = at_.items();
  return std::all_of(items.begin(), items.end(), [&](const Matcher::Item& item) {
    return compiled_->automaton.edges(item.state).empty() && compiled_->automaton.specials(item.state).empty();
  });
}

// The only byte that may come, -1 when there are several, or none has to.
int GrammarFilter::forced_byte() const {
  if (at_.may_end()) return -1;
  int byte = -1;
  for (const Matcher::Item& item : at_.items()) {
    for (const ByteEdge& e : compiled_->automaton.edges(item.state)) {
      if (e.first != e.last || (byte >= 0 && byte != e.first)) return -1;
      byte = e.first;
    }
  }
  return byte;
}

std::vector<uint32_t> GrammarFilter::open_states() const {
  std::vector<uint32_t> states;
  for (const Matcher::Item& item : at_.items()) states.push_back(item.state);
  std::sort(states.begin(), states.end());
  return states;
}

// The longest control token whose bytes are all forced and lead to the same place; -1 if there is none.
int32_t GrammarFilter::forced_special() {
  std::vector<uint32_t> labels;
  for (const Matcher::Item& item : at_.items()) {
    for (const Jump& jump : compiled_->automaton.specials(item.state)) labels.push_back(jump.label);
  }
  int32_t best = -1;
  const auto& texts = compiled_->vocabulary->special_texts();
  for (const uint32_t label : labels) {
    if (best >= 0 && texts[static_cast<size_t>(best)].size() >= texts[label].size()) continue;
    const size_t before = at_.depth();
    bool forced = true;
    for (const char c : texts[label]) {
      forced = forced_byte() == static_cast<uint8_t>(c) && at_.step(static_cast<uint8_t>(c));
      if (!forced) break;
    }
    const std::vector<uint32_t> by_bytes = open_states();
    at_.pop(at_.depth() - before);
    if (!forced || !step_special(static_cast<int32_t>(label))) continue;
    if (open_states() == by_bytes) best = static_cast<int32_t>(label);
    at_.pop();
  }
  return best;
}

// What is forced, as bytes between control tokens. The matcher stands behind it.
std::vector<GrammarFilter::Piece> GrammarFilter::forced_pieces() {
  std::vector<Piece> pieces(1);
  for (size_t n = 0; n < kMaxForcedBytes; ++n) {
    const int byte = forced_byte();
    if (byte < 0) break;
    if (const int32_t label = forced_special(); label >= 0) {
      pieces.back().special = label;
      pieces.emplace_back();
      step_special(label);
    } else if (at_.step(static_cast<uint8_t>(byte))) {
      pieces.back().bytes.push_back(static_cast<char>(byte));
    } else {
      break;
    }
  }
  return pieces;
}

// Tokens of the end that could become others by what comes next are held back: from the first one on from which the
// rest of the bytes begins a longer token that can still come.
void GrammarFilter::hold_back(std::vector<int32_t>& tokens, std::string_view bytes) {
  const Vocabulary& vocabulary = *compiled_->vocabulary;
  size_t begin = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    uint32_t node = 0;
    for (const char c : bytes.substr(begin)) {
      node = vocabulary.child(node, static_cast<uint8_t>(c));
      if (node == 0) break;
    }
    for (uint32_t n = node + 1; node != 0 && n < vocabulary.node(node).behind; n = vocabulary.node(n).behind) {
      if (!at_.step(vocabulary.node(n).byte)) continue;
      at_.pop();
      tokens.resize(i);
      return;
    }
    begin += vocabulary.tokenizer().piece(tokens[i]).size();
  }
}

size_t GrammarFilter::forced(std::span<int32_t> out, size_t left) {
  if (finished_ || out.empty() || forced_byte() < 0) return 0;
  const Vocabulary& vocabulary = *compiled_->vocabulary;
  const size_t before = at_.depth();
  const std::vector<Piece> pieces = forced_pieces();
  std::vector<int32_t> tokens;
  for (const Piece& piece : pieces) {
    std::vector<int32_t> spelled = spell(vocabulary, piece.bytes);
    if (spelled.empty() && !piece.bytes.empty()) break;
    if (piece.special < 0) hold_back(spelled, piece.bytes);
    tokens.insert(tokens.end(), spelled.begin(), spelled.end());
    if (piece.special >= 0) tokens.push_back(vocabulary.special_token(static_cast<uint32_t>(piece.special)));
  }
  at_.pop(at_.depth() - before);
  const size_t n = std::min({tokens.size(), out.size(), in_time(tokens, left)});
  std::copy_n(tokens.begin(), n, out.begin());
  return n;
}

// How many of the tokens may be taken before the end is farther away than tokens are left.
size_t GrammarFilter::in_time(std::span<const int32_t> tokens, size_t left) {
  const Vocabulary& vocabulary = *compiled_->vocabulary;
  const size_t before = at_.depth();
  size_t n = 0;
  for (; n < tokens.size() && n < left; ++n) {
    const int32_t label = vocabulary.special_label(tokens[n]);
    bool there = label >= 0 && step_special(label);
    if (!there) {
      there = true;
      for (const char c : vocabulary.tokenizer().piece(tokens[n])) there = there && at_.step(static_cast<uint8_t>(c));
    }
    if (!there || at_.cost() > left - n - 1) break;
  }
  at_.pop(at_.depth() - before);
  return n;
}

}  // namespace kedge::engine::grammar
