#include "nn/checkpoints/weights.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "nn/checkpoints/layouts.h"
#include "nn/optimizers/adamw.h"

namespace nn {
namespace {

std::string Path(const std::string& name) { return ::testing::TempDir() + "/" + name; }

Parameter Numbered(const Shape& shape, float first = 0) {
  std::vector<float> values(shape.size());
  for (size_t i = 0; i < values.size(); ++i) values[i] = first + static_cast<float>(i);
  return Parameter(Array::From(shape, values));
}

// One parameter of each layout and a buffer of each kind.
struct Everything {
  Parameter conv = Numbered({2, 3, 4, 5}), depthwise = Numbered({7, 7, 3}), linear = Numbered({4, 3}),
            pointwise = Numbered({5, 2}), scale = Numbered({6});
  Array running_mean = Array::Full({6}, autograd::kFloat32, 0.5);
  Array num_batches_tracked = Array::Full({}, autograd::kInt64, 9);
  void Fields(FieldVisitor& visitor) {
    visitor.Field("conv.weight", conv, Layout::kConv2d);
    visitor.Field("depthwise.weight", depthwise, Layout::kDepthwiseConv2d);
    visitor.Field("linear.weight", linear, Layout::kLinear);
    visitor.Field("pointwise.weight", pointwise, Layout::kPointwiseConv2d);
    visitor.Field("bn.weight", scale);
    visitor.Field("bn.running_mean", running_mean);
    visitor.Field("bn.num_batches_tracked", num_batches_tracked);
  }
};

void Clear(Everything& everything) {
  for (const NamedParameter& named : NamedParameters(everything)) {
    named.parameter->Set(Array::Zeros(named.parameter->shape(), autograd::kFloat32));
  }
  everything.running_mean = Array::Zeros({6}, autograd::kFloat32);
  everything.num_batches_tracked = Array::Zeros({}, autograd::kInt64);
}

TensorSource Floats(const std::string& name, const std::vector<int64_t>& shape, float first = 0) {
  return {name, "F32", shape, [shape, first] {
            int64_t size = 1;
            for (int64_t extent : shape) size *= extent;
            std::string bytes(size * 4, '\0');
            for (int64_t i = 0; i < size; ++i) {
              const float value = first + static_cast<float>(i);
              std::memcpy(bytes.data() + i * 4, &value, 4);
            }
            return bytes;
          }};
}

float FloatAt(const std::string& bytes, int64_t i) {
  float value;
  std::memcpy(&value, bytes.data() + i * 4, 4);
  return value;
}

TEST(Weights, AreStoredInPyTorchsShapesAndOrder) {
  Everything everything;
  ASSERT_TRUE(SaveWeights(Path("everything"), everything, {{"kind", "test"}}).ok());
  const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(Path("everything"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->metadata().at("kind"), "test");
  EXPECT_EQ(file->Find("conv.weight")->shape, (std::vector<int64_t>{2, 5, 3, 4}));
  EXPECT_EQ(file->Find("depthwise.weight")->shape, (std::vector<int64_t>{3, 1, 7, 7}));
  EXPECT_EQ(file->Find("linear.weight")->shape, (std::vector<int64_t>{4, 3}));
  EXPECT_EQ(file->Find("pointwise.weight")->shape, (std::vector<int64_t>{5, 2, 1, 1}));
  EXPECT_EQ(file->Find("bn.num_batches_tracked")->shape, (std::vector<int64_t>{}));
  EXPECT_EQ(file->Find("bn.num_batches_tracked")->dtype, "I64");
  // Element (o, i, kh, kw) there is (o, kh, kw, i) here, whose value is its own index.
  const std::string conv = *file->Read(*file->Find("conv.weight"));
  int64_t position = 0;
  for (int o = 0; o < 2; ++o)
    for (int i = 0; i < 5; ++i)
      for (int kh = 0; kh < 3; ++kh)
        for (int kw = 0; kw < 4; ++kw)
          EXPECT_EQ(FloatAt(conv, position++), static_cast<float>(((o * 3 + kh) * 4 + kw) * 5 + i));
  const std::string depthwise = *file->Read(*file->Find("depthwise.weight"));
  position = 0;
  for (int c = 0; c < 3; ++c)
    for (int k = 0; k < 49; ++k) EXPECT_EQ(FloatAt(depthwise, position++), static_cast<float>(k * 3 + c));
}

TEST(Weights, ComeBackAsTheyWere) {
  Everything everything, other;
  ASSERT_TRUE(SaveWeights(Path("everything"), everything).ok());
  Clear(other);
  const uint64_t version = other.conv.version();
  const absl::StatusOr<LoadReport> report = LoadWeights(Path("everything"), other);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->loaded.size(), 7u);
  EXPECT_GT(other.conv.version(), version);
  const std::vector<NamedParameter> before = NamedParameters(everything), after = NamedParameters(other);
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(before[i].parameter->value().ToVector<float>(), after[i].parameter->value().ToVector<float>())
        << before[i].name;
  }
  EXPECT_EQ(other.running_mean.ToVector<float>(), everything.running_mean.ToVector<float>());
  EXPECT_EQ(other.num_batches_tracked.Item(), 9);
}

// As files of timm, of the original ConvNeXt-V2 and of Hugging Face have them.
TEST(Weights, OtherRanksOfTheSameTensorAreAccepted) {
  Everything everything;
  Clear(everything);
  ASSERT_TRUE(WriteSafetensors(Path("ranks"), {Floats("linear.weight", {4, 3, 1, 1}),
                                               Floats("pointwise.weight", {5, 2}), Floats("bn.weight", {1, 1, 1, 6})})
                  .ok());
  const absl::StatusOr<LoadReport> report = LoadWeights(Path("ranks"), everything, {.strict = false});
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->loaded, (std::vector<std::string>{"linear.weight", "pointwise.weight", "bn.weight"}));
  EXPECT_EQ(everything.pointwise.value().data<float>()[9], 9);
  EXPECT_TRUE(HoldsParameter({8, 3}, Layout::kConv2d, {8, 1, 1, 3}));
  EXPECT_FALSE(HoldsParameter({8, 9}, Layout::kConv2d, {8, 1, 3, 3}));
  EXPECT_FALSE(HoldsParameter({3, 4}, Layout::kLinear, {4, 3}));
  EXPECT_FALSE(HoldsParameter({7, 7, 3}, Layout::kDepthwiseConv2d, {7, 7, 3}));
}

TEST(Weights, StrictLoadingListsEverythingWrongAndChangesNothing) {
  Everything everything;
  ASSERT_TRUE(WriteSafetensors(Path("wrong"),
                               {Floats("linear.weight", {4, 3}, 100), Floats("bn.weight", {7}), Floats("stray", {1})})
                  .ok());
  const absl::StatusOr<LoadReport> report = LoadWeights(Path("wrong"), everything);
  ASSERT_FALSE(report.ok());
  for (const char* part : {"wrong'", "conv.weight", "pointwise.weight", "bn.running_mean",
                           "bn.weight: file (7) F32, model (6) F32", "stray"}) {
    EXPECT_TRUE(absl::StrContains(report.status().message(), part)) << part << "\n" << report.status();
  }
  EXPECT_FALSE(absl::StrContains(report.status().message(), "num_batches_tracked"));
  EXPECT_EQ(everything.linear.value().data<float>()[0], 0);
}

TEST(Weights, ColdStartLoadsWhatFits) {
  Everything everything;
  ASSERT_TRUE(
      WriteSafetensors(Path("cold"), {Floats("old.linear.weight", {4, 3}, 100), Floats("old.bn.weight", {7}, 100),
                                      Floats("head.fc.weight", {2}), Floats("old.stray", {1})})
          .ok());
  const absl::StatusOr<LoadReport> report = LoadWeights(
      Path("cold"), everything, {.strict = false, .rename = RenamePrefixes({{"head.", nullptr}, {"old.", ""}})});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->loaded, (std::vector<std::string>{"linear.weight"}));
  EXPECT_EQ(report->unexpected, (std::vector<std::string>{"stray"}));
  EXPECT_EQ(report->mismatched, (std::vector<std::string>{"bn.weight: file (7) F32, model (6) F32"}));
  EXPECT_EQ(report->missing.size(), 4u);
  EXPECT_TRUE(
      absl::StrContains(report->ToString(), "loaded 1 tensors, 4 missing, 1 of another shape or type, 1 unexpected"));
  EXPECT_EQ(everything.linear.value().data<float>()[0], 100);
  EXPECT_EQ(everything.scale.value().data<float>()[0], 0);
}

TEST(Weights, TwoNamesThatBecomeOneAreAnError) {
  Everything everything;
  ASSERT_TRUE(WriteSafetensors(Path("two"), {Floats("a.bn.weight", {6}), Floats("b.bn.weight", {6})}).ok());
  const absl::StatusOr<LoadReport> report =
      LoadWeights(Path("two"), everything, {.strict = false, .rename = RenamePrefixes({{"a.", ""}, {"b.", ""}})});
  EXPECT_TRUE(absl::StrContains(report.status().message(), "both renamed to 'bn.weight'")) << report.status();
}

struct Vector {
  Parameter value{Array::Zeros({6}, autograd::kFloat32)};
  Array count = Array::Zeros({2}, autograd::kInt64);
  void Fields(FieldVisitor& visitor) {
    visitor.Field("value", value);
    visitor.Field("count", count);
  }
};

TEST(Weights, OtherDtypesAreConverted) {
  const auto half = [] {  // 1, −2, 65504, 2⁻²⁴, 2⁻¹⁴, −0 in IEEE half
    const uint16_t bits[] = {0x3C00, 0xC000, 0x7BFF, 0x0001, 0x0400, 0x8000};
    return std::string(reinterpret_cast<const char*>(bits), sizeof(bits));
  };
  const auto brain = [] {  // 1, −2, 3, 0.5, 0, 256 in bfloat16
    const uint16_t bits[] = {0x3F80, 0xC000, 0x4040, 0x3F00, 0x0000, 0x4380};
    return std::string(reinterpret_cast<const char*>(bits), sizeof(bits));
  };
  const auto wide = [] {
    const double values[] = {1, -2, 0.1, 4, 5, 6};
    return std::string(reinterpret_cast<const char*>(values), sizeof(values));
  };
  const auto ints = [] {
    const int32_t values[] = {-7, 1 << 20};
    return std::string(reinterpret_cast<const char*>(values), sizeof(values));
  };
  Vector vector;
  const TensorSource count{"count", "I32", {2}, ints};
  ASSERT_TRUE(WriteSafetensors(Path("half"), {{"value", "F16", {6}, half}, count}).ok());
  ASSERT_TRUE(LoadWeights(Path("half"), vector).ok());
  EXPECT_EQ(vector.value.value().ToVector<float>(),
            (std::vector<float>{1, -2, 65504, std::ldexp(1.0f, -24), std::ldexp(1.0f, -14), -0.0f}));
  EXPECT_TRUE(std::signbit(vector.value.value().data<float>()[5]));
  EXPECT_EQ(vector.count.ToVector<int64_t>(), (std::vector<int64_t>{-7, 1 << 20}));
  ASSERT_TRUE(WriteSafetensors(Path("brain"), {{"value", "BF16", {6}, brain}, count}).ok());
  ASSERT_TRUE(LoadWeights(Path("brain"), vector).ok());
  EXPECT_EQ(vector.value.value().ToVector<float>(), (std::vector<float>{1, -2, 3, 0.5, 0, 256}));
  ASSERT_TRUE(WriteSafetensors(Path("wide"), {{"value", "F64", {6}, wide}, count}).ok());
  ASSERT_TRUE(LoadWeights(Path("wide"), vector).ok());
  EXPECT_EQ(vector.value.value().ToVector<float>(), (std::vector<float>{1, -2, 0.1f, 4, 5, 6}));
  // A floating tensor is no count.
  ASSERT_TRUE(WriteSafetensors(Path("kinds"), {Floats("value", {6}), Floats("count", {2})}).ok());
  EXPECT_TRUE(
      absl::StrContains(LoadWeights(Path("kinds"), vector).status().message(), "count: file (2) F32, model (2) I64"));
}

struct TrainingState {
  Vector model;
  AdamW optimizer{GroupParameters(model, {.weight_decay = 0.1, .decay_all = true})};
  void Fields(FieldVisitor& visitor) {
    visitor.Field("model", model);
    visitor.Field("optimizer", optimizer);
  }
  void Run(int first, int last) {
    for (int step = first; step < last; ++step) {
      for (int i = 0; i < 6; ++i) model.value.gradient().data<float>()[i] = std::sin(static_cast<float>(step * 6 + i));
      optimizer.Step(0.03);
    }
  }
};

TEST(Weights, AResumedRunRepeatsBitForBit) {
  TrainingState uninterrupted, first, second;
  uninterrupted.Run(0, 20);
  first.Run(0, 10);
  ASSERT_TRUE(SaveWeights(Path("state"), first).ok());
  const absl::StatusOr<LoadReport> report = LoadWeights(Path("state"), second);
  ASSERT_TRUE(report.ok()) << report.status();
  second.Run(10, 20);
  EXPECT_EQ(second.model.value.value().ToVector<float>(), uninterrupted.model.value.value().ToVector<float>());
  EXPECT_NE(first.model.value.value().ToVector<float>(), uninterrupted.model.value.value().ToVector<float>());
}

}  // namespace
}  // namespace nn
