#include "nn/twins.h"

#include <gtest/gtest.h>

#include <thread>

#include "autograd/core/tape.h"
#include "autograd/ops/cast.h"
#include "autograd/ops/cross_entropy.h"
#include "autograd/ops/transpose.h"
#include "autograd/runtime/parallel.h"
#include "autograd/testing/thread_counts.h"
#include "nn/blocks/multi_head_attention.h"
#include "nn/context.h"
#include "nn/layers/conv_norm_act.h"
#include "nn/layers/convolution.h"
#include "nn/layers/normalization.h"
#include "nn/optimizers/adamw.h"

namespace nn {
namespace {

using autograd::kBFloat16;
using autograd::kFloat32;
using autograd::kUInt8;

constexpr int64_t kClasses = 5, kImages = 2, kSide = 64;

// Wide enough that every kernel cuts its work into pieces for several threads.
struct SmallNetwork {
  explicit SmallNetwork(RandomKey key)
      : stem(3, 32, 3, {.stride = 2, .padding = 1}, key.Split("stem")),
        norm(32),
        depthwise(32, 7, {}, key.Split("depthwise")),
        group_norm(8, 32),
        reduce(32, 64, 3, {.stride = 4, .padding = 1, .bias = false}, key.Split("reduce")),
        layer_norm(64),
        attention(64, {.heads = 4, .dropout = 0.1}, key.Split("attention")),
        grn(64),
        classifier(64, kClasses, {}, key.Split("classifier")) {}

  Variable operator()(const Variable& images, const Context& context) {
    const Variable x = norm(stem(images), context, true);
    const Variable y = reduce(group_norm(depthwise(x)));
    const int64_t n = y.shape()[0], h = y.shape()[1], w = y.shape()[2];
    const Variable tokens = attention(layer_norm(autograd::Reshape(y, {n, h * w, 64})), context.Split("attention"));
    return classifier(grn.AfterGelu(autograd::Reshape(tokens, {n, h, w, 64})));
  }
  void Fields(FieldVisitor& visitor) {
    visitor.Field("stem", stem);
    visitor.Field("norm", norm);
    visitor.Field("depthwise", depthwise);
    visitor.Field("group_norm", group_norm);
    visitor.Field("reduce", reduce);
    visitor.Field("layer_norm", layer_norm);
    visitor.Field("attention", attention);
    visitor.Field("grn", grn);
    visitor.Field("classifier", classifier);
  }

  Conv2d stem;
  BatchNorm2d norm;
  DepthwiseConv2d depthwise;
  GroupNorm group_norm;
  Conv2d reduce;
  LayerNorm layer_norm;
  MultiHeadAttention attention;
  Grn grn;
  Linear classifier;
};

Array Images(RandomKey key) {
  Array images = Array::Empty({kImages, kSide, kSide, 3}, kFloat32);
  for (int64_t i = 0; i < images.size(); ++i) {
    images.data<float>()[i] = autograd::UniformFloat(autograd::Philox(key, i).x) - 0.5f;
  }
  return images;
}

Array Labels(RandomKey key) {
  Array labels = Array::Empty({kImages, kSide / 8, kSide / 8}, kUInt8);
  for (int64_t i = 0; i < labels.size(); ++i) {
    labels.data<uint8_t>()[i] = static_cast<uint8_t>(autograd::UniformBelow(autograd::Philox(key, i).x, kClasses));
  }
  return labels;
}

double Backward(SmallNetwork& network, DType dtype, RandomKey key) {
  autograd::Tape tape;
  const Variable logits = network(autograd::Cast(Images(key.Split("images")), dtype), Context::Training(key));
  const Variable loss = autograd::CrossEntropy(autograd::Cast(logits, kFloat32), Labels(key.Split("labels")));
  tape.Backward(loss);
  return loss.Item();
}

// Everything that a module holds, as bytes.
std::vector<std::vector<char>> Bytes(const ModuleReference& module) {
  std::vector<std::vector<char>> values;
  const auto add = [&](const Array& array) {
    values.emplace_back(array.bytes());
    array.CopyToHost(values.back().data());
  };
  for (const NamedParameter& named : NamedParameters(module)) add(named.parameter->value());
  for (const NamedBuffer& named : NamedBuffers(module)) add(*named.array);
  return values;
}

std::vector<std::vector<float>> GradientValues(const ModuleReference& module) {
  std::vector<std::vector<float>> values;
  for (const NamedParameter& named : NamedParameters(module)) {
    values.push_back(named.parameter->has_gradient() ? named.parameter->gradient().ToVector<float>()
                                                     : std::vector<float>());
  }
  return values;
}

// A run of its own: network, optimizer, stream, tapes.
struct Result {
  std::vector<double> losses;
  std::vector<std::vector<char>> state;
};

Result Train(uint64_t seed, DType dtype, int steps) {
  autograd::Stream stream(autograd::Device{}, &autograd::Allocator::Cpu());
  autograd::StreamScope scope(stream);
  SmallNetwork network(RandomKey(1));
  AdamW optimizer(GroupParameters(network, {.weight_decay = 0.05}));
  Result result;
  for (int step = 0; step < steps; ++step) {
    result.losses.push_back(Backward(network, dtype, RandomKey(seed).Split(step)));
    ClipGradientNorm(optimizer.parameters(), 1);
    optimizer.Step(1e-2);
    optimizer.ClearGradients();
  }
  result.state = Bytes(network);
  return result;
}

class Twins : public ::testing::TestWithParam<DType> {
 private:
  autograd::testing::ThreadCountScope threads_{3};
};

TEST_P(Twins, TrainAtTheSameTimeAsEachAlone) {
  constexpr int kSteps = 3, kRuns = 2;
  std::vector<Result> together(kRuns);
  std::vector<std::thread> threads;
  for (int run = 0; run < kRuns; ++run) {
    threads.emplace_back([&, run] {
      autograd::SerialScope serial;
      together[run] = Train(run, GetParam(), kSteps);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int run = 0; run < kRuns; ++run) {
    const Result alone = Train(run, GetParam(), kSteps);  // with all threads
    EXPECT_EQ(together[run].losses, alone.losses);
    EXPECT_EQ(together[run].state, alone.state);
    EXPECT_NE(alone.losses[0], alone.losses[2]);
  }
  EXPECT_NE(together[0].state, together[1].state);
}

// One worker on a twin, whose gradients move another network, is training that network.
TEST_P(Twins, StateAndGradientsMoveBetweenThem) {
  SmallNetwork network(RandomKey(1)), twin(RandomKey(2)), plain(RandomKey(1));
  AdamW optimizer(GroupParameters(network, {.weight_decay = 0.05})),
      plain_optimizer(GroupParameters(plain, {.weight_decay = 0.05}));
  for (int step = 0; step < 3; ++step) {
    const RandomKey key = RandomKey(7).Split(step);
    CopyState(network, twin);
    ASSERT_EQ(Bytes(twin), Bytes(network));
    const double loss = Backward(twin, GetParam(), key);
    MoveGradients(twin, network);
    // Running statistics are state, not gradients: they come back as such.
    network.norm.running_mean.CopyFrom(twin.norm.running_mean);
    network.norm.running_variance.CopyFrom(twin.norm.running_variance);
    network.norm.batches_tracked.CopyFrom(twin.norm.batches_tracked);
    optimizer.Step(1e-2);

    EXPECT_EQ(Backward(plain, GetParam(), key), loss);
    EXPECT_EQ(GradientValues(network), GradientValues(plain));
    plain_optimizer.Step(1e-2);
    plain_optimizer.ClearGradients();
    EXPECT_EQ(Bytes(network), Bytes(plain));
  }
}

INSTANTIATE_TEST_SUITE_P(DTypes, Twins, ::testing::Values(kFloat32, kBFloat16),
                         [](const auto& info) { return autograd::Name(info.param); });

struct Pair {
  explicit Pair(double value, int64_t size = 3, DType count_dtype = autograd::kInt64)
      : first(Array::Full({size}, kFloat32, value)),
        second(Array::Full({2}, kFloat32, value)),
        count(Array::Full({1}, count_dtype, value)) {}
  void Fields(FieldVisitor& visitor) {
    visitor.Field("first", first);
    if (!short_form) visitor.Field(second_name, second);
    visitor.Field("count", count);
  }
  Parameter first, second;
  Array count;
  std::string second_name = "second";
  bool short_form = false;
};

TEST(CopyState, WritesInPlaceAndMarksTheChange) {
  Pair from(4), to(1);
  const void *first = to.first.value().raw(), *count = to.count.raw();
  const uint64_t version = to.first.version(), version_from = from.first.version();
  to.first.BFloat16Copy();
  const int64_t allocations = autograd::Allocator::Cpu().Statistics().allocations;
  CopyState(from, to);
  EXPECT_EQ(autograd::Allocator::Cpu().Statistics().allocations, allocations);
  EXPECT_EQ(to.first.value().raw(), first);
  EXPECT_EQ(to.count.raw(), count);
  EXPECT_EQ(to.first.value().ToVector<float>(), std::vector<float>(3, 4));
  EXPECT_EQ(to.count.Item(), 4);
  EXPECT_GT(to.first.version(), version);
  EXPECT_EQ(from.first.version(), version_from);
  EXPECT_EQ(autograd::Cast(to.first.BFloat16Copy(), kFloat32).array().ToVector<float>(), std::vector<float>(3, 4));
}

TEST(MoveGradients, PassesTheArraysOn) {
  Pair from(4), to(1);
  from.first.gradient().data<float>()[1] = 5;
  to.first.gradient().data<float>()[0] = 7;  // forgotten
  const void* const given = from.first.gradient().raw();
  to.second.gradient().data<float>()[1] = 9;  // not reached in `from`: zero
  MoveGradients(from, to);
  EXPECT_EQ(to.first.gradient().ToVector<float>(), (std::vector<float>{0, 5, 0}));
  EXPECT_EQ(to.first.gradient().raw(), given);
  EXPECT_EQ(from.first.gradient().ToVector<float>(), std::vector<float>(3, 0));
  EXPECT_EQ(to.second.gradient().ToVector<float>(), std::vector<float>(2, 0));
  EXPECT_FALSE(from.second.has_gradient());
  EXPECT_EQ(to.first.value().ToVector<float>(), std::vector<float>(3, 1));

  Pair fresh(1);
  const Array looked_at = to.first.gradient();  // by somebody else, so that its elements are copied
  MoveGradients(to, fresh);
  EXPECT_EQ(fresh.first.gradient().ToVector<float>(), (std::vector<float>{0, 5, 0}));
  EXPECT_NE(fresh.first.gradient().raw(), looked_at.raw());
  Pair untouched(1), neither(1);
  MoveGradients(untouched, neither);
  EXPECT_FALSE(neither.first.has_gradient());
}

std::string Message(const std::function<void()>& call) {
  try {
    call();
  } catch (const autograd::Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Twins, DifferentModulesAreAnErrorAndStayAsTheyAre) {
  Pair pair(4), longer(1, 8), renamed(1), shortened(1), other_count(1, 3, autograd::kInt32);
  renamed.second_name = "third";
  shortened.short_form = true;
  pair.second.gradient();
  for (const auto& [other, what] : std::vector<std::pair<Pair*, std::string>>{
           {&longer, "first"}, {&renamed, "second meets third"}, {&shortened, "no second"}}) {
    const std::string copied = Message([&, to = other] { CopyState(pair, *to); });
    EXPECT_NE(copied.find("CopyState: "), std::string::npos) << copied;
    EXPECT_NE(copied.find(what), std::string::npos) << copied;
    const std::string moved = Message([&, to = other] { MoveGradients(pair, *to); });
    EXPECT_NE(moved.find("MoveGradients: "), std::string::npos) << moved;
    EXPECT_NE(moved.find(what), std::string::npos) << moved;
    EXPECT_FALSE(other->second.has_gradient());
  }
  EXPECT_NE(Message([&] { CopyState(shortened, pair); }).find("only the other module has second"), std::string::npos);
  EXPECT_NE(Message([&] { CopyState(pair, other_count); }).find("count is int64"), std::string::npos);
  EXPECT_EQ(other_count.first.value().ToVector<float>(), std::vector<float>(3, 1));
}

}  // namespace
}  // namespace nn
