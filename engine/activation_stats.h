// How large the inputs of a model's matrices are: the sum of squares of every column, by matrix, of all that a session
// evaluates. An importance matrix is made of it (engine/imatrix.h).
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "engine/adapter_site.h"
#include "engine/loader.h"
#include "kernels/base/parallel.h"

namespace kedge::engine {

class ActivationStats {
 public:
  // Of the matrices that read an input of their own: several parts of one tensor read the same one, the first counts.
  struct Sums {
    std::vector<double> squares;   // [n_experts][k]
    std::vector<uint64_t> counts;  // [n_experts] rows
  };

  explicit ActivationStats(std::span<const AdapterSite> sites) : sums_(sites.size()), counted_(sites.size()) {
    for (size_t i = 0; i < sites.size(); ++i) counted_[i] = sites[i].first_row == 0;
  }

  // By Weight::site; empty where nothing was evaluated.
  const std::vector<Sums>& sums() const { return sums_; }

  // n rows a weight is multiplied by: row(i) is the matrix (an expert, otherwise 0) and w.k values. They are added in
  // the order of the rows, so that neither steps nor threads change a bit.
  template <class Row>
  void add(const ThreadTeam& team, const Weight& w, size_t n, Row&& row) {
    const auto site = static_cast<size_t>(w.site);
    if (w.site == kNoSite || !counted_[site]) return;
    Sums& sums = sums_[site];
    const auto k = static_cast<size_t>(w.k);
    sums.squares.resize(static_cast<size_t>(w.n_experts) * k);
    sums.counts.resize(static_cast<size_t>(w.n_experts));
    constexpr size_t kColumns = 64;  // handed out at once
    team.split(k, kColumns, [&](size_t begin, size_t end, int) {
      for (size_t i = 0; i < n; ++i) {
        const std::pair<size_t, const float*> input = row(i);
        double* to = sums.squares.data() + input.first * k;
        for (size_t c = begin; c < end; ++c) to[c] += double{input.second[c]} * double{input.second[c]};
      }
    });
    for (size_t i = 0; i < n; ++i) ++sums.counts[row(i).first];
  }

 private:
  std::vector<Sums> sums_;
  std::vector<bool> counted_;
};

}  // namespace kedge::engine
