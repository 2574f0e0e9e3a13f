#include "data/formats/read_image.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>

#include "autograd/runtime/atomic_file.h"
#include "data/formats/exif.h"
#include "data/formats/jpeg.h"
#include "data/formats/png.h"
#include "gtest/gtest.h"

namespace data {
namespace {

std::string Write(const std::string& name, const std::string& bytes) {
  const std::string path = ::testing::TempDir() + "/" + name;
  EXPECT_TRUE(autograd::WriteFileAtomically(path, bytes).ok());
  return path;
}

TEST(ReadImage, ByContentsAndNotByName) {
  Image image(4, 4);
  std::fill(image.pixels.begin(), image.pixels.end(), uint8_t{77});
  const std::string png_called_jpg = Write("a.jpg", EncodePng(image));
  const std::string jpeg_called_png = Write("b.png", EncodeJpeg(image, 100));
  EXPECT_EQ(*ReadImage(png_called_jpg), image);
  EXPECT_EQ(ReadImage(jpeg_called_png)->width, 4);
  EXPECT_EQ(ReadLabelMap(png_called_jpg).status().code(), absl::StatusCode::kInvalidArgument);
  const absl::Status jpeg_label = ReadLabelMap(jpeg_called_png).status();
  EXPECT_NE(jpeg_label.message().find("JPEG"), absl::string_view::npos) << jpeg_label;
}

TEST(ReadImage, ErrorsNameTheFile) {
  const std::string good = EncodePng(Image(4, 4));
  const std::map<std::string, std::pair<std::string, absl::StatusCode>> cases = {
      {"empty.png", {"", absl::StatusCode::kDataLoss}},
      {"text.png", {"hello, world", absl::StatusCode::kInvalidArgument}},
      {"short.png", {good.substr(0, good.size() / 2), absl::StatusCode::kDataLoss}},
      {"short.jpg", {EncodeJpeg(Image(40, 40)).substr(0, 300), absl::StatusCode::kDataLoss}},
  };
  for (const auto& [name, expected] : cases) {
    const std::string path = Write(name, expected.first);
    const absl::Status status = ReadImage(path).status();
    EXPECT_EQ(status.code(), expected.second) << status;
    EXPECT_NE(status.message().find(name), absl::string_view::npos) << status;
    EXPECT_FALSE(ReadLabelMap(path).ok());
    EXPECT_FALSE(ReadIndexMap(path).ok());
  }
  const absl::Status missing = ReadImage(::testing::TempDir() + "/no.png").status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_NE(missing.message().find("no.png"), absl::string_view::npos);
}

class CodecVariants : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* root = std::getenv("SEGMENTATION_DATA");
    if (root == nullptr) GTEST_SKIP() << "SEGMENTATION_DATA is not set";
    folder_ = std::string(root) + "/format_samples/codec_variants/";
  }

  Image Read(const std::string& name, const ReadOptions& options = {}) {
    absl::StatusOr<Image> image = ReadImage(folder_ + name, options);
    EXPECT_TRUE(image.ok()) << image.status();
    return image.ok() ? *image : Image();
  }

  static int LargestDifference(const Image& a, const Image& b) {
    if (a.height != b.height || a.width != b.width || a.channels != b.channels) return 256;
    int largest = 0;
    for (size_t i = 0; i < a.pixels.size(); ++i) largest = std::max(largest, std::abs(a.pixels[i] - b.pixels[i]));
    return largest;
  }

  std::string folder_;
};

TEST_F(CodecVariants, JpegEqualsTheReference) {
  for (const char* name : {"baseline_411", "baseline_420", "baseline_420_q30_optimised", "baseline_420_restart_3mcu",
                           "baseline_420_restart_rows", "baseline_422", "baseline_440", "baseline_444",
                           "exif_orientation6", "gray", "progressive_420", "progressive_444", "rgb_colourspace"}) {
    const Image image = Read(std::string(name) + ".jpg", {.ignore_orientation = true});
    EXPECT_EQ(image.height, 133) << name;
    EXPECT_EQ(image.width, 201) << name;
    // Another build of libjpeg may up-sample 4:4:0 and 4:1:1 differently by a rounding.
    EXPECT_LE(LargestDifference(image, Read(std::string(name) + ".ref.png")), 2) << name;
  }
}

TEST_F(CodecVariants, AnOrientationIsObeyed) {
  Image turned = Read("exif_orientation6.jpg", {.ignore_orientation = true});
  Reorient(6, turned);
  EXPECT_EQ(turned.width, 133);
  EXPECT_EQ(Read("exif_orientation6.jpg"), turned);
}

TEST_F(CodecVariants, FourInks) {
  const Image image = Read("cmyk_adobe.jpg");
  const Image source = Read("source_rgb.png");
  ASSERT_EQ(image.pixels.size(), source.pixels.size());
  double sum = 0;
  for (size_t i = 0; i < image.pixels.size(); ++i) sum += std::abs(image.pixels[i] - source.pixels[i]);
  EXPECT_LT(sum / image.pixels.size(), 2.5);
}

TEST_F(CodecVariants, InterlacedPngEqualsPlain) {
  const Image plain = Read("source_rgb.png");
  EXPECT_EQ(plain.width, 201);
  EXPECT_EQ(Read("source_rgb_interlaced.png"), plain);
}

TEST_F(CodecVariants, LabelsAgreeInEveryEncoding) {
  const absl::StatusOr<LabelMap> labels = ReadLabelMap(folder_ + "label_gray8.png");
  ASSERT_TRUE(labels.ok()) << labels.status();
  EXPECT_EQ(labels->width, 201);
  EXPECT_EQ(*std::max_element(labels->values.begin(), labels->values.end()), 11);
  for (const char* name : {"label_gray8_interlaced.png", "label_palette8.png", "label_palette8_interlaced.png",
                           "label_palette8_trns.png", "label_palette4.png", "label_grayalpha.png"}) {
    const absl::StatusOr<LabelMap> other = ReadLabelMap(folder_ + name);
    ASSERT_TRUE(other.ok()) << other.status();
    EXPECT_EQ(*other, *labels) << name;
  }
  for (const auto& [name, modulus] : std::map<std::string, int>{
           {"label_mod2_gray1.png", 2}, {"label_mod2_palette1.png", 2}, {"label_mod4_palette2.png", 4}}) {
    const absl::StatusOr<LabelMap> other = ReadLabelMap(folder_ + name);
    ASSERT_TRUE(other.ok()) << other.status();
    for (size_t i = 0; i < labels->values.size(); ++i) ASSERT_EQ(other->values[i], labels->values[i] % modulus) << name;
  }
  for (const char* name : {"label_gray16_x1000p7.png", "label_gray16_x1000p7_interlaced.png"}) {
    const absl::StatusOr<IndexMap> wide = ReadIndexMap(folder_ + name);
    ASSERT_TRUE(wide.ok()) << wide.status();
    for (size_t i = 0; i < labels->values.size(); ++i) ASSERT_EQ(wide->values[i], 1000 * labels->values[i] + 7);
    EXPECT_FALSE(ReadLabelMap(folder_ + name).ok());
  }
  for (const char* name : {"label_rgb.png", "label_rgba.png"}) {
    const absl::Status status = ReadLabelMap(folder_ + name).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_NE(status.message().find(name), absl::string_view::npos) << status;
  }
}

TEST_F(CodecVariants, JpegOfARealFrameIsCloseToItsPng) {
  const std::string root = std::getenv("SEGMENTATION_DATA");
  const absl::StatusOr<Image> jpeg = ReadImage(root + "/camvid/train/0001TP_006690.jpg");
  const absl::StatusOr<Image> png = ReadImage(root + "/camvid_png_sample/images/0001TP_006690.png");
  ASSERT_TRUE(jpeg.ok()) << jpeg.status();
  ASSERT_TRUE(png.ok()) << png.status();
  double sum = 0;
  for (size_t i = 0; i < png->pixels.size(); ++i) sum += std::abs(jpeg->pixels[i] - png->pixels[i]);
  EXPECT_LT(sum / png->pixels.size(), 2.5);
}

}  // namespace
}  // namespace data
