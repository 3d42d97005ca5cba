// Where a text stands in an automaton, byte by byte: all that it may be so far, at once. Any grammar, ambiguous or left
// recursive, by Earley's method with calls in place of items (a graph of stacks): a call of an automaton is a frame
// made once for each place of the text, whoever called it, and knows where its callers go on.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "engine/grammar/automaton.h"

namespace kedge::engine::grammar {

// Belongs to one thread. The automaton outlives it. Going back is cutting off: what a place of the text added stands at
// the ends of the arrays.
class Matcher {
 public:
  static constexpr size_t kMaxItems = 4096;              // ways to read a text that are open at one place
  static constexpr size_t kMaxFrames = size_t{1} << 20;  // calls that are open, with all their callers

  struct Item {
    uint32_t state;
    uint32_t frame;
    friend bool operator==(const Item&, const Item&) = default;
  };

  explicit Matcher(const Automaton& automaton);

  void begin() { begin_at(automaton_.start(0)); }
  // As if the outermost call were in this state.
  void begin_at(uint32_t state);
  // One byte, or control token, more; where control tokens may stand for their bytes, by its text (empty: in markers
  // only). False when nothing reads it, or a limit is reached (full()); then nothing changed.
  bool step(uint8_t byte);
  bool step_special(uint32_t label, std::string_view text);
  // A place as the callers of a frame find it when its call ends here; pop() takes it back.
  void step_out(uint32_t frame);
  void pop(size_t n = 1);
  // Forgets what is no part of any way on: the text so far, but for where it stands. There is nothing to pop behind it.
  void settle();

  std::span<const Item> items() const { return std::span(items_).subspan(places_.back().items); }
  bool may_end() const { return places_.back().ends; }  // the outermost call
  size_t depth() const { return places_.size(); }       // places to pop, and one
  bool full() const { return full_; }                   // a limit was reached since begin()
  // Tokens to the end of the text along the shortest way, at least.
  uint32_t cost() const;
  uint32_t cost(Item item) const;
  uint32_t frame_cost(uint32_t frame) const { return frames_[frame].cost; }
  size_t bytes() const;

 private:
  static constexpr uint32_t kNone = Automaton::kNone;
  struct Frame {
    uint64_t place;    // serial number of where it was called
    uint32_t callers;  // the first of a list
    uint32_t cost;     // of what comes behind its call's end
  };
  struct Caller {
    uint32_t state;  // where it goes on; kNone: the text ends
    uint32_t frame;
    uint32_t next;
  };
  struct Place {
    uint32_t items;  // numbers of what was there before
    uint32_t frames;
    uint32_t callers;
    uint64_t serial;
    bool ends;
  };

  void open();
  bool close();
  void add(uint32_t state, uint32_t frame);
  void call(const Jump& jump, uint32_t frame);
  void end_call(uint32_t frame);
  void find_costs();

  const Automaton& automaton_;
  std::vector<Item> items_;
  std::vector<Frame> frames_;
  std::vector<Caller> callers_;
  std::vector<Place> places_;
  struct Called {
    uint64_t serial = 0;
    uint32_t frame = 0;
  };
  std::vector<Called> called_;  // by callee: the frame it has at a place
  std::vector<uint64_t> seen_;  // when a place has many items: a table of them, by hash
  uint64_t serial_ = 0;
  bool full_ = false;
};

}  // namespace kedge::engine::grammar
