#include "engine/grammar/constraint.h"

#include <list>
#include <mutex>
#include <unordered_map>

#include "engine/filter/reasoning.h"
#include "engine/grammar/compiled_constraint.h"

namespace kedge::engine::grammar {

std::unique_ptr<TokenFilter> CompiledConstraint::filter() const {
  auto filter = std::make_unique<GrammarFilter>(compiled_);
  if (!reasoning_) return filter;
  return std::make_unique<ReasoningFilter>(std::move(filter), compiled_->vocabulary, *reasoning_);
}

// Two locks: who asks for what is there does not wait for who compiles.
struct Constraints::State {
  struct Entry {
    std::string spec;
    std::shared_ptr<const CompiledConstraint> constraint;
  };

  State(const Tokenizer& of, size_t rows, const ChatFormat* written) : tokenizer(of), n_vocab(rows), format(written) {}

  std::shared_ptr<const CompiledConstraint> find(const std::string& spec) {
    const std::lock_guard<std::mutex> lock(entries_mutex);
    const auto found = by_spec.find(spec);
    if (found == by_spec.end()) return nullptr;
    entries.splice(entries.begin(), entries, found->second);
    return found->second->constraint;
  }

  // The newest stays, whatever it takes.
  void keep(std::string spec, std::shared_ptr<const CompiledConstraint> constraint) {
    const std::lock_guard<std::mutex> lock(entries_mutex);
    entries.push_front({std::move(spec), std::move(constraint)});
    by_spec[entries.front().spec] = entries.begin();
    size_t bytes = 0;
    for (auto entry = entries.begin(); entry != entries.end();) {
      bytes += entry->constraint->bytes() + entry->spec.size();
      if (entry == entries.begin() || bytes <= kMaxBytes) {
        ++entry;
        continue;
      }
      by_spec.erase(entry->spec);
      entry = entries.erase(entry);
    }
  }

  Result<std::shared_ptr<const CompiledConstraint>> compile_spec(const std::string& spec) {
    KEDGE_ASSIGN(answer, read_answer_grammar(spec, format));
    if (vocabulary == nullptr) vocabulary = std::make_shared<const Vocabulary>(tokenizer, n_vocab);
    KEDGE_ASSIGN(compiled, Compiled::make(answer.grammar, vocabulary, answer.open));
    if (answer.reasoning && !answer.reasoning->budget) answer.reasoning.reset();
    return std::make_shared<const CompiledConstraint>(std::move(compiled), std::move(answer.reasoning));
  }

  const Tokenizer& tokenizer;
  const size_t n_vocab;
  const ChatFormat* const format;
  std::mutex compile_mutex;
  std::shared_ptr<const Vocabulary> vocabulary;  // guarded by it
  std::mutex entries_mutex;
  std::list<Entry> entries;  // the last used first
  std::unordered_map<std::string, std::list<Entry>::iterator> by_spec;
};

Constraints::Constraints(const Tokenizer& tokenizer, size_t n_vocab, const ChatFormat* format)
    : state_(std::make_unique<State>(tokenizer, n_vocab, format)) {}
Constraints::~Constraints() = default;

Result<std::shared_ptr<const Constraint>> Constraints::get(std::string_view spec) {
  const std::string key(spec);
  auto constraint = state_->find(key);
  if (constraint == nullptr) {
    const std::lock_guard<std::mutex> lock(state_->compile_mutex);
    constraint = state_->find(key);
    if (constraint == nullptr) {
      KEDGE_ASSIGN(made, state_->compile_spec(key));
      constraint = made;
      state_->keep(key, constraint);
    }
  }
  constraint->give();
  return std::shared_ptr<const Constraint>(std::move(constraint));
}

}  // namespace kedge::engine::grammar
