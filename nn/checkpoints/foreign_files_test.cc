// Files that are not what LoadWeights wants, or wrapped, or in pieces, or not finite: what is done about them, or said.

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nn/checkpoints/safetensors.h"
#include "nn/checkpoints/weights.h"

namespace nn {
namespace {

// What the interior of a zip archive of torch.save begins with, and its older format: bytes of real files (torch 2.9
// and _use_new_zipfile_serialization=False).
const std::string kZip = std::string("PK\x03\x04\0\0\x08\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0d\0\x15\0", 30) +
                         "archive/data.pkl" + std::string(64, 'x');
const std::string kOldPickle("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e\x80\x02\x4d\xe9\x03\x2e",
                             21);

class ForeignFilesTest : public ::testing::Test {
 protected:
  ForeignFilesTest() {
    folder_ =
        std::filesystem::path(::testing::TempDir()) / ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~ForeignFilesTest() override { std::filesystem::remove_all(folder_); }
  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  std::string Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(Path(name), std::ios::binary) << bytes;
    return Path(name);
  }
  static void ExpectParts(const absl::Status& status, const std::vector<std::string>& parts) {
    EXPECT_FALSE(status.ok());
    for (const std::string& part : parts)
      EXPECT_TRUE(absl::StrContains(status.message(), part)) << part << "\n" << status;
    EXPECT_FALSE(absl::StrContains(status.message(), "\n")) << status;
  }

  std::filesystem::path folder_;
};

TEST_F(ForeignFilesTest, SayWhatTheyAre) {
  const std::string tar = std::string(257, 'n') + "ustar" + std::string(300, '\0');
  const struct {
    std::string name, bytes;
    std::vector<std::string> parts;
  } cases[] = {
      {"lfs.safetensors",
       "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22e\nsize 62000000\n",
       {"Git LFS pointer", "git lfs pull", "62000000 bytes"}},
      {"new.pth",
       kZip,
       {"PyTorch checkpoint", "safetensors.torch.save_file", "python3 -c", "new.pth\", map_location",
        "new.safetensors\")"}},
      {"late.pt", std::string("PK\x03\x04", 4) + std::string(5000, 'x') + "m/data.pkl", {"PyTorch checkpoint"}},
      {"old.pth", kOldPickle, {"PyTorch checkpoint", "before version 1.6", "safetensors.torch.save_file"}},
      {"renamed.safetensors", kOldPickle, {"PyTorch checkpoint", "renamed.converted.safetensors\")"}},
      {"list.pkl", std::string("\x80\x04\x95\x0b\0\0\0\0\0\0\0", 11), {"pickle"}},
      {"other.zip", std::string("PK\x03\x04", 4) + std::string(100, 'x'), {"ZIP archive", "unpack"}},
      {"model.h5", "\x89HDF\r\n\x1a\n and so on", {"HDF5"}},
      {"model.onnx", std::string("\x08\x07\x12\x07pytorch\x1a\x03", 13), {"ONNX"}},
      {"page.safetensors",
       "\n<!DOCTYPE html>\n<html><head><title>404</title></head></html>",
       {"HTML page", "download"}},
      {"error.safetensors", "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", {"XML"}},
      {"weights.gz", std::string("\x1f\x8b\x08\0\0\0\0\0\0\x03", 10), {"gzip", "unpack"}},
      {"weights.tar", tar, {"tar archive"}},
      {"weights.gguf", std::string("GGUF\x03\0\0\0\0\0\0\0", 12), {"GGUF"}},
      {"weights.npy", "\x93NUMPY\x01 and so on", {"NumPy"}},
      {"empty.safetensors", "", {"is empty"}},
      {"config.json", "{\n  \"architectures\": [\"Segformer\"]\n}\n", {"JSON", "weight_map"}},
      {"broken.json", "{\n  \"weight_map\": {\n", {"JSON"}},
      {"noise.safetensors", "1234567890123456", {"its header claims"}},
  };
  for (const auto& [name, bytes, parts] : cases) {
    const absl::Status status = SafetensorsFile::Open(Write(name, bytes)).status();
    ExpectParts(status, parts);
    EXPECT_TRUE(absl::StrContains(status.message(), absl::StrCat("'", Path(name), "'"))) << status;
  }
  ExpectParts(SafetensorsFile::Open(folder_.string()).status(), {"is a folder"});
}

// A model of two parts.
struct Model {
  Parameter first = Parameter(Array::Full({2}, autograd::kFloat32, 1)),
            second = Parameter(Array::Full({3}, autograd::kFloat32, 1));
  Array mean = Array::Full({2}, autograd::kFloat32, 1);
  void Fields(FieldVisitor& visitor) {
    visitor.Field("stem.weight", first);
    visitor.Field("head.fc.weight", second);
    visitor.Field("head.norm.running_mean", mean);
  }
  std::vector<float> Values() {
    std::vector<float> values = first.value().ToVector<float>();
    for (const float value : second.value().ToVector<float>()) values.push_back(value);
    for (const float value : mean.ToVector<float>()) values.push_back(value);
    return values;
  }
};
const std::vector<std::string> kNames = {"stem.weight", "head.fc.weight", "head.norm.running_mean"};
const int64_t kSizes[] = {2, 3, 2};
const std::vector<float> kLoaded = {10, 11, 20, 21, 22, 30, 31}, kUntouched(7, 1);

TensorSource Floats(const std::string& name, const std::vector<float>& values) {
  return {name, "F32", {static_cast<int64_t>(values.size())}, [values] {
            return std::string(reinterpret_cast<const char*>(values.data()), 4 * values.size());
          }};
}

// Tensor `i` of the model under another name.
TensorSource Part(int i, const std::string& name) {
  std::vector<float> values(kSizes[i]);
  for (size_t k = 0; k < values.size(); ++k) values[k] = static_cast<float>(10 * (i + 1)) + static_cast<float>(k);
  return Floats(name, values);
}

TEST_F(ForeignFilesTest, ShardsByTheirIndex) {
  ASSERT_TRUE(
      WriteSafetensors(Path("model-1.safetensors"), {Part(0, kNames[0]), Part(2, kNames[2])}, {{"format", "pt"}}).ok());
  ASSERT_TRUE(
      WriteSafetensors(Path("model-2.safetensors"), {Part(1, kNames[1])}, {{"format", "tf"}, {"more", "x"}}).ok());
  const auto index = [&](const std::string& map) {
    return Write("model.safetensors.index.json",
                 absl::StrCat("{\n  \"metadata\": {\"total_size\": 28},\n  \"weight_map\": ", map, "}\n"));
  };
  const std::string first = R"("stem.weight": "model-1.safetensors", "head.norm.running_mean": "model-1.safetensors")";
  const std::string path = index(absl::StrCat("{", first, R"(, "head.fc.weight": "model-2.safetensors"})"));
  Model model;
  const absl::StatusOr<LoadReport> report = LoadWeights(path, model);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(model.Values(), kLoaded);
  const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(path);
  EXPECT_EQ(file->metadata(), (Metadata{{"format", "pt"}, {"more", "x"}}));
  EXPECT_EQ(file->tensors().size(), 3);

  ExpectParts(
      SafetensorsFile::Open(index(absl::StrCat("{", first, R"(, "head.fc.weight": "model-3.safetensors"})"))).status(),
      {"index.json', shard 'model-3.safetensors'", "cannot open", "model-3.safetensors"});
  ExpectParts(SafetensorsFile::Open(index(R"({"stem.weight": "model-2.safetensors"})")).status(),
              {"index.json'", "tensor 'stem.weight' is not in its shard 'model-2.safetensors'"});
  ExpectParts(SafetensorsFile::Open(index(R"({"stem.weight": 3})")).status(), {"weight_map 'stem.weight'"});
  ExpectParts(SafetensorsFile::Open(index("{}")).status(), {"weight_map is empty"});
  ExpectParts(SafetensorsFile::Open(index("[]")).status(), {"weight_map"});
  for (const char* outside : {"../secret.safetensors", "/etc/passwd", "..", ""})
    ExpectParts(SafetensorsFile::Open(index(absl::StrCat(R"({"a": ")", outside, R"("})"))).status(),
                {"weight_map 'a'"});
  Write("model-3.bin", kOldPickle);
  ExpectParts(SafetensorsFile::Open(index(R"({"stem.weight": "model-3.bin"})")).status(),
              {"shard 'model-3.bin'", "PyTorch checkpoint"});
}

TEST_F(ForeignFilesTest, KnownWrappersAreTakenOff) {
  for (const char* wrapper :
       {"_orig_mod.", "module.", "model.", "state_dict.", "net.", "module.module.", "_orig_mod.module.",
        "state_dict.model._orig_mod.", "student.", "module.ema.", "_orig_mod._orig_mod."}) {
    ASSERT_TRUE(WriteSafetensors(Path("wrapped"), {Part(0, wrapper + kNames[0]), Part(1, wrapper + kNames[1]),
                                                   Part(2, wrapper + kNames[2])})
                    .ok());
    for (const bool strict : {true, false}) {
      Model model;
      const absl::StatusOr<LoadReport> report = LoadWeights(Path("wrapped"), model, {.strict = strict});
      ASSERT_TRUE(report.ok()) << wrapper << report.status();
      EXPECT_TRUE(report->complete());
      EXPECT_EQ(model.Values(), kLoaded);
      EXPECT_EQ(report->unwrapped, wrapper);
      EXPECT_TRUE(absl::StrContains(report->ToString(), absl::StrCat("'", wrapper, "'"))) << report->ToString();
    }
  }
  // Names that fit are left alone.
  ASSERT_TRUE(WriteSafetensors(Path("plain"), {Part(0, kNames[0]), Part(1, kNames[1]), Part(2, kNames[2])}).ok());
  Model model;
  EXPECT_EQ(LoadWeights(Path("plain"), model)->unwrapped, "");
}

// torch.compile of a part, DataParallel around a part.
TEST_F(ForeignFilesTest, WrappersInsideNames) {
  ASSERT_TRUE(WriteSafetensors(Path("inside"), {Part(0, "stem._orig_mod.weight"), Part(1, "head.module.fc.weight"),
                                                Part(2, "head.module.norm.running_mean")})
                  .ok());
  Model model;
  const absl::StatusOr<LoadReport> report = LoadWeights(Path("inside"), model);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(model.Values(), kLoaded);
}

// Lightning keeps the loss's weights beside the model's; a wrapper is taken off before the caller's names.
TEST_F(ForeignFilesTest, WrappersBesideOthersAndRenames) {
  ASSERT_TRUE(WriteSafetensors(Path("mixed"), {Part(0, "model.a.weight"), Part(1, "model.head.fc.weight"),
                                               Part(2, "model.head.norm.running_mean"), Floats("loss.weight", {1})})
                  .ok());
  Model model;
  const LoadOptions options = {.strict = false, .rename = RenamePrefixes({{"a.", "stem."}})};
  const absl::StatusOr<LoadReport> report = LoadWeights(Path("mixed"), model, options);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(model.Values(), kLoaded);
  EXPECT_EQ(report->unwrapped, "model.");
  EXPECT_EQ(report->unexpected, (std::vector<std::string>{"loss.weight"}));
}

// Of two copies none is picked by itself: the prefix is named, and a caller may ask for it.
TEST_F(ForeignFilesTest, TwoCopiesOfANetwork) {
  std::vector<TensorSource> tensors;
  for (int i = 0; i < 3; ++i) {
    tensors.push_back(Part(i, "student." + kNames[i]));
    tensors.push_back(Floats("teacher." + kNames[i], std::vector<float>(kSizes[i], 5)));
  }
  ASSERT_TRUE(WriteSafetensors(Path("copies"), tensors).ok());
  Model model;
  ExpectParts(LoadWeights(Path("copies"), model).status(), {"copies'", "'student.'"});
  EXPECT_EQ(model.Values(), kUntouched);
  ASSERT_TRUE(LoadWeights(Path("copies"), model, {.prefix = "student."}).ok());
  EXPECT_EQ(model.Values(), kLoaded);
  ASSERT_TRUE(LoadWeights(Path("copies"), model, {.prefix = "teacher."}).ok());
  EXPECT_EQ(model.Values(), std::vector<float>(7, 5));
  const absl::Status nothing = LoadWeights(Path("copies"), model, {.prefix = "model."}).status();
  EXPECT_EQ(nothing.code(), absl::StatusCode::kNotFound);
  ExpectParts(nothing, {"copies'", "'model.'"});
}

TEST_F(ForeignFilesTest, OnePrefixThatIsNotKnownIsNamed) {
  ASSERT_TRUE(
      WriteSafetensors(Path("unknown"), {Part(0, "my.segmenter." + kNames[0]), Part(1, "my.segmenter." + kNames[1]),
                                         Part(2, "my.segmenter." + kNames[2])})
          .ok());
  Model model;
  ExpectParts(LoadWeights(Path("unknown"), model).status(), {"unknown'", "'my.segmenter.'", "3 missing, 3 unexpected"});
  const absl::StatusOr<LoadReport> report = LoadWeights(Path("unknown"), model, {.strict = false});
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(absl::StrContains(report->hint, "'my.segmenter.'")) << report->hint;
  EXPECT_TRUE(absl::StrContains(report->ToString(), report->hint));
  EXPECT_EQ(model.Values(), kUntouched);
  // The other way round: the file is of the head alone.
  ASSERT_TRUE(WriteSafetensors(Path("part"), {Part(1, "fc.weight"), Part(2, "norm.running_mean")}).ok());
  ExpectParts(LoadWeights(Path("part"), model).status(), {"part'", "'head.'"});
}

struct Wide {
  std::vector<Parameter> parameters;
  Wide() {
    for (int i = 0; i < 30; ++i) parameters.emplace_back(Array::Zeros({1}, autograd::kFloat32));
  }
  void Fields(FieldVisitor& visitor) {
    for (size_t i = 0; i < parameters.size(); ++i) visitor.Field(absl::StrCat("layer", i, ".weight"), parameters[i]);
  }
};

TEST_F(ForeignFilesTest, LongListsAreCutWithACount) {
  std::vector<TensorSource> tensors;
  for (int i = 0; i < 25; ++i) tensors.push_back(Floats(absl::StrCat("other", i), {1}));
  ASSERT_TRUE(WriteSafetensors(Path("long"), tensors).ok());
  Wide wide;
  const std::string message(LoadWeights(Path("long"), wide).status().message());
  EXPECT_TRUE(absl::StrContains(message, "30 missing, 0 of another shape or type, 25 unexpected")) << message;
  EXPECT_TRUE(absl::StrContains(message, "layer9.weight\n  … and 20 more")) << message;
  EXPECT_FALSE(absl::StrContains(message, "layer10.weight")) << message;
  EXPECT_TRUE(absl::StrContains(message, "… and 15 more")) << message;
}

struct One {
  Parameter weight;
  explicit One(DType dtype) : weight(Array::Full({3}, dtype, 1)) {}
  void Fields(FieldVisitor& visitor) { visitor.Field("weight", weight); }
};

// Each stored type has its own bits for what is not finite.
TEST_F(ForeignFilesTest, WeightsThatAreNotFiniteAreRefused) {
  const auto tensor = [](const std::string& dtype, const std::vector<uint64_t>& bits, int size) -> TensorSource {
    std::string bytes;
    for (const uint64_t value : bits) {
      for (int i = 0; i < size; ++i) bytes.push_back(static_cast<char>(value >> 8 * i));
    }
    return {"weight", dtype, {3}, [bytes] { return bytes; }};
  };
  const struct {
    const char* dtype;
    int size;
    uint64_t one, largest;
    std::vector<uint64_t> bad;  // a quiet and a signalling NaN, plus and minus infinity
  } cases[] = {
      {"F32", 4, 0x3F800000, 0x7F7FFFFF, {0x7FC00000, 0x7F800001, 0x7F800000, 0xFF800000}},
      {"BF16", 2, 0x3F80, 0x7F7F, {0x7FC0, 0x7F81, 0x7F80, 0xFF80}},
      {"F16", 2, 0x3C00, 0x7BFF, {0x7E00, 0x7C01, 0x7C00, 0xFC00}},
      // The largest of float32, and a double beyond it that would become infinite.
      {"F64",
       8,
       0x3FF0000000000000,
       0x47EFFFFFE0000000,
       {0x7FF8000000000000, 0x7FF0000000000001, 0x7FF0000000000000, 0xFFF0000000000000, 0x4800000000000000}},
  };
  for (const auto& [dtype, size, one, largest, bad] : cases) {
    for (const bool strict : {true, false}) {
      One model(autograd::kFloat32);
      ASSERT_TRUE(WriteSafetensors(Path("finite"), {tensor(dtype, {one, largest, one}, size)}).ok());
      EXPECT_TRUE(LoadWeights(Path("finite"), model, {.strict = strict}).ok()) << dtype;
      for (const uint64_t bits : bad) {
        One other(autograd::kFloat32);
        ASSERT_TRUE(WriteSafetensors(Path("bad"), {tensor(dtype, {one, one, bits}, size)}).ok());
        ExpectParts(LoadWeights(Path("bad"), other, {.strict = strict}).status(),
                    {"bad'", "tensor 'weight'", "not finite", "element 2"});
        EXPECT_EQ(other.weight.value().ToVector<float>(), (std::vector<float>{1, 1, 1}));
      }
    }
  }
  One wide(autograd::kFloat64);
  ASSERT_TRUE(WriteSafetensors(Path("wide"), {tensor("F64", {0x3FF0000000000000, 0x4800000000000000, 0}, 8)}).ok());
  EXPECT_TRUE(LoadWeights(Path("wide"), wide).ok());  // finite where it goes
  ASSERT_TRUE(WriteSafetensors(Path("wide"), {tensor("F64", {0x7FF8000000000000, 0, 0}, 8)}).ok());
  ExpectParts(LoadWeights(Path("wide"), wide).status(), {"tensor 'weight'", "element 0"});
}

// A good tensor before a bad one is not loaded either.
TEST_F(ForeignFilesTest, NothingIsLoadedBesideABadTensor) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  ASSERT_TRUE(
      WriteSafetensors(Path("bad"), {Part(0, kNames[0]), Part(1, kNames[1]), Floats(kNames[2], {1, nan})}).ok());
  Model model;
  ExpectParts(LoadWeights(Path("bad"), model, {.strict = false}).status(), {"head.norm.running_mean"});
  EXPECT_EQ(model.Values(), kUntouched);
}

}  // namespace
}  // namespace nn
