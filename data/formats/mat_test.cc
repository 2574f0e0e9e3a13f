#include "data/formats/mat.h"

#include <zlib.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "autograd/runtime/random.h"
#include "data/formats/mat_fixture.h"
#include "data/formats/read_image.h"
#include "gtest/gtest.h"

namespace data {
namespace {

std::string Compressed(const std::string& element) {
  std::string packed(compressBound(element.size()), '\0');
  uLongf size = packed.size();
  compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(element.data()),
           element.size());
  packed.resize(size);
  return MatElement(kMatCompressed, packed);
}

// 2 rows, 3 columns: 1 2 3 / 4 5 459, by columns.
const std::vector<uint16_t> kColumns = {1, 4, 2, 5, 3, 459};
const std::vector<uint16_t> kRows = {1, 2, 3, 4, 5, 459};

std::string LabelMapMatrix() {
  return MatArray("LabelMap", kMatUint16Class, {2, 3}, MatElement(kMatUint16, MatBytes(kColumns)));
}

// GTcls with a char field in front of Segmentation.
std::string SegmentationStruct() {
  return MatStruct(
      "GTcls",
      {{"Comment", MatArray("", kMatCharClass, {1, 2}, MatElement(kMatUint16, MatBytes<uint16_t>({'h', 'i'})))},
       {"Segmentation",
        MatArray("", kMatUint8Class, {2, 2}, MatElement(kMatUint8, MatBytes<uint8_t>({0, 20, 15, 7})))}});
}

class MatTest : public ::testing::Test {
 protected:
  absl::StatusOr<IndexMap> Read(const std::string& contents, const std::string& variable = "LabelMap") {
    const std::string path = ::testing::TempDir() + "/labels.mat";
    std::ofstream(path, std::ios::binary) << contents;  // without the flush to the disk of an atomic file
    return ReadMatIndexMap(path, variable);
  }
  void ExpectError(const std::string& contents, const std::string& variable, absl::StatusCode code,
                   const std::vector<std::string>& words) {
    const absl::Status status = Read(contents, variable).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_NE(status.message().find("labels.mat"), absl::string_view::npos) << status;
    for (const std::string& word : words) EXPECT_NE(status.message().find(word), absl::string_view::npos) << status;
  }
};

TEST_F(MatTest, ColumnsBecomeRows) {
  const std::vector<double> numbers(kColumns.begin(), kColumns.end());
  const std::string as_double =
      MatArray("LabelMap", kMatDoubleClass, {2, 3}, MatElement(kMatDouble, MatBytes(numbers)));
  // MATLAB stores whole doubles in the smallest type they fit.
  const std::string narrow_double =
      MatArray("LabelMap", kMatDoubleClass, {2, 3}, MatElement(kMatUint16, MatBytes(kColumns)));
  const std::string other = MatArray("other", kMatUint8Class, {1, 1}, MatElement(kMatUint8, "x"));
  for (const std::string& elements :
       {LabelMapMatrix(), as_double, narrow_double, Compressed(LabelMapMatrix()), Compressed(as_double),
        other + LabelMapMatrix(), Compressed(other) + Compressed(LabelMapMatrix())}) {
    const absl::StatusOr<IndexMap> map = Read(MatFile(elements));
    ASSERT_TRUE(map.ok()) << map.status();
    EXPECT_EQ(map->height, 2);
    EXPECT_EQ(map->width, 3);
    EXPECT_EQ(map->values, kRows);
  }
}

TEST_F(MatTest, FieldsOfStructs) {
  for (const std::string& elements : {SegmentationStruct(), Compressed(SegmentationStruct())}) {
    const absl::StatusOr<IndexMap> map = Read(MatFile(elements), "GTcls.Segmentation");
    ASSERT_TRUE(map.ok()) << map.status();
    EXPECT_EQ(map->values, (std::vector<uint16_t>{0, 15, 20, 7}));
    ExpectError(MatFile(elements), "GTcls.Boundaries", absl::StatusCode::kNotFound, {"GTcls", "Boundaries"});
    ExpectError(MatFile(elements), "GTcls", absl::StatusCode::kInvalidArgument, {"GTcls", "matrix"});
    ExpectError(MatFile(elements), "GTcls.Comment", absl::StatusCode::kInvalidArgument, {"GTcls.Comment", "matrix"});
  }
}

TEST_F(MatTest, ErrorsNameFileAndVariable) {
  const std::string good = MatFile(LabelMapMatrix());
  ExpectError(good, "GTcls", absl::StatusCode::kNotFound, {"GTcls"});
  ExpectError(good, "LabelMap.Segmentation", absl::StatusCode::kNotFound, {"LabelMap", "no field 'Segmentation'"});
  ExpectError("", "LabelMap", absl::StatusCode::kDataLoss, {});
  ExpectError(std::string(500, 'x'), "LabelMap", absl::StatusCode::kInvalidArgument, {"not a MATLAB file"});
  ExpectError("MATLAB 7.3 MAT-file" + std::string(600, ' '), "LabelMap", absl::StatusCode::kInvalidArgument, {"7.3"});
  const std::string values = MatElement(kMatUint8, MatBytes<uint8_t>({1, 2, 3, 4, 5, 6, 7, 8}));
  ExpectError(MatFile(MatArray("LabelMap", kMatUint8Class, {2, 2, 2}, values)), "LabelMap",
              absl::StatusCode::kInvalidArgument, {"LabelMap", "3 dimensions"});
  ExpectError(MatFile(MatArray("LabelMap", kMatUint8Class, {0, 3}, MatElement(kMatUint8, ""))), "LabelMap",
              absl::StatusCode::kInvalidArgument, {"empty"});
  ExpectError(MatFile(MatArray("LabelMap", kMatUint8Class, {70000, 1}, MatElement(kMatUint8, std::string(70000, '1')))),
              "LabelMap", absl::StatusCode::kResourceExhausted, {"too large", "70000"});
  ExpectError(MatFile(MatArray("LabelMap", kMatUint8Class | 0x800, {4, 2}, values + values)), "LabelMap",
              absl::StatusCode::kInvalidArgument, {"real"});
  for (const double value : {-1.0, 0.5, 65536.0}) {
    ExpectError(
        MatFile(MatArray("LabelMap", kMatDoubleClass, {1, 2}, MatElement(kMatDouble, MatBytes<double>({3, value})))),
        "LabelMap", absl::StatusCode::kInvalidArgument, {"LabelMap", "row 0, column 1", "whole number"});
  }
  const absl::Status missing = ReadMatIndexMap(::testing::TempDir() + "/no.mat", "LabelMap").status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_NE(missing.message().find("no.mat"), absl::string_view::npos);
}

TEST_F(MatTest, EveryTruncationIsAnError) {
  for (const auto& [elements, variable] :
       std::vector<std::pair<std::string, std::string>>{{LabelMapMatrix(), "LabelMap"},
                                                        {Compressed(LabelMapMatrix()), "LabelMap"},
                                                        {SegmentationStruct(), "GTcls.Segmentation"},
                                                        {Compressed(SegmentationStruct()), "GTcls.Segmentation"}}) {
    const std::string file = MatFile(elements);
    for (size_t size = 0; size < file.size(); size += size < 120 ? 40 : 1)
      EXPECT_FALSE(Read(file.substr(0, size), variable).ok()) << size << " of " << file.size();
  }
}

TEST_F(MatTest, FewerValuesThanTheSizeSays) {
  const std::string few = MatArray("LabelMap", kMatUint16Class, {200, 300}, MatElement(kMatUint16, MatBytes(kColumns)));
  EXPECT_FALSE(Read(MatFile(few)).ok());
  EXPECT_FALSE(Read(MatFile(Compressed(few))).ok());
}

TEST_F(MatTest, DamageNeverCrashes) {
  for (const std::string& elements : {LabelMapMatrix(), Compressed(LabelMapMatrix()), SegmentationStruct()}) {
    const std::string file = MatFile(elements);
    for (int round = 0; round < 250; ++round) {
      std::string damaged = file;
      for (int i = 0; i <= round % 3; ++i) {
        const autograd::PhiloxWords words = autograd::Philox(autograd::RandomKey(round), i);
        damaged[128 + words.x % (damaged.size() - 128)] = static_cast<char>(words.y);
      }
      (void)Read(damaged, round % 2 == 0 ? "LabelMap" : "GTcls.Segmentation");
    }
  }
}

// The same invented label map in the three forms of MATLAB files, and SBD's structure.
TEST_F(MatTest, FormatSamples) {
  if (std::getenv("SEGMENTATION_DATA") == nullptr) GTEST_SKIP() << "SEGMENTATION_DATA is not set";
  const std::string samples = std::string(std::getenv("SEGMENTATION_DATA")) + "/format_samples/";
  const std::string stem = samples + "pascal_context/trainval_generated/2007_000129";
  const absl::StatusOr<IndexMap> labels = ReadMatIndexMap(stem + ".mat", "LabelMap");
  ASSERT_TRUE(labels.ok()) << labels.status();
  EXPECT_EQ(labels->width, 334);
  EXPECT_EQ(labels->height, 500);
  for (const char* form : {"_double.mat", "_uncompressed.mat"}) {
    const absl::StatusOr<IndexMap> other = ReadMatIndexMap(stem + form, "LabelMap");
    ASSERT_TRUE(other.ok()) << other.status();
    EXPECT_EQ(other->values, labels->values);
  }
  const absl::StatusOr<IndexMap> sbd =
      ReadMatIndexMap(samples + "sbd/dataset/cls/2007_000129.mat", "GTcls.Segmentation");
  ASSERT_TRUE(sbd.ok()) << sbd.status();
  const absl::StatusOr<LabelMap> voc =
      ReadLabelMap(samples + "voc2012/VOCdevkit/VOC2012/SegmentationClassAug/2007_000129.png");
  ASSERT_TRUE(voc.ok()) << voc.status();
  for (size_t i = 0; i < voc->values.size(); ++i) ASSERT_EQ(sbd->values[i], voc->values[i] == 255 ? 0 : voc->values[i]);
}

}  // namespace
}  // namespace data
