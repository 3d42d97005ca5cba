#include "engine/embed.h"

#include <array>
#include <cmath>

#include "engine/engine.h"

namespace kedge::engine {
namespace {

constexpr std::array<const char*, 4> kNames = {"none", "mean", "cls", "last"};

// Takes in rows in the order of their positions, wherever steps were cut: the sum of a mean is always the same.
class Pool {
 public:
  Pool(Pooling pooling, size_t n_tokens, size_t width) : pooling_(pooling), n_tokens_(n_tokens) {
    const bool each = pooling == Pooling::kNone;
    values_.reserve(width * (each ? n_tokens : 1));
    if (pooling == Pooling::kMean) sums_.resize(width);
  }

  // The first token whose row counts.
  size_t first() const { return pooling_ == Pooling::kLast ? n_tokens_ - 1 : 0; }

  void add(int position, std::span<const float> row) {
    if (pooling_ == Pooling::kMean) {
      for (size_t i = 0; i < row.size(); ++i) sums_[i] += row[i];
    } else if (pooling_ != Pooling::kCls || position == 0) {
      values_.insert(values_.end(), row.begin(), row.end());
    }
  }

  std::vector<float> take() {
    for (const double sum : sums_) values_.push_back(static_cast<float>(sum / static_cast<double>(n_tokens_)));
    return std::move(values_);
  }

 private:
  Pooling pooling_;
  size_t n_tokens_;
  std::vector<double> sums_;
  std::vector<float> values_;
};

// A vector of zeros has no direction and stays what it is.
void normalise(std::span<float> v) {
  double squares = 0;
  for (const float x : v) squares += static_cast<double>(x) * x;
  if (squares == 0) return;
  const double length = std::sqrt(squares);
  for (float& x : v) x = static_cast<float>(x / length);
}

}  // namespace

const char* pooling_name(Pooling pooling) { return kNames[static_cast<size_t>(pooling)]; }

Result<std::optional<Pooling>> pooling_of(const Model& model) {
  const std::string key = model.config().arch + ".pooling_type";
  if (!model.store().metadata().has(key)) return std::optional<Pooling>();
  KEDGE_ASSIGN(number, model.store().metadata().get_u32(key));
  if (number < kNames.size()) return std::optional(static_cast<Pooling>(number));
  return Error{ErrorCode::kUnsupported, model.store().path() + ": " + key + " = " + std::to_string(number) +
                                            " is none of 0 (none), 1 (mean), 2 (cls), 3 (last)"};
}

Result<std::vector<float>> embed(Engine& engine, std::span<const int32_t> tokens, const EmbedOptions& options) {
  const ModelConfig& c = engine.model()->config();
  std::optional<Pooling> pooling = options.pooling;
  if (!pooling) {
    KEDGE_ASSIGN(own, pooling_of(*engine.model()));
    pooling = own.value_or(Pooling::kMean);
  }
  if (tokens.empty()) return Error{ErrorCode::kInvalidArgument, "no tokens to embed"};
  if (tokens.size() > static_cast<size_t>(c.n_ctx_train)) {
    return Error{ErrorCode::kCapacity, "the text has " + std::to_string(tokens.size()) +
                                           " tokens, the model's context has room for " +
                                           std::to_string(c.n_ctx_train)};
  }
  SessionOptions whole;
  whole.n_ctx = static_cast<int>(tokens.size());
  KEDGE_ASSIGN(session, engine.session(whole));
  const auto held = session->use();
  KEDGE_ASSIGN(admitted, Session::Admission::wait(*session, {tokens.size(), tokens.size()}, options.hooks));
  const auto width = static_cast<size_t>(c.d_model);
  Pool pool(*pooling, tokens.size(), width);
  const auto row = [&](int position, std::span<const float> hidden) -> Status {
    pool.add(position, hidden);
    return {};
  };
  KEDGE_TRY(session->eval_hidden(tokens, pool.first(), row, options.hooks));
  std::vector<float> values = pool.take();
  if (!options.normalise) return values;
  for (size_t at = 0; at < values.size(); at += width) normalise(std::span(values).subspan(at, width));
  return values;
}

}  // namespace kedge::engine
