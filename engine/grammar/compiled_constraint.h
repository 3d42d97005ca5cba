// What Constraints give out.
#pragma once

#include <atomic>
#include <optional>

#include "engine/grammar/answer_grammar.h"
#include "engine/grammar/constraint.h"
#include "engine/grammar/grammar_filter.h"

namespace kedge::engine::grammar {

class CompiledConstraint final : public Constraint {
 public:
  // `reasoning`: where its tokens are limited.
  CompiledConstraint(std::shared_ptr<const Compiled> compiled, std::optional<Reasoning> reasoning)
      : compiled_(std::move(compiled)), reasoning_(std::move(reasoning)) {}

  std::unique_ptr<TokenFilter> filter() const override;
  size_t bytes() const override { return sizeof *this + compiled_->bytes(); }
  double compile_ms() const override { return compiled_->ms; }

  // Whether Constraints::get() gave it out before its last call.
  bool given_before() const { return given_.load(std::memory_order_relaxed) > 1; }
  void give() const { given_.fetch_add(1, std::memory_order_relaxed); }

 private:
  std::shared_ptr<const Compiled> compiled_;
  std::optional<Reasoning> reasoning_;
  mutable std::atomic<size_t> given_ = 0;
};

}  // namespace kedge::engine::grammar
