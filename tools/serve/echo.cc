#include "tools/serve/echo.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "tools/log_softmax.h"

namespace kedge::tools::serve {

namespace {

TokenTop piece_of(const kedge::Model& model, int32_t token, double logprob) {
  auto read = model.token(token);
  return {.piece = read.ok() ? std::move(read->piece) : std::string(), .token = token, .logprob = logprob};
}

// The n likeliest of a row, best first; of equal ones the lower token.
std::vector<int32_t> likeliest(std::span<const float> logits, size_t n) {
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  n = std::min(n, order.size());
  const auto before = [&](int32_t a, int32_t b) {
    const float x = logits[static_cast<size_t>(a)];
    const float y = logits[static_cast<size_t>(b)];
    return x != y ? x > y : a < b;
  };
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(n), order.end(), before);
  order.resize(n);
  return order;
}

}  // namespace

TokenInfo token_info(const kedge::Model& model, std::span<const kedge_logprob> top) {
  TokenInfo info;
  info.chosen = piece_of(model, top.front().token, top.front().logprob);
  for (const kedge_logprob& t : top.subspan(1)) info.top.push_back(piece_of(model, t.token, t.logprob));
  return info;
}

Answer<Echo> echo_prompt(const kedge::Model& model, kedge::Session& session, std::span<const int32_t> prompt,
                         int logprobs) {
  Echo echo;
  auto text = model.detokenize(prompt, false);  // what marks the beginning was not written by the client
  if (!text.ok()) return library_error(text.error());
  echo.text = *std::move(text);
  kedge::Session::Row row;
  if (logprobs >= 0) {
    echo.tokens.push_back({.chosen = piece_of(model, prompt.front(), std::numeric_limits<double>::quiet_NaN())});
    row = [&](int position, std::span<const float> logits) {
      const size_t next = static_cast<size_t>(position) + 1;
      if (next >= prompt.size()) return true;
      TokenInfo info{.chosen = piece_of(model, prompt[next], -negative_log_probability(logits, prompt[next]))};
      for (const int32_t t : likeliest(logits, static_cast<size_t>(logprobs))) {
        info.top.push_back(piece_of(model, t, -negative_log_probability(logits, t)));
      }
      echo.tokens.push_back(std::move(info));
      return true;
    };
  }
  if (const auto read = session.eval_all(prompt, row); !read.ok()) return library_error(read.error());
  return echo;
}

}  // namespace kedge::tools::serve
