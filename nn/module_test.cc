#include "nn/module.h"

#include <gtest/gtest.h>

#include "nn/context.h"

namespace nn {
namespace {

struct Leaf {
  Parameter weight{Array::Zeros({2, 3}, autograd::kFloat32)};
  Array running_mean = Array::Zeros({3}, autograd::kFloat32);
  void Fields(FieldVisitor& visitor) {
    visitor.Field("weight", weight, Layout::kLinear);
    visitor.Field("running_mean", running_mean);
  }
};

struct Tree {
  std::vector<Leaf> blocks{2};
  std::optional<Leaf> absent, present{std::in_place};
  Parameter scale{Array::Zeros({5}, autograd::kFloat32)};
  void Fields(FieldVisitor& visitor) {
    visitor.Field("blocks", blocks);
    visitor.Field("absent", absent);
    visitor.Field("present", present);
    visitor.Field("scale", scale);
  }
};

struct Twice {
  Leaf a, b;
  void Fields(FieldVisitor& visitor) {
    visitor.Field("same", a);
    visitor.Field("same", b);
  }
};

TEST(Module, NamesFieldsByPathInOrder) {
  Tree tree;
  std::vector<std::string> names;
  for (const NamedParameter& named : NamedParameters(tree)) names.push_back(named.name);
  EXPECT_EQ(names, (std::vector<std::string>{"blocks.0.weight", "blocks.1.weight", "present.weight", "scale"}));
  names.clear();
  for (const NamedBuffer& named : NamedBuffers(tree)) names.push_back(named.name);
  EXPECT_EQ(names,
            (std::vector<std::string>{"blocks.0.running_mean", "blocks.1.running_mean", "present.running_mean"}));
  EXPECT_EQ(NamedParameters(tree)[0].parameter, &tree.blocks[0].weight);
  EXPECT_EQ(NamedParameters(tree)[0].layout, Layout::kLinear);
  EXPECT_EQ(NamedParameters(tree)[3].layout, Layout::kPlain);
}

TEST(Module, CountsAndFreezes) {
  Tree tree;
  EXPECT_EQ(ParameterCount(tree), 3 * 6 + 5);
  SetTrainable(*tree.present, false);
  EXPECT_EQ(TrainableParameterCount(tree), 2 * 6 + 5);
  EXPECT_FALSE(Variable(tree.present->weight).tracked());
  const std::string summary = Summary(tree);
  EXPECT_NE(summary.find("present.weight"), std::string::npos);
  EXPECT_NE(summary.find("frozen"), std::string::npos);
  EXPECT_NE(summary.find("of which train 17"), std::string::npos);
}

TEST(Module, RefusesTwoFieldsOfOneName) {
  Twice twice;
  EXPECT_THROW(NamedParameters(twice), autograd::Error);
}

TEST(Module, ClearsGradients) {
  Leaf leaf;
  leaf.weight.gradient().data<float>()[4] = 1;
  ClearGradients(leaf);
  EXPECT_EQ(leaf.weight.gradient().data<float>()[4], 0);
}

TEST(Context, ChildrenDrawIndependently) {
  const Context context = Context::Training(RandomKey(7));
  EXPECT_TRUE(context.Split(3).training);
  EXPECT_FALSE(context.Split(3).key == context.Split(4).key);
  EXPECT_FALSE(Context().training);
}

}  // namespace
}  // namespace nn
