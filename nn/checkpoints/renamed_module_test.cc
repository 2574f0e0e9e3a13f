#include "nn/checkpoints/renamed_module.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "autograd/testing/op_contract.h"
#include "nn/checkpoints/weights.h"

namespace nn {
namespace {

using autograd::RandomKey;
using autograd::testing::ExpectError;
using autograd::testing::RandomArray;

struct Attention {
  explicit Attention(RandomKey key)
      : query(RandomArray({2, 3}, autograd::kFloat32, key.Split(1))),
        key_matrix(RandomArray({4, 3}, autograd::kFloat32, key.Split(2))),
        value(RandomArray({1, 3}, autograd::kFloat32, key.Split(3))),
        output(RandomArray({5, 3}, autograd::kFloat32, key.Split(4))),
        mean(RandomArray({3}, autograd::kFloat32, key.Split(5))) {}
  void Fields(FieldVisitor& visitor) {
    visitor.Field("query", query, Layout::kLinear);
    visitor.Field("output", output, Layout::kLinear);
    visitor.Field("key", key_matrix, Layout::kLinear);
    visitor.Field("value", value, Layout::kLinear);
    visitor.Field("mean", mean);
  }
  std::vector<std::vector<float>> Values() const {
    std::vector<std::vector<float>> values;
    for (const Parameter* parameter : {&query, &key_matrix, &value, &output})
      values.push_back(parameter->value().ToVector<float>());
    values.push_back(mean.ToVector<float>());
    return values;
  }

  Parameter query, key_matrix, value, output;
  Array mean;
};

RenamedField Theirs(const std::string& name) {
  if (name == "query") return {"q"};
  if (name == "key" || name == "value") return {"kv"};
  if (name == "output") return {"proj", Layout::kPointwiseConv2d};
  return {"running." + name};
}

TEST(RenamedModule, SavesTheFilesOfAnotherPackageAndLoadsThem) {
  Attention module(RandomKey(1)), other(RandomKey(2));
  const std::string path = ::testing::TempDir() + "/theirs.safetensors";
  ASSERT_TRUE(SaveWeights(path, *std::make_unique<RenamedModule>(module, Theirs)).ok());

  const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(path);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->tensors().size(), 4u);
  EXPECT_EQ(file->Find("proj")->shape, (std::vector<int64_t>{5, 3, 1, 1}));
  ASSERT_EQ(file->Find("kv")->shape, (std::vector<int64_t>{5, 3}));
  // The key's four rows, then the value's.
  const std::string bytes = *file->Read(*file->Find("kv"));
  std::vector<float> joined(15), expected = module.Values()[1];
  std::copy_n(bytes.data(), bytes.size(), reinterpret_cast<char*>(joined.data()));
  const std::vector<float> value = module.Values()[2];
  expected.insert(expected.end(), value.begin(), value.end());
  EXPECT_EQ(joined, expected);

  const std::vector<std::vector<float>> before = other.Values();
  const uint64_t version = other.value.version();
  RenamedModule theirs(other, Theirs);
  ASSERT_TRUE(LoadWeights(path, theirs).ok());
  EXPECT_EQ(other.Values()[1], before[1]);
  theirs.Split();
  EXPECT_EQ(other.Values(), module.Values());
  EXPECT_GT(other.value.version(), version);
}

TEST(RenamedModule, OnlyLikeTensorsAreJoined) {
  Attention module{RandomKey(1)};
  module.value.Set(Array::Zeros({1, 2}, autograd::kFloat32));
  ExpectError([&] { RenamedModule(module, Theirs); }, "'kv' joins [4, 3] and [1, 2]");
  module.value.Set(Array::Zeros({3}, autograd::kFloat32));
  ExpectError([&] { RenamedModule(module, Theirs); }, "'kv' joins [4, 3] and [3]");
}

}  // namespace
}  // namespace nn
