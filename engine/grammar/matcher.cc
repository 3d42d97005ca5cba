#include "engine/grammar/matcher.h"

#include <algorithm>

namespace kedge::engine::grammar {
namespace {

constexpr size_t kFew = 16;                        // items that are searched one by one
constexpr size_t kTable = 4 * Matcher::kMaxItems;  // a power of two
constexpr uint64_t kEmpty = ~uint64_t{0};

uint32_t sum(uint32_t a, uint32_t b) { return std::min(Automaton::kNever, a + b); }

}  // namespace

Matcher::Matcher(const Automaton& automaton) : automaton_(automaton), called_(automaton.n_callees()) {}

void Matcher::begin_at(uint32_t state) {
  items_.clear();
  places_.clear();
  full_ = false;
  frames_ = {{.place = 0, .callers = 0, .cost = 0}};
  callers_ = {{.state = kNone, .frame = 0, .next = kNone}};
  open();
  add(state, 0);
  close();
}

void Matcher::open() {
  places_.push_back({.items = static_cast<uint32_t>(items_.size()),
                     .frames = static_cast<uint32_t>(frames_.size()),
                     .callers = static_cast<uint32_t>(callers_.size()),
                     .serial = ++serial_,
                     .ends = false});
}

void Matcher::add(uint32_t state, uint32_t frame) {
  const Item item = {state, frame};
  const size_t first = places_.back().items;
  const size_t n = items_.size() - first;
  if (n < kFew) {
    if (std::find(items_.begin() + static_cast<ptrdiff_t>(first), items_.end(), item) == items_.end()) {
      items_.push_back(item);
    }
    return;
  }
  if (n >= kMaxItems) {
    full_ = true;
    return;
  }
  const auto insert = [&](Item it) {
    const uint64_t key = uint64_t{it.state} << 32 | it.frame;
    size_t at = (key * 0x9e3779b97f4a7c15u) >> 40 & (kTable - 1);
    while (seen_[at] != kEmpty && seen_[at] != key) at = (at + 1) & (kTable - 1);
    const bool added = seen_[at] == kEmpty;
    seen_[at] = key;
    return added;
  };
  if (n == kFew) {
    seen_.assign(kTable, kEmpty);
    for (size_t i = first; i < items_.size(); ++i) insert(items_[i]);
  }
  if (insert(item)) items_.push_back(item);
}

// What can be read without a byte. False, with the place gone, when nothing is left.
bool Matcher::close() {
  const Place& place = places_.back();
  const size_t first = place.items;
  for (size_t i = first; i < items_.size() && !full_; ++i) {
    const Item item = items_[i];
    if (automaton_.plain(item.state)) continue;
    // A call that ends where it began read nothing: its callers were told by call().
    if (automaton_.accepting(item.state) && (frames_[item.frame].place != place.serial)) end_call(item.frame);
    for (const Jump& jump : automaton_.calls(item.state)) call(jump, item.frame);
  }
  if (full_ || (items_.size() == first && !places_.back().ends)) {
    pop();
    return false;
  }
  if (frames_.size() > place.frames) find_costs();
  return true;
}

void Matcher::call(const Jump& jump, uint32_t frame) {
  const uint64_t serial = places_.back().serial;
  Called& called = called_[jump.label];
  if (called.serial != serial) {
    if (frames_.size() >= kMaxFrames || callers_.size() >= kMaxFrames) {
      full_ = true;
      return;
    }
    called = {serial, static_cast<uint32_t>(frames_.size())};
    frames_.push_back({.place = serial, .callers = kNone, .cost = Automaton::kNever});
    add(automaton_.start(jump.label), called.frame);
  }
  Frame& callee = frames_[called.frame];
  Caller caller = {.state = jump.to, .frame = frame, .next = callee.callers};
  // A call at the very end of its caller goes back to the caller's caller, so that repetitions by recursion at the end
  // do not pile up; where that is one, and known.
  const Frame& from = frames_[frame];
  if (automaton_.last(jump.to) && from.place != serial && callers_[from.callers].next == kNone) {
    caller.state = callers_[from.callers].state;
    caller.frame = callers_[from.callers].frame;
  }
  callee.callers = static_cast<uint32_t>(callers_.size());
  callers_.push_back(caller);
  if (automaton_.nullable(jump.label)) add(jump.to, frame);
}

void Matcher::end_call(uint32_t frame) {
  for (uint32_t c = frames_[frame].callers; c != kNone; c = callers_[c].next) {
    if (callers_[c].state == kNone) {
      places_.back().ends = true;
    } else {
      add(callers_[c].state, callers_[c].frame);
    }
  }
}

// Calls of one place may call each other, in circles too: until nothing gets shorter.
void Matcher::find_costs() {
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t f = frames_.size(); f-- > places_.back().frames;) {
      uint32_t cost = frames_[f].cost;
      for (uint32_t c = frames_[f].callers; c != kNone; c = callers_[c].next) {
        const Caller& caller = callers_[c];
        const uint32_t behind =
            caller.state == kNone ? 0 : sum(automaton_.cost(caller.state), frames_[caller.frame].cost);
        cost = std::min(cost, behind);
      }
      if (cost == frames_[f].cost) continue;
      frames_[f].cost = cost;
      changed = true;
    }
  }
}

bool Matcher::step(uint8_t byte) {
  const size_t first = places_.back().items;
  const size_t last = items_.size();
  open();
  for (size_t i = first; i < last; ++i) {
    const Item item = items_[i];
    const uint32_t to = automaton_.next(item.state, byte);
    if (to != Automaton::kNone) add(to, item.frame);
  }
  return close();
}

bool Matcher::step_special(uint32_t label, std::string_view text) {
  const size_t first = places_.back().items;
  const size_t last = items_.size();
  open();
  for (size_t i = first; i < last; ++i) {
    const Item item = items_[i];
    for (const Jump& jump : automaton_.specials(item.state)) {
      if (jump.label == label) add(jump.to, item.frame);
    }
    if (text.empty() || !automaton_.open(item.state)) continue;
    const uint32_t to = automaton_.next(item.state, text);
    if (to != kNone) add(to, item.frame);
  }
  return close();
}

void Matcher::step_out(uint32_t frame) {
  open();
  end_call(frame);
  const bool there = close();
  if (!there && !full_) open();  // nothing but the end, or nobody: a place without items
}

void Matcher::pop(size_t n) {
  for (; n > 0; --n) {
    items_.resize(places_.back().items);
    frames_.resize(places_.back().frames);
    callers_.resize(places_.back().callers);
    places_.pop_back();
  }
}

// Copies what can be reached from the items. Frames keep their order, so that callers stand before what they call,
// but for circles within a place.
void Matcher::settle() {
  const auto open_items = this->items();
  std::vector<Item> items(open_items.begin(), open_items.end());
  std::vector<bool> kept(frames_.size(), false);
  std::vector<uint32_t> queue;
  const auto keep = [&](uint32_t frame) {
    if (kept[frame]) return;
    kept[frame] = true;
    queue.push_back(frame);
  };
  keep(0);
  for (const Item& item : items) keep(item.frame);
  while (!queue.empty()) {
    const uint32_t frame = queue.back();
    queue.pop_back();
    for (uint32_t c = frames_[frame].callers; c != kNone; c = callers_[c].next) keep(callers_[c].frame);
  }
  std::vector<uint32_t> number(frames_.size(), 0);
  std::vector<Frame> frames;
  for (size_t f = 0; f < frames_.size(); ++f) {
    if (!kept[f]) continue;
    number[f] = static_cast<uint32_t>(frames.size());
    frames.push_back(frames_[f]);
  }
  std::vector<Caller> callers;
  for (Frame& frame : frames) {
    uint32_t c = frame.callers;
    frame.callers = kNone;
    for (; c != kNone; c = callers_[c].next) {
      callers.push_back({callers_[c].state, number[callers_[c].frame], frame.callers});
      frame.callers = static_cast<uint32_t>(callers.size() - 1);
    }
  }
  for (Item& item : items) item.frame = number[item.frame];
  const Place last = places_.back();
  items_ = std::move(items);
  frames_ = std::move(frames);
  callers_ = std::move(callers);
  // The place stands before all of it: pop() of it is never called.
  places_ = {{.items = 0, .frames = 0, .callers = 0, .serial = last.serial, .ends = last.ends}};
}

uint32_t Matcher::cost(Item item) const { return sum(automaton_.cost(item.state), frames_[item.frame].cost); }

uint32_t Matcher::cost() const {
  if (may_end()) return 0;
  uint32_t least = Automaton::kNever;
  for (const Item& item : items()) least = std::min(least, cost(item));
  return least;
}

size_t Matcher::bytes() const {
  return items_.size() * sizeof(Item) + frames_.size() * sizeof(Frame) + callers_.size() * sizeof(Caller) +
         places_.size() * sizeof(Place);
}

}  // namespace kedge::engine::grammar
