#include <gtest/gtest.h>

#include <cmath>

#include "autograd/core/array.h"
#include "autograd/core/array_kernels.h"
#include "autograd/core/dims.h"
#include "autograd/core/parameter.h"
#include "autograd/core/tape.h"
#include "autograd/runtime/profiler.h"

namespace autograd {
namespace {

template <typename Function>
std::string ErrorOf(const Function& function) {
  try {
    function();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// y = x², as an op would be written.
Variable TestSquare(const Variable& x) {
  auto square = [](const Array& from, const Array& factor, double scale) {
    Array to = EmptyLike(from);
    for (int64_t i = 0; i < from.size(); ++i)
      to.data<double>()[i] = scale * from.data<double>()[i] * factor.data<double>()[i];
    return to;
  };
  return Record("TestSquare", square(x.array(), x.array(), 1), {x}, Saved{x.array()},
                [square](const Saved& saved, const Array& dy, Wanted) { return Gradients{square(dy, saved[0], 2)}; });
}

Variable TestAdd(const Variable& x, const Variable& z) {
  Array y = x.array().Copy();
  kernels::Accumulate(Stream::Current(), z.array(), y);
  // Both inputs get the very same array: the tape must not add into it while the other side still needs it.
  return Record("TestAdd", y, {x, z}, Saved{}, [](const Saved&, const Array& dy, Wanted) { return Gradients{dy, dy}; });
}

TEST(ArrayTest, ReshapeAndSliceShareStorage) {
  Array x = Array::From<int32_t>({2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_TRUE(x.Reshape({-1}).SharesStorageWith(x));
  EXPECT_EQ(x.Reshape({3, -1}).shape(), Shape({3, 2}));
  EXPECT_EQ(x.Slice(1, 2).ToVector<int32_t>(), (std::vector<int32_t>{4, 5, 6}));
  EXPECT_FALSE(x.Copy().SharesStorageWith(x));
  EXPECT_NE(ErrorOf([&] { x.Reshape({4}); }).find("Reshape: [2, 3]"), std::string::npos);
  EXPECT_NE(ErrorOf([&] { x.Slice(1, 3); }).find("[1, 3) of [2, 3]"), std::string::npos);
  EXPECT_NE(ErrorOf([&] { x.data<float>(); }).find("is int32 but was read as float32"), std::string::npos);
}

TEST(ArrayTest, FillConvertItem) {
  Array x = Array::Full({3}, kFloat32, 1.0 + 1.0 / 512);
  Array half = Array::Empty({3}, kBFloat16);
  kernels::Convert(Stream::Current(), x, half);
  EXPECT_EQ(half.Slice(0, 1).Item(), 1.0);
  EXPECT_EQ(Array::Full({}, kInt64, 7).Item(), 7);
  EXPECT_NE(ErrorOf([&] { x.Item(); }).find("needs one element"), std::string::npos);
}

TEST(DimsTest, NamesTheOperandsThatDisagree) {
  Array x = Array::Zeros({8, 32, 32, 64}, kFloat32), filter = Array::Zeros({128, 3, 3, 32}, kFloat32);
  EXPECT_EQ(ErrorOf([&] { Dims("Conv2d").Match(x, "x: n h w c").Match(filter, "filter: o kh kw c"); }),
            "Conv2d: c is 64 in x [8, 32, 32, 64] but 32 in filter [128, 3, 3, 32]");
  EXPECT_NE(ErrorOf([&] {
              Dims("Conv2d").Match(filter, "filter: o i");
            }).find("filter has shape [128, 3, 3, 32] but must be [ o i ]"),
            std::string::npos);
  EXPECT_NE(ErrorOf([&] { Dims("Rgb").Match(filter, "x: _ _ _ 3"); }).find("must have extent 3"), std::string::npos);
  EXPECT_NE(ErrorOf([&] { Dims("Add").Match(Array(), "x: n"); }).find("x is missing"), std::string::npos);
  Dims dims("LayerNorm");
  dims.Match(x, "x: ... c");
  EXPECT_EQ(dims["c"], 64);
  EXPECT_EQ(dims.Leading(), 8 * 32 * 32);
}

TEST(TapeTest, AccumulatesOverUsesAndCalls) {
  Parameter w(Array::From<double>({2}, {3, -1}));
  for (int round = 1; round <= 2; ++round) {
    Tape tape;
    Variable x = tape.Watch(Array::From<double>({2}, {1, 2}));
    Variable y = TestAdd(TestAdd(TestSquare(w), x), TestSquare(TestAdd(w, x)));
    tape.Backward(y, Array::Full({2}, kFloat64, 1));
    // d/dw = 2w + 2(w + x), d/dx = 1 + 2(w + x)
    EXPECT_EQ(w.gradient().ToVector<double>(), (std::vector<double>{14.0 * round, 0.0}));
    EXPECT_EQ(tape.Gradient(x).ToVector<double>(), (std::vector<double>{9, 3}));
  }
  w.ClearGradient();
  EXPECT_TRUE(w.has_gradient());
  EXPECT_EQ(w.gradient().ToVector<double>(), (std::vector<double>{0, 0}));
  w.Set(Array::From<double>({1}, {3}));
  EXPECT_FALSE(w.has_gradient());
}

// x, with a gradient function that makes dy anew in one of several ways, and says where.
enum class Making { kOwn, kKept, kSlice, kFloat32 };
const void* made = nullptr;
Array kept;
Variable TestMake(const Variable& x, Making making) {
  return Record("TestMake", x.array(), {x}, Saved{}, [making](const Saved&, const Array& dy, Wanted) {
    Array dx = dy.Copy();
    if (making == Making::kKept) kept = dx;
    if (making == Making::kSlice) {
      Array large = Array::Zeros({100000}, kFloat64);
      large.Slice(0, dy.size()).CopyFrom(dy);
      dx = large.Slice(0, dy.size());
    }
    if (making == Making::kFloat32) {
      dx = Array::Empty(dy.shape(), kFloat32);
      kernels::Convert(Stream::Current(), dy, dx);
    }
    made = dx.raw();
    return Gradients{dx};
  });
}

TEST(TapeTest, TheFirstGradientIsNotCopiedOnTheCpu) {
  Parameter w(Array::From<double>({2}, {3, -1}));
  for (const Making making : {Making::kOwn, Making::kKept, Making::kSlice, Making::kFloat32}) {
    for (const bool has_memory : {false, true}) {
      SCOPED_TRACE(static_cast<int>(making));
      w.ClearGradient();
      if (has_memory) w.gradient();
      Tape tape;
      tape.Backward(TestMake(w, making), Array::From<double>({2}, {5, 6}));
      EXPECT_EQ(w.gradient().raw() == made, making == Making::kOwn && !has_memory);
      EXPECT_EQ(w.gradient().dtype(), kFloat64);
      EXPECT_EQ(w.gradient().ToVector<double>(), (std::vector<double>{5, 6}));
      EXPECT_LT(w.gradient().storage_bytes(), 100000);
      if (kept.defined()) kept.data<double>()[0] = 100;
      EXPECT_EQ(w.gradient().data<double>()[0], 5);
      kept = Array();
    }
  }
}

// Nothing waits for it to be added, so it is sent while the rest is computed.
TEST(TapeTest, AGradientThatIsNotCopiedIsReportedAtOnce) {
  static std::vector<const Parameter*> ready;
  static size_t seen;
  ready.clear();
  seen = 99;
  Parameter first(Array::Full({2}, kFloat64, 1)), second(Array::Full({2}, kFloat64, 1));
  Tape tape;
  tape.OnGradient([](Parameter& parameter) { ready.push_back(&parameter); });
  Variable y = TestMake(second, Making::kOwn);
  y = Record("Look", y.array(), {y}, Saved{}, [](const Saved&, const Array& dy, Wanted) {
    seen = ready.size();
    return Gradients{dy};
  });
  tape.Backward(TestAdd(y, TestMake(first, Making::kOwn)), Array::Full({2}, kFloat64, 1));
  EXPECT_EQ(seen, 1u);
  EXPECT_EQ(ready, (std::vector<const Parameter*>{&first, &second}));
}

TEST(TapeTest, AnArrayThatIsTheGradientOfTwoParametersIsCopied) {
  Parameter w(Array::Full({2}, kFloat64, 1)), v(Array::Full({2}, kFloat64, 1));
  Tape tape;
  tape.Backward(TestAdd(w, v), Array::Full({2}, kFloat64, 3));
  w.gradient().data<double>()[0] = 7;
  EXPECT_EQ(v.gradient().ToVector<double>(), (std::vector<double>{3, 3}));
}

Variable TestScale(const Variable& x, double factor) {
  const auto scale = [factor](const Array& from) { return Array::From<double>({1}, {factor * from.Item()}); };
  return Record("TestScale", scale(x.array()), {x}, Saved{},
                [scale](const Saved&, const Array& dy, Wanted) { return Gradients{scale(dy)}; });
}

// 1e16 + 1 is 1e16, so that the order shows.
TEST(TapeTest, GradientsOfOneParameterAreAddedInTheOrderOfTheNodes) {
  const auto gradient = [](double start, const std::vector<double>& factors, bool checkpoint) {
    Parameter w(Array::Full({1}, kFloat64, 1));
    w.gradient().data<double>()[0] = start;
    Tape tape;
    Variable y = TestScale(w, factors[0]);  // the last to be met
    y = TestAdd(y, checkpoint ? Checkpoint([&](std::span<const Variable>) { return TestScale(w, factors[1]); },
                                           {Variable(Array::Full({1}, kFloat64, 1))})
                              : TestScale(w, factors[1]));
    y = TestAdd(y, TestScale(w, factors[2]));
    tape.Backward(y);
    return w.gradient().Item();
  };
  for (const bool checkpoint : {false, true}) {
    EXPECT_EQ(gradient(0, {1, -1e16, 1e16}, checkpoint), 1);
    EXPECT_EQ(gradient(0, {-1e16, 1, 1e16}, checkpoint), 0);
    EXPECT_EQ(gradient(-1e16, {0, 1, 1e16}, checkpoint), 1);
    EXPECT_EQ(gradient(-1e16, {0, 1e16, 1}, checkpoint), 0);
  }
}

TEST(TapeTest, OneKernelAddsTheGradientsOfManyParameters) {
  constexpr int kParameters = 100;
  std::vector<Parameter> parameters;
  for (int i = 0; i < kParameters; ++i) {
    parameters.emplace_back(Array::Full({1}, kFloat64, i));
    parameters.back().gradient();
  }
  Tape tape;
  Variable y = TestSquare(parameters[0]);
  for (int i = 1; i < kParameters; ++i) y = TestAdd(y, TestSquare(parameters[i]));
  Profiler::Clear();
  Profiler::Enable(true);
  tape.Backward(y);
  Profiler::Enable(false);
  EXPECT_EQ(Profiler::Entries()["AccumulateAll"].calls, 1);
  EXPECT_EQ(Profiler::Entries().count("Accumulate"), 0u);
  Profiler::Clear();
  for (int i = 0; i < kParameters; ++i) EXPECT_EQ(parameters[i].gradient().Item(), 2 * i);
}

// What waits to be added is memory that is not free, and what is not complete is not sent.
TEST(TapeTest, LargeGradientsAreAddedBeforeTheEnd) {
  const int64_t size = Tape::kWaitingBytes / SizeOf(kFloat64) * 5 / 8;
  Parameter first(Array::Full({size}, kFloat64, 1)), second(Array::Full({size}, kFloat64, 1)),
      third(Array::Full({size}, kFloat64, 1));
  for (Parameter* parameter : {&first, &second, &third}) parameter->gradient();
  struct Seen {
    std::vector<double> gradients;
    Parameter* first;
  };
  static Seen seen;
  seen = {{}, &first};
  // The gradient of `first`, as it is when the backward pass comes here.
  const auto look = [](const Variable& x) {
    return Record("Look", x.array(), {x}, Saved{}, [](const Saved&, const Array& dy, Wanted) {
      seen.gradients.push_back(seen.first->gradient().data<double>()[0]);
      return Gradients{dy};
    });
  };
  const auto first_of = [](const Variable& x) {  // its first element
    const int64_t size = x.size();
    return Record("FirstOf", x.array().Slice(0, 1), {x}, Saved{}, [size](const Saved&, const Array& dy, Wanted) {
      Array dx = Array::Zeros({size}, kFloat64);
      dx.data<double>()[0] = dy.Item();
      return Gradients{dx};
    });
  };
  Tape tape;
  std::vector<Parameter*> ready;
  tape.OnGradient([&](Parameter& parameter) {
    EXPECT_EQ(parameter.gradient().data<double>()[0], 1);
    ready.push_back(&parameter);
  });
  Variable y = look(first_of(third));
  y = look(TestAdd(y, first_of(second)));
  y = look(TestAdd(y, first_of(first)));
  tape.Backward(y);
  EXPECT_EQ(seen.gradients, (std::vector<double>{0, 0, 1}));
  EXPECT_EQ(ready, (std::vector<Parameter*>{&first, &second, &third}));
}

TEST(TapeTest, RecordsOnlyWhatIsTracked) {
  Parameter frozen(Array::Full({1}, kFloat64, 2));
  frozen.set_trainable(false);
  EXPECT_FALSE(TestSquare(frozen).tracked());
  Tape tape;
  EXPECT_FALSE(TestSquare(frozen).tracked());
  EXPECT_EQ(tape.node_count(), 0u);
  Parameter w(Array::Full({1}, kFloat64, 2));
  EXPECT_TRUE(TestSquare(w).tracked());
  {
    PauseTape pause;
    EXPECT_FALSE(TestSquare(w).tracked());
  }
  EXPECT_EQ(tape.node_count(), 1u);
}

TEST(TapeTest, MisuseIsNamed) {
  Parameter w(Array::Full({2}, kFloat64, 2));
  Variable old;
  {
    Tape tape;
    old = TestSquare(w);
    EXPECT_NE(ErrorOf([&] { tape.Backward(old); }).find("needs a scalar or an explicit dy, not [2]"),
              std::string::npos);
    tape.Backward(old, Array::Full({2}, kFloat64, 1));
    EXPECT_NE(ErrorOf([&] { tape.Backward(old, Array::Full({2}, kFloat64, 1)); }).find("one Backward"),
              std::string::npos);
  }
  Tape tape;
  EXPECT_NE(ErrorOf([&] { TestSquare(old); }).find("TestSquare: input [2] was recorded on another tape"),
            std::string::npos);
}

TEST(TapeTest, LongChainsNeedNoRecursion) {
  Parameter w(Array::Full({1}, kFloat64, 1));
  Tape tape;
  Variable y = w;
  for (int i = 0; i < 100000; ++i) y = TestSquare(y);
  tape.Backward(y);
  EXPECT_TRUE(std::isinf(w.gradient().Item()) || w.gradient().Item() > 1e300);
}

TEST(CheckpointTest, SameGradientsFewerBytes) {
  auto chain = [](std::span<const Variable> x) {
    Variable y = x[0];
    for (int i = 0; i < 8; ++i) y = TestSquare(y);
    return y;
  };
  const Array input = Array::Full({4096}, kFloat64, 1.001);
  auto gradient = [&](bool checkpoint, int64_t* saved) {
    Tape tape;
    Variable x = tape.Watch(input);
    std::vector<Variable> inputs = {x};
    Variable y = checkpoint ? Checkpoint(chain, inputs) : chain(inputs);
    *saved = tape.SavedBytes();
    if (!checkpoint) {
      EXPECT_NE(tape.Report().find("TestSquare"), std::string::npos);
    }
    tape.Backward(y, Array::Full({4096}, kFloat64, 1));
    return tape.Gradient(x).ToVector<double>();
  };
  int64_t plain_bytes, checkpoint_bytes;
  EXPECT_EQ(gradient(false, &plain_bytes), gradient(true, &checkpoint_bytes));
  EXPECT_EQ(plain_bytes, 8 * checkpoint_bytes);
}

TEST(CheckpointTest, ReachesParametersWithoutTrackedInputs) {
  Parameter w(Array::Full({1}, kFloat64, 3));
  Tape tape;
  Variable y = Checkpoint([&](std::span<const Variable> x) { return TestAdd(TestSquare(w), x[0]); },
                          {Variable(Array::Full({1}, kFloat64, 1))});
  EXPECT_EQ(y.Item(), 10);
  tape.Backward(y);
  EXPECT_EQ(w.gradient().Item(), 6);
}

TEST(ParameterTest, BFloat16CopyFollowsTheValue) {
  Parameter w(Array::From<float>({2}, {1.0f, 1.00390625f}));
  EXPECT_EQ(w.BFloat16Copy().dtype(), kBFloat16);
  const void* address = w.BFloat16Copy().raw();
  Array& value = w.mutable_value();  // is a change, also where nobody says so afterwards
  value.data<float>()[0] = 2;
  EXPECT_EQ(static_cast<float>(w.BFloat16Copy().data<BFloat16>()[0]), 2);
  EXPECT_EQ(w.BFloat16Copy().raw(), address);
  value.data<float>()[0] = 3;
  w.Changed();
  EXPECT_EQ(static_cast<float>(w.BFloat16Copy().data<BFloat16>()[0]), 3);
  w.Set(Array::From<float>({3}, {4, 5, 6}));
  EXPECT_EQ(w.BFloat16Copy().shape(), Shape({3}));
  EXPECT_EQ(static_cast<float>(w.BFloat16Copy().data<BFloat16>()[2]), 6);
}

TEST(ParameterTest, ARewriteKeepsACopyThatIsRight) {
  Parameter w(Array::From<float>({2}, {1, 2}));
  EXPECT_EQ(w.Rewrite().bfloat16_copy, nullptr) << "nobody has asked for a copy";
  w.BFloat16Copy();
  uint64_t version = w.version();
  const Parameter::Rewritten rewritten = w.Rewrite();
  EXPECT_EQ(rewritten.bfloat16_copy, w.BFloat16Copy().raw());
  EXPECT_GT(w.version(), version);
  // Not what the value is, so that a conversion would show.
  rewritten.bfloat16_copy[1] = BFloat16(7);
  EXPECT_EQ(static_cast<float>(w.BFloat16Copy().data<BFloat16>()[1]), 7);
  // A kernel that changed one element of a value that has changed otherwise would leave the others of the copy behind.
  w.Changed();
  version = w.version();
  EXPECT_EQ(w.Rewrite().bfloat16_copy, nullptr);
  EXPECT_GT(w.version(), version);
  EXPECT_EQ(static_cast<float>(w.BFloat16Copy().data<BFloat16>()[1]), 2);
}

}  // namespace
}  // namespace autograd
