// Rotary positions and attention of a step. Sequences see only their own pages; (sequence, kv-head, tile of rows and of
// the heads that share it) are one pool of units for the team.
#pragma once

#include <algorithm>

#include "engine/rope.h"
#include "engine/step_parts.h"

namespace kedge::engine {

// What the attention of one layer is like.
struct AttentionSpec {
  int layer = 0;  // whose cache it reads
  int n_heads = 0;
  LayerShape shape;               // of that cache
  float scale = 1;                // multiplies the scores
  float softcap = 0;              // c: scores become c * tanh(score / c); 0: they stay
  const float* sinks = nullptr;   // [n_heads] a score of no token, in every softmax; null: none
  bool stores = true;             // its keys and values come into the cache; false: another layer's did
  bool both_directions = false;   // rows see the later rows of the step too
  int reach = 0;                  // then: so many to either side; 0: all
  const float* slopes = nullptr;  // [n_heads] ALiBi: what a score loses for every token of distance; null: nothing

  int group() const { return n_heads / shape.n_kv_heads; }  // query heads of a kv-head
  int width_q() const { return n_heads * shape.head_dim_k; }
  int width_k() const { return shape.n_kv_heads * shape.head_dim_k; }
  int width_v() const { return shape.n_kv_heads * shape.head_dim_v; }
  int width_out() const { return n_heads * shape.head_dim_v; }
};

// Query heads of a kv-head that go into one call of the kernels, where more than they take share it.
inline int heads_at_once(int group) {
  const int tiles = (group + kMaxAttendRows - 1) / kMaxAttendRows;
  return (group + tiles - 1) / tiles;
}

// Notes in the configuration what a layer like that needs of a step's buffers.
inline void announce(const AttentionSpec& spec, ModelConfig& config) {
  config.widest_attention = std::max(config.widest_attention, spec.n_heads * spec.shape.head_dim_v);
  config.most_queries_per_kv = std::max(config.most_queries_per_kv, spec.group());
}

class Attention {
 public:
  Attention(const StepContext& context, StepParts& parts);

  // x: [n][n_heads][head_dim], in place; of every head the values from `first` on.
  void rope(float* x, int n_heads, int head_dim, const RopeTable& table, int first = 0);
  // Rows have left the step: what is known of the others is made anew.
  void rows_changed() {
    ropes_filled_ = 0;
    units_kv_heads_ = 0;
  }
  // Appends k and v, [n][n_kv_heads][head_dim], to the sequences' pages; out: [n][n_heads][head_dim_v]. Without
  // `stores` k and v are null, with `values_in_keys` v is.
  void attend(const AttentionSpec& spec, const float* q, const float* k, const float* v, float* out);

 private:
  struct Inputs {
    const AttentionSpec& spec;
    const float* q;
    const float* k;
    const float* v;
    float* out;
  };
  bool by_chunks(const AttentionSpec& spec) const;
  void cut_units(const AttentionSpec& spec);
  void cut_head(const AttentionSpec& spec, size_t part, int kv_head);
  bool store_head(StepPart& part, size_t row, const Inputs& in, int kv_head) const;
  void store(const Inputs& in);
  void check_held(const Inputs& in) const;
  void store_and_attend(const Inputs& in);
  void attend_unit(StepPart& part, const Inputs& in, const AttendUnit& unit, int thread);
  AttendRows rows_of(const StepPart& part, const Inputs& in, const AttendUnit& unit, int thread) const;
  // Rows whose attention the memory's policy counts: the same bits, and what every slot got of them.
  void attend_watched(StepPart& part, const Inputs& in, const AttendUnit& unit, int thread);
  void attend_with_mass(StepPart& part, const Inputs& in, const AttendUnit& unit, int thread);
  void count(StepPart& part, const Inputs& in, const AttendUnit& unit, const float* mass);
  void probe(StepPart& part, const Inputs& in);
  // Few rows over long contexts: chunks of the contexts are the units, not only kv-heads. The bits are the same.
  void attend_by_chunks(const Inputs& in);

  StepContext c_;
  StepBuffers& b_;
  StepParts& parts_;
  // Of the layer the units were cut for; those of the same heads and kind have the same.
  int units_kv_heads_ = 0;
  int units_group_ = 0;
  bool units_windowed_ = false;
  uint32_t ropes_filled_ = 0;  // a bit per table
};

}  // namespace kedge::engine
