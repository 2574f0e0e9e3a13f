#include "nn/optimizers/gradient_average.h"

#include <gtest/gtest.h>

#include <vector>

#include "autograd/collective/in_process.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/reduce.h"

namespace nn {
namespace {

using autograd::Array;
using autograd::Collective;
using autograd::Tape;
using autograd::Variable;

struct Model {
  autograd::Parameter first{Array::From<float>({3}, {1, 2, 3})}, second{Array::From<float>({2}, {4, 5})},
      third{Array::From<float>({1}, {6})}, frozen{Array::From<float>({2}, {7, 8})};
  Model() { frozen.set_trainable(false); }
  std::vector<OptimizedParameter> Parameters() {
    return {{"first", &first}, {"second", &second}, {"frozen", &frozen}, {"third", &third}};
  }
  // Gradients: first 2·scale·value·1, second scale, third scale (used twice: 2·scale).
  Variable Loss(float scale) {
    using autograd::Sum;
    const Variable twice = Variable(third) + Variable(third);
    return (Sum(Variable(first) * Variable(first)) + Sum(Variable(second)) + Sum(twice) + Sum(Variable(frozen))) *
           scale;
  }
};

struct Sent {
  std::vector<int64_t> sizes;
};

// Notes what is sent, and when in the backward pass.
class Recording : public Collective {
 public:
  Recording(Collective& inner, Sent& sent) : inner_(inner), sent_(sent) {}
  int rank() const override { return inner_.rank(); }
  int world_size() const override { return inner_.world_size(); }
  void AllReduceSum(std::span<double> values) override { inner_.AllReduceSum(values); }
  void AllReduceSum(Array& values) override {
    sent_.sizes.push_back(values.size());
    inner_.AllReduceSum(values);
  }
  void Broadcast(Array& values, int root) override { inner_.Broadcast(values, root); }
  void Barrier() override { inner_.Barrier(); }

 private:
  Collective& inner_;
  Sent& sent_;
};

TEST(GradientAverageTest, EveryRankGetsTheMean) {
  for (const bool watch : {true, false}) {
    for (const int64_t bucket_bytes : {int64_t{4}, int64_t{12}, int64_t{1} << 20}) {
      autograd::RunRanks(3, [&](Collective& collective) {
        Model model;
        GradientAverage average(model.Parameters(), collective, bucket_bytes);
        for (int step = 0; step < 2; ++step) {
          for (const OptimizedParameter& optimized : model.Parameters()) optimized.parameter->ClearGradient();
          Tape tape;
          const Variable loss = model.Loss(static_cast<float>(collective.rank() + 1));  // 1, 2, 3: mean 2
          if (watch) average.Watch(tape);
          tape.Backward(loss);
          average.Finish();
          EXPECT_EQ(model.first.gradient().ToVector<float>(), (std::vector<float>{4, 8, 12}));
          EXPECT_EQ(model.second.gradient().ToVector<float>(), (std::vector<float>{2, 2}));
          EXPECT_EQ(model.third.gradient().ToVector<float>(), (std::vector<float>{4}));
          EXPECT_FALSE(model.frozen.has_gradient());
        }
      });
    }
  }
}

TEST(GradientAverageTest, BucketsGoLastParameterFirstAndBeforeTheEnd) {
  autograd::RunRanks(2, [&](Collective& collective) {
    Sent sent;
    Recording recording(collective, sent);
    Model model;
    GradientAverage average(model.Parameters(), recording, 12);
    ASSERT_EQ(average.bucket_count(), 2u);  // third and second; first
    Tape tape;
    const Variable loss = model.Loss(1);
    average.Watch(tape);
    tape.Backward(loss);
    EXPECT_EQ(sent.sizes, (std::vector<int64_t>{3, 3})) << "all were complete before Finish";
    average.Finish();
    EXPECT_EQ(sent.sizes.size(), 2u);
  });
}

TEST(GradientAverageTest, CheckpointsSendAtTheEnd) {
  autograd::RunRanks(2, [&](Collective& collective) {
    Sent sent;
    Recording recording(collective, sent);
    Model model;
    GradientAverage average(model.Parameters(), recording);
    Tape tape;
    const Variable loss = autograd::Checkpoint(
        [&](std::span<const Variable>) { return model.Loss(static_cast<float>(collective.rank())); },
        {Variable(Array::Zeros({1}, autograd::kFloat32))});
    average.Watch(tape);
    tape.Backward(loss);
    EXPECT_TRUE(sent.sizes.empty());
    average.Finish();
    EXPECT_EQ(model.second.gradient().ToVector<float>(), (std::vector<float>{0.5f, 0.5f}));
  });
}

TEST(GradientAverageTest, OneRankSendsNothing) {
  autograd::OneRank collective;
  Model model;
  GradientAverage average(model.Parameters(), collective);
  EXPECT_EQ(average.bucket_count(), 0u);
  Tape tape;
  const Variable loss = model.Loss(1);
  average.Watch(tape);
  tape.Backward(loss);
  average.Finish();
  EXPECT_EQ(model.third.gradient().ToVector<float>(), (std::vector<float>{2}));
}

}  // namespace
}  // namespace nn
