#include "engine/step.h"

#include <algorithm>
#include <type_traits>

namespace kedge::engine {

namespace {
// Steps of more rows have enough (kv-head, tile of rows) units to occupy a team without cutting the context.
constexpr int kChunkedRows = 4;
}  // namespace

int logit_rows(int n_vocab) {
  constexpr int kBytes = 4 << 20;
  return std::clamp(kBytes / 4 / n_vocab, 6, 32);
}

Result<StepBuffers> StepBuffers::make(const ModelConfig& c, size_t floats_per_row, int max_rows, int n_slots,
                                      bool watch, int n_threads, bool fast) {
  StepBuffers b;
  const auto n = static_cast<size_t>(max_rows);
  auto size = [](int x) { return static_cast<size_t>(x); };
  const size_t slots = n * size(c.n_experts_used);
  // The widest input of a product, per row of the step; expert inputs have n_used rows of d_ff_expert each.
  const size_t heads = size(c.n_heads) * size(c.head_dim_v);
  const size_t widest = std::max({size(c.d_model), size(c.d_ff), heads});
  const size_t act_rows = std::max(n, slots);
  const size_t act = std::max(n * widest, slots * size(c.d_ff_expert));
  const size_t k = std::max(widest, size(c.d_ff_expert));

  auto fill = [](auto& array, size_t count) -> Status {
    auto made = std::remove_reference_t<decltype(array)>::make(count, "activation buffers");
    if (!made.ok()) return std::move(made).error();
    array = std::move(made).value();
    return {};
  };
  KEDGE_TRY(fill(b.rows, n * floats_per_row));
  KEDGE_TRY(fill(b.rope, n * size(c.rope.n_rot)));
  KEDGE_TRY(fill(b.act_q, (act + act_rows * kActPad) * (fast ? 2 : 1)));
  KEDGE_TRY(fill(b.act_d, act / 32 + 1));
  KEDGE_TRY(fill(b.act_s16, act / 16 + 1));
  KEDGE_TRY(fill(b.act_s32, act / 32 + 1));
  KEDGE_TRY(fill(b.logits, size(std::min(max_rows, logit_rows(c.n_vocab))) * size(c.n_vocab)));
  for (int t = 0; t < n_threads; ++t) {
    auto scratch = AlignedBytes::make(matmul_scratch_bytes(static_cast<int>(k)), "kernel scratch");
    if (!scratch.ok()) return std::move(scratch).error();
    b.scratch.push_back(std::move(scratch).value());
    auto attend = AlignedBytes::make(kAttendScratchBytes, "attention scratch");
    if (!attend.ok()) return std::move(attend).error();
    b.attend_scratch.push_back(std::move(attend).value());
  }
  const int group = c.n_heads / c.n_kv_heads;
  if (n_threads > 1 && c.n_kv_heads < 2 * n_threads) {
    b.attend_part_rows = std::min({kChunkedRows, max_rows, kMaxAttendRows / group});
    const size_t chunks = (size(n_slots) + kChunkTokens - 1) / kChunkTokens;
    KEDGE_TRY(fill(b.attend_parts,
                   size(c.n_kv_heads) * chunks * size(b.attend_part_rows * group) * attend_part_floats(c.head_dim_v)));
  }
  if (watch) {
    b.token_mass_stride = (size(n_slots) + kPageTokens - 1) / kPageTokens * kPageTokens;
    b.token_mass.resize(size(n_threads));
    // Thread 0's also holds all heads of a step that is spread by chunks.
    const size_t chunked = size(c.n_heads) * size(b.attend_part_rows);
    for (auto& mass : b.token_mass) {
      const size_t rows = &mass == &b.token_mass[0] ? std::max(size(kMaxAttendRows), chunked) : size(kMaxAttendRows);
      KEDGE_TRY(fill(mass, rows * b.token_mass_stride));
    }
  }
  if (c.n_experts > 0) {
    KEDGE_TRY(fill(b.gate_probs, n * size(c.n_experts)));
    KEDGE_TRY(fill(b.gate_logits, n * size(c.n_experts)));
    KEDGE_TRY(fill(b.gate_facts, 2 * n));
    b.expert_stats.resize(c.n_expert_layers, c.n_experts, c.n_experts_used);
    KEDGE_TRY(fill(b.expert_mid, slots * 2 * size(c.d_ff_expert)));
    KEDGE_TRY(fill(b.expert_out, slots * (size(c.d_model) + kActPad)));
    KEDGE_TRY(fill(b.slot_weight, slots));
    KEDGE_TRY(fill(b.token_slot, slots));
    KEDGE_TRY(fill(b.chosen, slots));
    KEDGE_TRY(fill(b.expert_start, size(c.n_experts) + 1));
    KEDGE_TRY(fill(b.expert_order, size(c.n_experts)));
  }
  return b;
}

size_t StepBuffers::bytes() const {
  size_t total = (rows.size() + rope.size() + act_d.size() + logits.size() + gate_probs.size() + gate_logits.size() +
                  gate_facts.size() + expert_mid.size() + expert_out.size() + slot_weight.size()) *
                 sizeof(float);
  total += act_q.size() + (act_s16.size() + act_s32.size()) * sizeof(int16_t);
  total += (token_slot.size() + chosen.size() + expert_start.size() + expert_order.size()) * sizeof(int32_t);
  total += attend_parts.size() * sizeof(float);
  for (const auto& mass : token_mass) total += mass.size() * sizeof(float);
  for (const AlignedBytes& s : scratch) total += s.size();
  for (const AlignedBytes& s : attend_scratch) total += s.size();
  return total;
}

}  // namespace kedge::engine
