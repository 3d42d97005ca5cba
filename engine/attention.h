// Rotary positions and attention of a step. Sequences see only their own pages; (sequence, kv-head, tile of rows) are
// one pool of units for the team.
#pragma once

#include "engine/rope.h"
#include "engine/step_parts.h"

namespace kedge::engine {

class Attention {
 public:
  Attention(const StepContext& context, StepParts& parts);

  // x: [n][n_heads][head_dim], in place.
  void rope(float* x, int n_heads, int head_dim, const RopeTable& table);
  // Appends k and v, [n][n_kv_heads][head_dim], to the sequences' pages; out: [n][n_heads][head_dim_v].
  void attend(int layer, const float* q, const float* k, const float* v, float* out);

 private:
  struct Inputs {
    int layer;
    const float* q;
    float* out;
  };
  bool by_chunks() const;
  void cut_units();
  void store(int layer, const float* k, const float* v);
  void check_held(StepPart& part, int layer, const float* k, const float* v) const;
  AttendRows rows_of(const StepPart& part, const Inputs& in, int kv_head, int first_row, int n_rows, int thread) const;
  // Rows whose attention the memory's policy counts: the same bits, and what every slot got of them.
  void attend_watched(StepPart& part, const Inputs& in, const AttendUnit& unit, int thread);
  void count(StepPart& part, const Inputs& in, int kv_head, const AttendRows& rows, int first_row, int n_rows);
  void probe(StepPart& part, const Inputs& in);
  // Few rows over long contexts: chunks of the contexts are the units, not only kv-heads. The bits are the same.
  void attend_by_chunks(const Inputs& in);

  StepContext c_;
  StepBuffers& b_;
  StepParts& parts_;
  int group_;  // query heads of a kv-head
  bool units_cut_ = false;
  const RopeTable* rope_filled_ = nullptr;
};

}  // namespace kedge::engine
