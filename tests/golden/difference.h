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

// What PyTorch's float64 and our float32 may differ by.
inline constexpr double kTolerance = 1e-4;

// Relative to the largest of `scale`, which is `expected` unless that is nothing but rounding.
Difference Between(const std::string& name, const autograd::Array& actual, const autograd::Array& expected,
                   const autograd::Array& scale);
Difference Between(const std::string& name, const autograd::Array& actual, const autograd::Array& expected);

// Between the gradients that `network` holds and the values of `expected`, parameter by parameter, as "gradient.…". Biases whose gradient is below
// `cancelling` times their weight's are compared on the weight's scale.
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

// Writes weights.safetensors, as any user of the network would, and outputs.safetensors, arrays as they are here ([N, H, W, C]).
void SaveNetwork(const std::string& folder, const nn::ModuleReference& network,
                 std::vector<std::pair<std::string, autograd::Array>> outputs);

}  // namespace golden
