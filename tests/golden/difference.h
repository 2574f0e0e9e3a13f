#pragma once

// What the comparisons of all networks share.

#include <string>
#include <utility>
#include <vector>

#include "autograd/core/array.h"
#include "nn/module.h"
#include "tests/golden/golden_file.h"

namespace golden {

struct Difference {
  std::string name;  // of the file's tensor
  double value = 0;  // max |ours − file's| / max |file's|; infinity where shapes differ or a number is not finite
};

// How a network is run for a comparison: its weights, input and activations in float32 as ever, or in float64; in
// float64 also with each number of weights and input moved by a share of it, U(±perturbation).
struct Arithmetic {
  autograd::DType compute = autograd::kFloat32;
  double perturbation = 0;
  autograd::RandomKey key = autograd::RandomKey(0);  // of the perturbation
};

// Half the distance from 1 to the next float32.
inline constexpr double kUnitRoundoff = 0x1p-24;

// Our float64 beside PyTorch's: the file's numbers were rounded to float32 once, and so are our logits, from which the
// loss and its gradient are computed in float32 with some eight more roundings (exp, a sum, a log or a quotient, a
// mean); the sines and cosines of a rotation and the weights of resized positions are float32 numbers, too. Thirty
// roundings in all; the rest is float64.
inline constexpr double kFloat64Tolerance = 32 * kUnitRoundoff;

// Our float32 beside PyTorch's float64. What a layer computes is exact for other weights: a sum of n products, in
// whatever order, is that of factors that were moved by min(n, 8·√n) unit roundoffs each (Higham 2002, §3.1; for more
// than 64 but for one case in 10^12 Higham and Mary 2019, theorem 2.4). No sum of the micro networks has more than 4096
// terms. So a tensor may differ by 8·√4096 times one unit roundoff and what one unit roundoff of each weight moves it
// by, which ExcessesInFloat32 measures in float64.
inline constexpr double kRoundings = 512;

// The array in the arithmetic's dtype, moved as it says; `name` tells arrays apart.
autograd::Array Prepared(const autograd::Array& array, const Arithmetic& arithmetic, const std::string& name);
// The same for all parameters and floating buffers.
void Prepare(const nn::ModuleReference& network, const Arithmetic& arithmetic);

// Relative to the largest of `scale`, which is `expected` unless that is nothing but rounding.
Difference Between(const std::string& name, const autograd::Array& actual, const autograd::Array& expected,
                   const autograd::Array& scale);
Difference Between(const std::string& name, const autograd::Array& actual, const autograd::Array& expected);

// Of uint8 maps of labels, which have no size: 0 where they are the same, infinity elsewhere.
Difference SameMap(const std::string& name, const autograd::Array& actual, const autograd::Array& expected);

// Between the gradients that `network` holds and the values of `expected`, parameter by parameter, as "gradient.…".
// Biases whose gradient is below `cancelling` times their weight's are compared on the weight's scale.
void AppendGradients(const nn::ModuleReference& network, const nn::ModuleReference& expected,
                     std::vector<Difference>& differences, double cancelling = 0);
// Between the buffers of both, as "updated.…".
void AppendStatistics(const nn::ModuleReference& network, const nn::ModuleReference& expected,
                      std::vector<Difference>& differences);

// A metadata entry that must be a number; one that is a list of integers, perhaps empty.
double NumberOf(const File& file, const std::string& entry);
std::vector<int64_t> IntegersOf(const File& file, const std::string& entry);

// Where networks whose weights are of our own making begin.
inline const autograd::RandomKey kOurs(7);

// Moves every parameter by U(±0.1), so that norms, biases and scales are not the identities that they begin as.
void Perturb(const nn::ModuleReference& network);

// Writes weights.safetensors, as any user of the network would, and outputs.safetensors, arrays as they are here ([N,
// H, W, C]).
void SaveNetwork(const std::string& folder, const nn::ModuleReference& network,
                 std::vector<std::pair<std::string, autograd::Array>> outputs);

}  // namespace golden
