// The functions a row of floats can go through. What each is, operation for operation:
// kernels/reference/activations.cc.
#pragma once

#include "kernels/base/rooms.h"

namespace kedge::kernels {

enum class Activation {
  kSilu,         // x * sigmoid(x)
  kGeluTanh,     // the form with tanh, which is x * sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3))
  kGeluErf,      // x * Phi(x), exact
  kReluSquared,  // max(x, 0)^2
  kSigmoid,      // 1 / (1 + exp(-x))
  kSoftplus,     // log(1 + exp(x))
  kTanh,
  kExp,
};

}  // namespace kedge::kernels
