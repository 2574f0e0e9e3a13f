#pragma once

// One row, many tests. An OpCase gives a function of Variables and how to draw its inputs; CheckOpContract then
// verifies
//   1. the gradient against a central difference in a random direction, in float64, for every differentiable input;
//   2. two runs equal bit for bit (values and gradients);
//   3. inputs unchanged;
//   4. the gradient under Checkpoint equal to the plain one, bit for bit;
//   5. float32 close to float64, and bfloat16 within its rounding of float32 where the case says so;
//   6. an input that wants no gradient gets none, and the others' gradients do not change;
//   7. the kernels of CUDA in the emulator against the CPU (MatchesInTheEmulator): every dtype, and the same bits
//      whatever the order of the threads;
//   8. CUDA against the CPU, where there is a device (MatchesOnCuda; skipped with the reason otherwise).
// Seeds come from the case's name.
//
//   OP_CONTRACT(LayerNorm,
//               OpCase{"three_rows", [](Inputs x) { return LayerNorm(x[0], x[1], x[2], 1e-6f); },
//                      {{{3, 5}}, {{5}}, {{5}}}},
//               OpCase{"one_channel", …});
//
// makes a parameterised suite LayerNormContract with three tests a case.

#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "autograd/core/tape.h"
#include "autograd/runtime/random.h"

namespace autograd::testing {

using Inputs = std::span<const Variable>;

struct InputSpec {
  Shape shape;
  double low = -1, high = 1;   // values are uniform in [low, high)
  bool differentiable = true;  // false: a floating input without gradient
  DType integer = kFloat32;    // kInt32 / kInt64 / kUInt8: integers in [low, high), not differentiable
  double separation = 0;       // values are distinct multiples of it in random order (for max, sort, kinks)
};

struct OpCase {
  std::string name;
  std::function<Variable(Inputs)> function;
  std::vector<InputSpec> inputs;
  double tolerance = 1e-6;  // of the float64 directional derivative, relative to its scale
  // Of float32 against float64, relative to the largest value: 1600 unit roundoffs, which a sum of 1600 terms of one
  // sign may be off by, or one of 40,000 if roundings are as good as random (tolerance.h).
  double float32_tolerance = 1e-4;
  bool bfloat16 = false;      // also run in bfloat16, beside float32 from the same numbers: within its rounding
  double bfloat16_terms = 1;  // how much larger than the gradients their terms are, where those are rounded and cancel
};

std::ostream& operator<<(std::ostream& out, const OpCase& op_case);

// Inputs as the case draws them, in `dtype`.
std::vector<Array> DrawInputs(const OpCase& op_case, DType dtype);

void CheckOpContract(const OpCase& op_case);
void CheckInTheEmulator(const OpCase& op_case);
void CheckOnCuda(const OpCase& op_case);

// Expects an autograd::Error whose text contains `text`.
void ExpectError(const std::function<void()>& function, const std::string& text);

// |a − b| ≤ absolute + relative · max|b|, element by element, with the first offender in the message.
::testing::AssertionResult AllClose(const Array& a, const Array& b, double relative, double absolute = 1e-12);

// Uniform values in [low, high) drawn on the host.
Array RandomArray(const Shape& shape, DType dtype, RandomKey key, double low = -1, double high = 1);

#define OP_CONTRACT(Operation, ...)                                                                          \
  class Operation##Contract : public ::testing::TestWithParam<::autograd::testing::OpCase> {};               \
  TEST_P(Operation##Contract, Holds) { ::autograd::testing::CheckOpContract(GetParam()); }                   \
  TEST_P(Operation##Contract, MatchesInTheEmulator) { ::autograd::testing::CheckInTheEmulator(GetParam()); } \
  TEST_P(Operation##Contract, MatchesOnCuda) { ::autograd::testing::CheckOnCuda(GetParam()); }               \
  INSTANTIATE_TEST_SUITE_P(Cases, Operation##Contract, ::testing::Values(__VA_ARGS__),                       \
                           [](const auto& info) { return info.param.name; })

}  // namespace autograd::testing
