// Optimizers on the CPU and in the emulator of CUDA, against loops in float64 that follow the papers.

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "autograd/core/array_kernels.h"
#include "autograd/core/captured_step.h"
#include "autograd/runtime/profiler.h"
#include "autograd/testing/each_device.h"
#include "autograd/testing/emulator/emulated_device.h"
#include "autograd/testing/emulator/emulator.h"
#include "nn/checkpoints/weights.h"
#include "nn/optimizers/adamw.h"
#include "nn/optimizers/moving_average.h"
#include "nn/optimizers/rmsprop.h"
#include "nn/optimizers/sgd.h"

namespace nn {
namespace {

using autograd::kFloat32;
using autograd::testing::OnEachDevice;

struct Affine {
  Parameter weight, bias;
  Affine(int64_t outputs, int64_t inputs)
      : weight(Array::Zeros({outputs, inputs}, kFloat32)), bias(Array::Zeros({outputs}, kFloat32)) {}
  void Fields(FieldVisitor& visitor) {
    visitor.Field("weight", weight, Layout::kLinear);
    visitor.Field("bias", bias);
  }
};

std::vector<float> Draw(int64_t size, double phase, double scale) {
  std::vector<float> values(size);
  for (int64_t i = 0; i < size; ++i) {
    values[i] = static_cast<float>(scale * std::sin(0.37 * static_cast<double>(i) + phase));
  }
  return values;
}

void SetValue(Parameter& parameter, const std::vector<float>& values) {
  parameter.mutable_value().CopyFrom(Array::From(parameter.shape(), values));
  parameter.Changed();
}

void SetGradient(Parameter& parameter, const std::vector<float>& values) {
  parameter.gradient().CopyFrom(Array::From(parameter.shape(), values));
}

constexpr double kDecay = 0.9, kEpsilon = 0.01, kWeightDecay = 0.05, kFactor = 3;
// More than one chunk on either backend, and not a multiple of a block.
constexpr int64_t kOutputs = 5, kInputs = 6581;

struct State {
  Affine module{kOutputs, kInputs};
  RmsProp optimizer{GroupParameters(module, {.weight_decay = kWeightDecay, .rate_factors = {{"bias", kFactor}}}),
                    {.decay = kDecay, .epsilon = kEpsilon}};
  State() {
    SetValue(module.weight, Draw(kOutputs * kInputs, 1, 1));
    SetValue(module.bias, Draw(kOutputs, 2, 1));
  }
  void Step(int step) {
    // Gradients of very different sizes: with the smallest ones ε is what counts.
    SetGradient(module.weight, Draw(kOutputs * kInputs, 0.1 * step, step % 2 == 0 ? 2 : 1e-3));
    SetGradient(module.bias, Draw(kOutputs, 0.2 * step, 0.5));
    optimizer.Step(Rate(step));
  }
  static double Rate(int step) { return 0.01 / (1 + step); }
  void Fields(FieldVisitor& visitor) {
    visitor.Field("module", module);
    visitor.Field("optimizer", optimizer);
  }
};

// Equation 1 of Mnih et al. 2016, with weight decay in the gradient.
struct Reference {
  std::vector<double> value, mean_square;
  Reference(const std::vector<float>& start, double weight_decay, double factor)
      : value(start.begin(), start.end()), mean_square(start.size()), weight_decay_(weight_decay), factor_(factor) {}
  void Step(const std::vector<float>& gradient, double rate) {
    for (size_t i = 0; i < value.size(); ++i) {
      const double change = gradient[i] + weight_decay_ * value[i];
      mean_square[i] = kDecay * mean_square[i] + (1 - kDecay) * change * change;
      value[i] -= rate * factor_ * change / std::sqrt(mean_square[i] + kEpsilon);
    }
  }

 private:
  double weight_decay_, factor_;
};

// A step of float32 rounds fewer than ten times, and values stay below 2.
constexpr double kRounding = 10 * 2 * 6e-8;

TEST(RmsPropOnEachDevice, FollowsThePapersEquation) {
  OnEachDevice([] {
    constexpr int kSteps = 6;
    State state;
    Reference weight(Draw(kOutputs * kInputs, 1, 1), kWeightDecay, 1), bias(Draw(kOutputs, 2, 1), 0, kFactor);
    for (int step = 0; step < kSteps; ++step) {
      state.Step(step);
      weight.Step(Draw(kOutputs * kInputs, 0.1 * step, step % 2 == 0 ? 2 : 1e-3), State::Rate(step));
      bias.Step(Draw(kOutputs, 0.2 * step, 0.5), State::Rate(step));
    }
    const auto expect_near = [](const Array& values, const std::vector<double>& expected) {
      const std::vector<float> actual = values.ToVector<float>();
      for (size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(actual[i], expected[i], kSteps * kRounding) << i;
    };
    expect_near(state.module.weight.value(), weight.value);
    expect_near(state.module.bias.value(), bias.value);
    const std::vector<NamedBuffer> statistics = NamedBuffers(state.optimizer);
    ASSERT_EQ(statistics.size(), 2u);
    EXPECT_EQ(statistics[0].name, "mean_square.weight");
    EXPECT_EQ(statistics[1].name, "mean_square.bias");
    expect_near(*statistics[0].array, weight.mean_square);
    expect_near(*statistics[1].array, bias.mean_square);
  });
}

// With a constant gradient γ the mean square is (1 − αᵗ)·γ² after t steps.
TEST(RmsPropOnEachDevice, ConstantGradientInClosedForm) {
  OnEachDevice([] {
    constexpr int kSteps = 8;
    Affine module(3, 2);
    RmsProp optimizer(GroupParameters(module), {.decay = kDecay, .epsilon = kEpsilon});
    double expected = 0;
    for (int t = 1; t <= kSteps; ++t) {
      SetGradient(module.bias, std::vector<float>(3, -0.5f));
      optimizer.Step(0.1);
      expected += 0.1 * 0.5 / std::sqrt((1 - std::pow(kDecay, t)) * 0.25 + kEpsilon);
    }
    for (float value : module.bias.value().ToVector<float>()) EXPECT_NEAR(value, expected, kSteps * kRounding);
    EXPECT_EQ(module.weight.value().ToVector<float>(), std::vector<float>(6, 0));  // no backward pass has reached it
  });
}

TEST(RmsPropOnEachDevice, AStepThatIsNotSoundChangesNothing) {
  OnEachDevice([] {
    State state;
    state.Step(0);
    const std::vector<float> value = state.module.weight.value().ToVector<float>(),
                             mean_square = NamedBuffers(state.optimizer)[0].array->ToVector<float>();
    SetGradient(state.module.weight, std::vector<float>(kOutputs * kInputs, NAN));
    state.optimizer.Step(0.1, AllFinite({GradientNorm(state.optimizer.parameters())}));
    EXPECT_EQ(state.module.weight.value().ToVector<float>(), value);
    EXPECT_EQ(NamedBuffers(state.optimizer)[0].array->ToVector<float>(), mean_square);
    SetGradient(state.module.weight, std::vector<float>(kOutputs * kInputs, 1));
    state.optimizer.Step(0.1, AllFinite({GradientNorm(state.optimizer.parameters())}));
    EXPECT_NE(state.module.weight.value().ToVector<float>(), value);
  });
}

TEST(RmsProp, ResumesBitForBit) {
  const std::string path = ::testing::TempDir() + "/rmsprop.safetensors";
  State straight;
  for (int step = 0; step < 4; ++step) straight.Step(step);
  {
    State first;
    for (int step = 0; step < 2; ++step) first.Step(step);
    ASSERT_TRUE(SaveWeights(path, first).ok());
  }
  State resumed;
  const auto report = LoadWeights(path, resumed);
  ASSERT_TRUE(report.ok()) << report.status();
  for (int step = 2; step < 4; ++step) resumed.Step(step);
  EXPECT_EQ(resumed.module.weight.value().ToVector<float>(), straight.module.weight.value().ToVector<float>());
  EXPECT_EQ(resumed.module.bias.value().ToVector<float>(), straight.module.bias.value().ToVector<float>());
}

struct Many {
  std::vector<Parameter> parameters;
  explicit Many(int64_t count) {
    for (int64_t i = 0; i < count; ++i) parameters.emplace_back(Array::Zeros({1 + i % 7}, kFloat32));
  }
  void Fields(FieldVisitor& visitor) {
    for (size_t i = 0; i < parameters.size(); ++i) visitor.Field(std::to_string(i), parameters[i]);
  }
};

// Calls body(make) for each optimizer; make(parameters) makes one.
using MakeOptimizer = std::function<std::unique_ptr<Optimizer>(std::vector<OptimizedParameter>)>;
void ForEachOptimizer(const std::function<void(const MakeOptimizer&)>& body) {
  const auto call = [&](const char* name, const MakeOptimizer& make) {
    SCOPED_TRACE(name);
    body(make);
  };
  call("AdamW", [](std::vector<OptimizedParameter> p) { return std::make_unique<AdamW>(std::move(p)); });
  call("Sgd", [](std::vector<OptimizedParameter> p) { return std::make_unique<Sgd>(std::move(p)); });
  call("Sgd without momentum", [](std::vector<OptimizedParameter> p) {
    return std::make_unique<Sgd>(std::move(p), SgdOptions{.momentum = 0});
  });
  call("RmsProp", [](std::vector<OptimizedParameter> p) { return std::make_unique<RmsProp>(std::move(p)); });
}

std::vector<uint16_t> Bits(const Array& array) {
  std::vector<uint16_t> bits;
  for (const autograd::BFloat16 value : array.ToVector<autograd::BFloat16>()) bits.push_back(value.bits);
  return bits;
}

// Made anew from the value.
std::vector<uint16_t> RoundedBits(const Array& value) {
  Array rounded = Array::Empty(value.shape(), autograd::kBFloat16);
  autograd::kernels::Convert(autograd::Stream::Current(), value, rounded);
  return Bits(rounded);
}

int64_t Conversions() { return autograd::Profiler::Entries()["Convert"].calls; }

class CountingKernels {
 public:
  CountingKernels() {
    autograd::Profiler::Clear();
    autograd::Profiler::Enable(true);
  }
  ~CountingKernels() {
    autograd::Profiler::Enable(false);
    autograd::Profiler::Clear();
  }
};

TEST(OptimizerOnEachDevice, WritesBFloat16CopiesBesideTheValues) {
  OnEachDevice([] {
    ForEachOptimizer([](const MakeOptimizer& make) {
      Affine module(kOutputs, kInputs);
      SetValue(module.weight, Draw(kOutputs * kInputs, 1, 1));
      const std::unique_ptr<Optimizer> optimizer = make(GroupParameters(module, {.weight_decay = kWeightDecay}));
      const auto step = [&](int index, const Array& sound = {}) {
        SetGradient(module.weight, Draw(kOutputs * kInputs, 0.1 * index, 0.3));
        SetGradient(module.bias, Draw(kOutputs, 0.2 * index, 0.5));
        optimizer->Step(0.01, sound);
      };
      step(0);  // nobody has asked for a copy
      module.weight.BFloat16Copy();
      for (int index = 1; index < 4; ++index) {
        const std::vector<uint16_t> before = Bits(module.weight.BFloat16Copy());
        const CountingKernels counting;
        step(index);
        const std::vector<uint16_t> after = Bits(module.weight.BFloat16Copy());
        EXPECT_EQ(Conversions(), 0);
        EXPECT_EQ(after, RoundedBits(module.weight.value()));
        EXPECT_NE(after, before);
      }
      const Array unsound = Array::Zeros({1}, autograd::kFloat64);
      step(4, unsound);
      EXPECT_EQ(Bits(module.weight.BFloat16Copy()), RoundedBits(module.weight.value()));
      // A step that changes nothing does not make the copy of another value right.
      SetValue(module.weight, Draw(kOutputs * kInputs, 2, 3));
      step(5, unsound);
      EXPECT_EQ(Bits(module.weight.BFloat16Copy()), RoundedBits(module.weight.value()));
      EXPECT_EQ(Bits(module.bias.BFloat16Copy()), RoundedBits(module.bias.value()));
    });
  });
}

// What a recorded step reads is the copy of the value as it is at that place of that run, whatever has happened between
// the runs; and the runs convert nothing that has not changed but by the optimizer.
TEST(OptimizerOnEachDevice, ARecordedStepReadsNoStaleBFloat16Copy) {
  OnEachDevice([] {
    ForEachOptimizer([](const MakeOptimizer& make) {
      constexpr int kAlways = 100;
      for (const int eager_runs : {0, 1, kAlways}) {
        SCOPED_TRACE(eager_runs);
        Affine module(3, 2);
        SetValue(module.weight, Draw(6, 1, 1));
        SetGradient(module.weight, Draw(6, 2, 1));
        const std::unique_ptr<Optimizer> optimizer = make(GroupParameters(module));
        MovingAverage average(module, 0.5);
        const Array sound = Array::Full({1}, autograd::kFloat64, 1), addend = Array::Full({3, 2}, kFloat32, 0.37);
        // Of the weight and its copy at the beginning, after the optimizer, and after a change by something else.
        Array values[3], copies[3];
        for (Array& value : values) value = Array::Zeros({3, 2}, kFloat32);
        for (Array& copy : copies) copy = Array::Zeros({3, 2}, autograd::kBFloat16);
        const auto look = [&](int place) {
          copies[place].CopyFrom(module.weight.BFloat16Copy());
          values[place].CopyFrom(module.weight.value());
        };
        const auto run = [&](bool changes) {
          return std::make_unique<autograd::CapturedStep>(
              [&, changes](const autograd::RandomKey&) {
                look(0);
                optimizer->Update(sound);
                look(1);
                if (changes) {
                  autograd::kernels::Accumulate(autograd::Stream::Current(), addend, module.weight.mutable_value());
                  look(2);
                }
                average.Update(sound);
              },
              eager_runs);
        };
        const std::unique_ptr<autograd::CapturedStep> plain = run(false), changing = run(true);
        int index = 0;
        // The number of conversions; 0 for a run that records, in which nobody may wait for the device to count.
        const auto check = [&](autograd::CapturedStep& step, int places) {
          optimizer->SetLearningRate(0.1 / (1 + index));
          int64_t conversions = 0;
          if (step.recorded() || eager_runs == kAlways) {
            const CountingKernels counting;
            step.Run(autograd::RandomKey(1), index++);
            conversions = Conversions();
          } else {
            step.Run(autograd::RandomKey(1), index++);
          }
          for (int place = 0; place < places; ++place)
            EXPECT_EQ(Bits(copies[place]), RoundedBits(values[place])) << "run " << index << " place " << place;
          EXPECT_EQ(Bits(module.weight.BFloat16Copy()), RoundedBits(module.weight.value())) << "run " << index;
          return conversions;
        };
        check(*plain, 2);
        check(*plain, 2);
        EXPECT_EQ(check(*plain, 2), 0);
        SetValue(module.weight, Draw(6, 5, 2));  // loaded
        EXPECT_EQ(check(*plain, 2), 1);
        {
          const AverageScope scope(average);
          EXPECT_EQ(Bits(module.weight.BFloat16Copy()), RoundedBits(module.weight.value()));
        }
        EXPECT_EQ(check(*plain, 2), 1);
        {
          const AverageScope scope(average);  // nobody reads
        }
        EXPECT_EQ(check(*plain, 2), 1);
        check(*changing, 3);
        check(*changing, 3);
        check(*changing, 3);
        EXPECT_EQ(check(*plain, 2), 0);
        check(*changing, 3);
        SetValue(module.weight, Draw(6, 6, 2));
        check(*changing, 3);
        Array(sound).CopyFrom(Array::Zeros({1}, autograd::kFloat64));
        EXPECT_EQ(check(*plain, 2), 0);
        SetValue(module.weight, Draw(6, 7, 2));
        EXPECT_EQ(check(*plain, 2), 1);
        EXPECT_EQ(check(*plain, 2), 0);
      }
    });
  });
}

TEST(OptimizerOnEachDevice, ClearsWhatHasAGradient) {
  OnEachDevice([] {
    Many module(400);
    RmsProp optimizer{GroupParameters(module, {})};
    for (size_t i = 0; i < module.parameters.size(); i += 2) {
      Parameter& parameter = module.parameters[i];
      SetGradient(parameter, std::vector<float>(parameter.size(), i % 4 == 0 ? 3 : NAN));
      parameter.set_trainable(i % 3 != 0);
    }
    optimizer.ClearGradients();
    for (size_t i = 0; i < module.parameters.size(); ++i) {
      Parameter& parameter = module.parameters[i];
      ASSERT_EQ(parameter.has_gradient(), i % 2 == 0);
      if (!parameter.has_gradient()) continue;
      ASSERT_EQ(parameter.gradient().ToVector<float>(), std::vector<float>(parameter.size())) << i;
    }
  });
}

// On a device what counts is the number of launches.
TEST(OptimizerInTheEmulator, ClearsManyGradientsByFewKernels) {
  const auto stream = cuda_emulator::OpenEmulatedStream();
  const autograd::StreamScope scope(*stream);
  Many module(400);
  RmsProp optimizer{GroupParameters(module, {})};
  for (Parameter& parameter : module.parameters) parameter.gradient();
  std::vector<std::function<void()>> queued;
  cuda_emulator::SetRecording(&queued);
  optimizer.ClearGradients();
  cuda_emulator::SetRecording(nullptr);
  EXPECT_GT(queued.size(), 0u);
  EXPECT_LE(queued.size(), 4u);
}

TEST(RmsProp, Misuse) {
  Affine module(1, 1);
  EXPECT_THROW(RmsProp(GroupParameters(module), {.decay = 1}), autograd::Error);
  EXPECT_THROW(RmsProp(GroupParameters(module), {.epsilon = 0}), autograd::Error);
}

}  // namespace
}  // namespace nn
