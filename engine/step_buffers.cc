#include "engine/step_buffers.h"

#include <algorithm>
#include <type_traits>

namespace kedge::engine {

namespace {
// Steps of more rows have enough (kv-head, tile of rows) units to occupy a team without cutting the context.
constexpr int kChunkedRows = 4;
}  // namespace

int logit_rows(int n_vocab) {
  constexpr int kBytes = 4 << 20;  // but all sequences of a usual step at once: the matrix is read once for them
  return std::clamp(kBytes / 4 / n_vocab, 16, kMostLogitRows);
}

namespace {
size_t to_size(int x) { return static_cast<size_t>(x); }

template <class Array>
Status fill(Array& array, size_t count) {
  auto made = Array::make(count, "activation buffers");
  if (!made.ok()) return std::move(made).error();
  array = std::move(made).value();
  return {};
}

Status add_scratch(std::vector<AlignedBytes>& all, size_t bytes, const char* what) {
  KEDGE_ASSIGN(made, AlignedBytes::make(bytes, what));
  all.push_back(std::move(made));
  return {};
}
}  // namespace

Result<StepBuffers> StepBuffers::make(const ModelConfig& c, const StepShape& shape) {
  StepBuffers b;
  const size_t n = to_size(shape.max_rows);
  const size_t slots = n * to_size(c.n_experts_used);
  // The widest input of a product, per row of the step; expert inputs have n_used rows of d_ff_expert each.
  const size_t widest = to_size(c.widest_input);
  const size_t act_rows = std::max(n, slots);
  const size_t act = std::max(n * widest, slots * to_size(c.d_ff_expert));
  const size_t k = std::max(widest, to_size(c.d_ff_expert));
  KEDGE_TRY(fill(b.rows, n * shape.floats_per_row));
  KEDGE_TRY(fill(b.rope, n * to_size(c.rope_floats)));
  KEDGE_TRY(fill(b.act_q, (act + act_rows * kActPad) * (shape.fast ? 2 : 1)));
  KEDGE_TRY(fill(b.act_d, act / 32 + 1));
  KEDGE_TRY(fill(b.act_s16, act / 16 + 1));
  KEDGE_TRY(fill(b.act_s32, act / 32 + 1));
  KEDGE_TRY(fill(b.logits, to_size(std::min(shape.max_rows, logit_rows(c.n_vocab))) * to_size(c.n_vocab)));
  b.part_of.resize(n);
  b.row_in_part.resize(n);
  for (int t = 0; t < shape.n_threads; ++t) {
    KEDGE_TRY(add_scratch(b.scratch, matmul_scratch_bytes(static_cast<int>(k)), "kernel scratch"));
    KEDGE_TRY(add_scratch(b.attend_scratch, kAttendScratchBytes, "attention scratch"));
  }
  if (shape.n_threads > 1 && c.n_kv_heads > 0 && c.n_kv_heads < 2 * shape.n_threads) {
    b.attend_part_rows = std::min({kChunkedRows, shape.max_rows, std::max(1, kMaxAttendRows / c.most_queries_per_kv)});
  }
  if (c.n_experts > 0) {
    KEDGE_TRY(fill(b.gate_probs, n * to_size(c.n_experts)));
    KEDGE_TRY(fill(b.gate_logits, n * to_size(c.n_experts)));
    KEDGE_TRY(fill(b.gate_facts, 2 * n));
    KEDGE_TRY(fill(b.expert_mid, slots * 2 * to_size(c.d_ff_expert)));
    KEDGE_TRY(fill(b.expert_out, slots * (to_size(c.d_model) + kActPad)));
    KEDGE_TRY(fill(b.slot_weight, slots));
    KEDGE_TRY(fill(b.token_slot, slots));
    KEDGE_TRY(fill(b.chosen, slots));
    KEDGE_TRY(fill(b.expert_start, to_size(c.n_experts) + 1));
    KEDGE_TRY(fill(b.expert_order, to_size(c.n_experts)));
  }
  return b;
}

Status StepBuffers::fit(const ModelConfig& c, int n_slots, bool watch) {
  if (n_slots > n_slots_ && attend_part_rows > 0) {
    const size_t chunks = (to_size(n_slots) + kChunkTokens - 1) / kChunkTokens;
    KEDGE_TRY(fill(attend_parts, to_size(attend_part_rows * c.n_heads) * chunks * attend_part_floats(c.head_dim_v)));
  }
  n_slots_ = std::max(n_slots_, n_slots);
  if (!watch || n_slots <= n_slots_watched_) return {};
  std::vector<AlignedArray<float>> grown(scratch.size());
  const size_t stride = (to_size(n_slots) + kPageTokens - 1) / kPageTokens * kPageTokens;
  // Thread 0's also holds all heads of a step that is spread by chunks.
  const size_t chunked = to_size(c.n_heads) * to_size(attend_part_rows);
  const size_t at_once = to_size(std::max(kMaxAttendRows, c.most_queries_per_kv));
  for (auto& mass : grown) {
    const size_t n_rows = &mass == &grown[0] ? std::max(at_once, chunked) : at_once;
    KEDGE_TRY(fill(mass, n_rows * stride));
  }
  token_mass = std::move(grown);
  token_mass_stride = stride;
  n_slots_watched_ = n_slots;
  return {};
}

Status StepBuffers::fit(const ModelConfig& c, std::span<const AdapterUse> uses) {
  if (uses.empty()) return {};
  return adapters.fit(uses, part_of.size(), part_of.size() * to_size(c.n_experts_used), scratch.size());
}

size_t StepBuffers::bytes() const {
  size_t total = (rows.size() + rope.size() + act_d.size() + logits.size() + gate_probs.size() + gate_logits.size() +
                  gate_facts.size() + expert_mid.size() + expert_out.size() + slot_weight.size()) *
                 sizeof(float);
  total += act_q.size() + (act_s16.size() + act_s32.size()) * sizeof(int16_t);
  total += (token_slot.size() + chosen.size() + expert_start.size() + expert_order.size()) * sizeof(int32_t);
  total += attend_parts.size() * sizeof(float) + (part_of.size() + row_in_part.size()) * sizeof(int32_t);
  for (const auto& mass : token_mass) total += mass.size() * sizeof(float);
  for (const AlignedBytes& s : scratch) total += s.size();
  for (const AlignedBytes& s : attend_scratch) total += s.size();
  return total + adapters.bytes();
}

}  // namespace kedge::engine
