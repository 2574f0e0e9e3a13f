#include "autograd/testing/op_contract.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "autograd/core/array_kernels.h"
#include "autograd/testing/cuda_device.h"
#include "autograd/testing/emulator/emulated_device.h"
#include "autograd/testing/emulator/emulator.h"
#include "autograd/testing/same_bits.h"
#include "autograd/testing/tolerance.h"

namespace autograd::testing {
namespace {

struct Run {
  Array y;
  std::vector<Array> gradients;
};

Array Converted(const Array& x, DType dtype) {
  Array y = Array::Empty(x.shape(), dtype);
  kernels::Convert(Stream::Current(), x, y);
  return y;
}

// Forward and backward, with an upstream gradient that is drawn for y's shape and rounded to `upstream` before it is to
// y's dtype.
Run Differentiate(const OpCase& op_case, const std::vector<Array>& inputs, const std::vector<bool>& watched,
                  RandomKey key, bool checkpoint, DType upstream = kFloat64) {
  Tape tape;
  std::vector<Variable> variables;
  for (size_t i = 0; i < inputs.size(); ++i)
    variables.push_back(watched[i] ? tape.Watch(inputs[i]) : Variable(inputs[i]));
  Variable y = checkpoint ? Checkpoint(op_case.function, variables) : op_case.function(variables);
  Run run;
  run.y = y.array();
  const Array dy = Converted(RandomArray(y.shape(), upstream, key.Split("upstream"), 0.2, 1.0), y.dtype());
  tape.Backward(y, dy);
  for (size_t i = 0; i < inputs.size(); ++i)
    run.gradients.push_back(watched[i] ? tape.Gradient(variables[i]) : Array());
  return run;
}

std::vector<double> Values(const Array& x) {
  return VisitAny("Values", x.dtype(), [&]<typename T>(T) {
    std::vector<double> values;
    for (T value : x.ToVector<T>()) values.push_back(static_cast<double>(value));
    return values;
  });
}

double Weighted(const Array& y, RandomKey key) {
  const std::vector<double> values = Values(y),
                            weights = Values(RandomArray(y.shape(), kFloat64, key.Split("upstream"), 0.2, 1.0));
  double sum = 0;
  for (size_t i = 0; i < values.size(); ++i) sum += values[i] * weights[i];
  return sum;
}

void CheckCentralDifference(const OpCase& op_case, const std::vector<Array>& inputs, const Run& run, RandomKey key) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!op_case.inputs[i].differentiable || !IsFloating(inputs[i].dtype())) continue;
    ASSERT_TRUE(run.gradients[i].defined()) << "input " << i << " got no gradient";
    ASSERT_EQ(run.gradients[i].shape(), inputs[i].shape()) << "gradient of input " << i;
    const std::vector<double> direction =
        Values(RandomArray(inputs[i].shape(), kFloat64, key.Split("direction").Split(i)));
    const std::vector<double> gradient = Values(run.gradients[i]);
    double analytic = 0, scale = 1e-8;
    for (size_t k = 0; k < gradient.size(); ++k) {
      analytic += gradient[k] * direction[k];
      scale += std::abs(gradient[k] * direction[k]);
    }
    const std::vector<double> base = Values(inputs[i]);
    auto shifted = [&](double step) {
      std::vector<double> values = base;
      for (size_t k = 0; k < values.size(); ++k) values[k] += step * direction[k];
      std::vector<Variable> variables(inputs.begin(), inputs.end());
      variables[i] = Variable(Array::From(inputs[i].shape(), values));
      return Weighted(op_case.function(variables).array(), key);
    };
    // Richardson: the error of the central difference falls from h² to h⁴.
    constexpr double kStep = 1e-4;
    const double wide = (shifted(kStep) - shifted(-kStep)) / (2 * kStep);
    const double narrow = (shifted(kStep / 2) - shifted(-kStep / 2)) / kStep;
    const double numeric = (4 * narrow - wide) / 3;
    EXPECT_NEAR(analytic, numeric, op_case.tolerance * scale + 1e-9)
        << "directional derivative of input " << i << " " << inputs[i].shape();
  }
}

// Kernels read bfloat16, compute in float32 and round once, when they store: beside the same in float32, from the same
// numbers, that is all. A little more for the two computations' own rounding.
const double kStoredInBFloat16 = 1.1 * UnitRoundoff(kBFloat16);

std::vector<bool> Watched(const OpCase& op_case) {
  std::vector<bool> watched;
  for (const InputSpec& spec : op_case.inputs) watched.push_back(spec.differentiable && IsFloating(spec.integer));
  return watched;
}

RandomKey UpstreamKey(const OpCase& op_case) { return RandomKey(977).Split(op_case.name.c_str()); }

// What the op gives on `stream` for the inputs that the CPU gets, back on the CPU.
Run DifferentiateOn(Stream& stream, const OpCase& op_case, DType dtype) {
  std::vector<Array> inputs;
  for (const Array& input : DrawInputs(op_case, dtype)) inputs.push_back(input.To(stream));
  StreamScope scope(stream);
  Run run = Differentiate(op_case, inputs, Watched(op_case), UpstreamKey(op_case), false);
  run.y = run.y.To(Stream::Cpu());
  for (Array& gradient : run.gradients) {
    if (gradient.defined()) gradient = gradient.To(Stream::Cpu());
  }
  return run;
}

void ExpectSame(const Run& measured, const Run& expected, double tolerance) {
  EXPECT_EQ(measured.y.dtype(), expected.y.dtype());
  EXPECT_TRUE(AllClose(measured.y, expected.y, tolerance)) << "value";
  for (size_t i = 0; i < expected.gradients.size(); ++i)
    EXPECT_TRUE(AllClose(measured.gradients[i], expected.gradients[i], tolerance)) << "gradient of input " << i;
}

// Under AddressSanitizer, which sees the bounds in any dtype, emulated threads cost many times as much.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// Both backends compute the same formulas in another order.
void ExpectSameOn(Stream& stream, const OpCase& op_case) {
  std::vector<std::pair<DType, double>> rows = {{kFloat32, op_case.float32_tolerance}};
  if (!kSanitized) rows.push_back({kFloat64, 1e-10});
  if (op_case.bfloat16 && !kSanitized) rows.push_back({kBFloat16, 2 * kStoredInBFloat16});
  for (const auto& [dtype, tolerance] : rows) {
    SCOPED_TRACE(Name(dtype));
    ExpectSame(DifferentiateOn(stream, op_case, dtype), DifferentiateOn(Stream::Cpu(), op_case, dtype), tolerance);
  }
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const OpCase& op_case) { return out << op_case.name; }

Array RandomArray(const Shape& shape, DType dtype, RandomKey key, double low, double high) {
  std::vector<double> values(shape.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const PhiloxWords words = Philox(key, i);
    values[i] = low + (high - low) * UniformDouble(words.x, words.y);
  }
  return Converted(Array::From(shape, values), dtype);
}

std::vector<Array> DrawInputs(const OpCase& op_case, DType dtype) {
  RandomKey key = RandomKey(20260).Split(op_case.name.c_str());
  std::vector<Array> inputs;
  for (size_t i = 0; i < op_case.inputs.size(); ++i) {
    const InputSpec& spec = op_case.inputs[i];
    const RandomKey own = key.Split(i);
    if (spec.integer == kInt32 || spec.integer == kInt64 || spec.integer == kUInt8) {
      inputs.push_back(VisitAny("DrawInputs", spec.integer, [&]<typename T>(T) -> Array {
        std::vector<T> values(spec.shape.size());
        if constexpr (std::is_integral_v<T>) {
          for (size_t k = 0; k < values.size(); ++k) {
            const double u = UniformDouble(Philox(own, k).x, Philox(own, k).y);
            values[k] = static_cast<T>(std::floor(spec.low + (spec.high - spec.low) * u));
          }
        }
        return Array::From(spec.shape, values);
      }));
    } else if (spec.separation > 0) {
      const int64_t count = spec.shape.size();
      std::vector<double> values(count);
      for (int64_t k = 0; k < count; ++k)
        values[k] = spec.separation * (static_cast<double>(k) - static_cast<double>(count) / 2 + 0.3);
      for (int64_t k = count - 1; k > 0; --k)
        std::swap(values[k], values[UniformBelow(Philox(own, k).x, static_cast<uint32_t>(k + 1))]);
      inputs.push_back(Converted(Array::From(spec.shape, values), dtype));
    } else {
      inputs.push_back(RandomArray(spec.shape, dtype, own, spec.low, spec.high));
    }
  }
  return inputs;
}

void CheckOpContract(const OpCase& op_case) {
  const RandomKey key = UpstreamKey(op_case);
  const std::vector<bool> watched = Watched(op_case);

  const std::vector<Array> inputs = DrawInputs(op_case, kFloat64);
  std::vector<Array> before;
  for (const Array& input : inputs) before.push_back(input.Copy());
  const Run run = Differentiate(op_case, inputs, watched, key, false);
  CheckCentralDifference(op_case, inputs, run, key);

  const std::vector<Array> single = DrawInputs(op_case, kFloat32);
  const Run first = Differentiate(op_case, single, watched, key, false);
  const Run second = Differentiate(op_case, single, watched, key, false);
  const Run checkpointed = Differentiate(op_case, single, watched, key, true);
  EXPECT_TRUE(SameBits(first.y, second.y)) << "two runs differ";
  EXPECT_TRUE(SameBits(first.y, checkpointed.y)) << "the checkpointed value differs";
  EXPECT_TRUE(AllClose(first.y, run.y, op_case.float32_tolerance)) << "float32 against float64";
  for (size_t i = 0; i < inputs.size(); ++i) {
    EXPECT_TRUE(SameBits(inputs[i], before[i])) << "input " << i << " was changed";
    EXPECT_TRUE(SameBits(first.gradients[i], second.gradients[i])) << "two gradients of input " << i << " differ";
    EXPECT_TRUE(SameBits(first.gradients[i], checkpointed.gradients[i]))
        << "the checkpointed gradient of input " << i << " differs";
    if (watched[i]) {
      EXPECT_TRUE(AllClose(first.gradients[i], run.gradients[i], op_case.float32_tolerance * 5))
          << "float32 gradient of input " << i;
    }
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!watched[i]) continue;
    std::vector<bool> alone(inputs.size(), false);
    alone[i] = true;
    const Run partial = Differentiate(op_case, single, alone, key, false);
    EXPECT_TRUE(AllClose(partial.gradients[i], first.gradients[i], 1e-6))
        << "the gradient of input " << i << " depends on who else wants one";
  }
  if (op_case.bfloat16) {
    const std::vector<Array> half = DrawInputs(op_case, kBFloat16);
    std::vector<Array> widened;
    for (const Array& input : half) widened.push_back(IsFloating(input.dtype()) ? Converted(input, kFloat32) : input);
    const Run low = Differentiate(op_case, half, watched, key, false),
              high = Differentiate(op_case, widened, watched, key, false, kBFloat16);
    EXPECT_EQ(low.y.dtype(), kBFloat16);
    EXPECT_TRUE(AllClose(low.y, high.y, kStoredInBFloat16)) << "bfloat16 against float32";
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (watched[i]) {
        // The value is rounded, too, and gradients may be made of it.
        EXPECT_TRUE(AllClose(low.gradients[i], high.gradients[i], 2 * op_case.bfloat16_terms * kStoredInBFloat16))
            << "bfloat16 gradient of input " << i;
      }
    }
  }
}

void CheckInTheEmulator(const OpCase& op_case) {
  const std::unique_ptr<Stream> stream = cuda_emulator::OpenEmulatedStream();
  ExpectSameOn(*stream, op_case);
  if (kSanitized) return;
  const Run forward = DifferentiateOn(*stream, op_case, kFloat32);
  cuda_emulator::SetThreadOrder(cuda_emulator::ThreadOrder::kReverse);
  const Run reverse = DifferentiateOn(*stream, op_case, kFloat32);
  cuda_emulator::SetThreadOrder(cuda_emulator::ThreadOrder::kForward);
  EXPECT_TRUE(SameBits(forward.y, reverse.y)) << "the value depends on the order of the threads";
  for (size_t i = 0; i < forward.gradients.size(); ++i) {
    EXPECT_TRUE(SameBits(forward.gradients[i], reverse.gradients[i]))
        << "the gradient of input " << i << " depends on the order of the threads";
  }
}

void CheckOnCuda(const OpCase& op_case) {
  std::unique_ptr<Stream> stream;
  OpenCudaOrSkip("cuda", stream);
  if (stream != nullptr) ExpectSameOn(*stream, op_case);
}

void ExpectError(const std::function<void()>& function, const std::string& text) {
  try {
    function();
    ADD_FAILURE() << "no Error; expected one with: " << text;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what() << "\n  lacks: " << text;
  }
}

::testing::AssertionResult AllClose(const Array& a, const Array& b, double relative, double absolute) {
  if (a.defined() != b.defined())
    return ::testing::AssertionFailure() << (a.defined() ? "second" : "first") << " array is missing";
  if (!a.defined()) return ::testing::AssertionSuccess();
  if (!(a.shape() == b.shape())) return ::testing::AssertionFailure() << "shapes " << a.shape() << " and " << b.shape();
  const std::vector<double> x = Values(a), z = Values(b);
  double largest = 0;
  for (double value : z) largest = std::max(largest, std::abs(value));
  for (size_t i = 0; i < x.size(); ++i) {
    if (x[i] == z[i] || (std::isnan(x[i]) && std::isnan(z[i]))) continue;
    if (!(std::abs(x[i] - z[i]) <= absolute + relative * largest)) {
      return ::testing::AssertionFailure()
             << "element " << i << " of " << a.shape() << " is " << x[i] << ", not " << z[i] << " (largest " << largest
             << ", relative tolerance " << relative << ")";
    }
  }
  return ::testing::AssertionSuccess();
}

}  // namespace autograd::testing
