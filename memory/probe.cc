// Recall by attention: cold blocks whose keys could get a large share of it.
#include <algorithm>
#include <cmath>

#include "memory/kv_parts.h"
#include "memory/sizes.h"

namespace kedge::memory {

int Recaller::probed_row(const KvParts& m, int n) const {
  if (!m.setup->probes() || (m.next() + n) % kProbeEvery != 0) return -1;
  return n - 1;
}

void Recaller::begin_probe(const KvParts& m) {
  probed_blocks_ = cold_->digested();
  probe_shares_.assign(to_size(m.sequence.n_tables()), std::vector<uint32_t>(probed_blocks_.size()));
}

// A row's softmax over the hot tokens is exp(score - lse); its log-sum-exp follows from the score and the share of any
// one token. A block whose best key could score `bound` could get a share of up to 1 / (1 + exp(lse - bound)).
void Recaller::probe(const KvParts& m, int table, const float* q, int group, float scale, const float* mass,
                     size_t stride, int n_slots) {
  const KvLayout& layout = m.sequence.layout();
  std::vector<uint32_t>& shares = probe_shares_[to_size(table)];
  float k[kMaxHeadDim];
  for (int g = 0; g < group; ++g) {
    const float* row = mass + to_size(g) * stride;
    const int slot = static_cast<int>(std::max_element(row, row + n_slots) - row);
    const float* query = q + g * layout.head_dim_k;
    kv_load(layout, m.sequence.table(table)[slot / kPageTokens], slot % kPageTokens, k, nullptr);
    float score = 0;
    for (int i = 0; i < layout.head_dim_k; ++i) score += query[i] * k[i];
    const double lse = static_cast<double>(score * scale) - std::log(static_cast<double>(row[slot]));
    for (size_t b = 0; b < probed_blocks_.size(); ++b) {
      const double bound = static_cast<double>(cold_->bound(probed_blocks_[b], table, query) * scale);
      const auto share = score_of(static_cast<float>(1.0 / (1.0 + std::exp(lse - bound))));
      shares[b] = std::max(shares[b], share);
    }
  }
}

// The block with the largest share on the average of all tables comes back when that exceeds the threshold.
Status Recaller::recall_probed(KvParts& m, const ThreadTeam& team) {
  if (probed_blocks_.empty()) return {};
  std::vector<uint64_t> sums(probed_blocks_.size());
  for (const auto& shares : probe_shares_) {
    for (size_t b = 0; b < sums.size(); ++b) sums[b] += shares[b];
  }
  const std::vector<int32_t> hot = m.hot_positions();
  const auto least = static_cast<uint64_t>(score_of(m.setup->options.recall_threshold)) * probe_shares_.size();
  size_t best = sums.size();
  std::vector<int32_t> wanted;
  for (size_t b = 0; b < sums.size(); ++b) {
    if (sums[b] < least || (best < sums.size() && sums[b] < sums[best])) continue;
    std::vector<int32_t> cold;
    for (const int32_t p : cold_->tokens_of(probed_blocks_[b])) {
      if (!std::binary_search(hot.begin(), hot.end(), p)) cold.push_back(p);
    }
    if (cold.empty()) continue;  // back already
    // Of equals the earliest text: the order of blocks is another after a snapshot.
    if (best < sums.size() && sums[b] == sums[best] && wanted.front() < cold.front()) continue;
    best = b;
    wanted = std::move(cold);
  }
  probed_blocks_.clear();
  return recall_if_room(m, std::move(wanted), team);
}

}  // namespace kedge::memory
