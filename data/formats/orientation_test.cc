// EXIF orientations in JPEG and PNG files, from the remark to the pixels and to the header.

#include <string>
#include <vector>

#include "autograd/runtime/atomic_file.h"
#include "autograd/runtime/error.h"
#include "data/formats/exif.h"
#include "data/formats/exif_fixture.h"
#include "data/formats/image_header.h"
#include "data/formats/jpeg.h"
#include "data/formats/png.h"
#include "data/formats/read_image.h"
#include "gtest/gtest.h"

namespace data {
namespace {

// What Pillow's ImageOps.exif_transpose makes of the rows 1 2 3 and 4 5 6.
struct Shown {
  int orientation, height, width;
  std::vector<uint8_t> values;
};
const std::vector<Shown>& AllShown() {
  static const std::vector<Shown> all = {
      {1, 2, 3, {1, 2, 3, 4, 5, 6}}, {2, 2, 3, {3, 2, 1, 6, 5, 4}}, {3, 2, 3, {6, 5, 4, 3, 2, 1}},
      {4, 2, 3, {4, 5, 6, 1, 2, 3}}, {5, 3, 2, {1, 4, 2, 5, 3, 6}}, {6, 3, 2, {4, 1, 5, 2, 6, 3}},
      {7, 3, 2, {6, 3, 5, 2, 4, 1}}, {8, 3, 2, {3, 6, 2, 5, 1, 4}},
  };
  return all;
}

LabelMap StoredLabels() {
  LabelMap labels(2, 3);
  labels.values = {1, 2, 3, 4, 5, 6};
  return labels;
}

Image StoredImage() {
  Image image(2, 3);
  for (int i = 0; i < 6; ++i) {
    for (int c = 0; c < 3; ++c) image.pixels[3 * i + c] = static_cast<uint8_t>(10 * (i + 1) + c);
  }
  return image;
}

TEST(Orientation, OfEitherByteOrder) {
  for (int orientation = 1; orientation <= 8; ++orientation) {
    EXPECT_EQ(ExifOrientation(ExifBytes(orientation, true)), orientation);
    EXPECT_EQ(ExifOrientation(ExifBytes(orientation, false)), orientation);
  }
}

TEST(Orientation, ABadRemarkIsNone) {
  EXPECT_EQ(ExifOrientation(""), 1);
  EXPECT_EQ(ExifOrientation("II"), 1);
  for (const int value : {0, 9, 256, 65535}) {
    EXPECT_EQ(ExifOrientation(ExifBytes(value, true)), 1) << value;
    EXPECT_EQ(ExifOrientation(ExifBytes(value, false)), 1) << value;
  }
  for (const bool big_endian : {false, true}) {
    const std::string whole = ExifBytes(6, big_endian);
    // The number of the next directory, the last four bytes, is not needed, nor is what stands behind the value.
    for (size_t size = 0; size < whole.size() - 6; ++size) EXPECT_EQ(ExifOrientation(whole.substr(0, size)), 1) << size;
    std::string other = whole;
    other[big_endian ? 3 : 2] = 43;  // not TIFF's number
    EXPECT_EQ(ExifOrientation(other), 1);
    other = whole;
    other[4] = other[5] = other[6] = other[7] = '\xFF';  // a directory outside
    EXPECT_EQ(ExifOrientation(other), 1);
    other = whole;
    other[22 + (big_endian ? 3 : 2)] = 2;  // a text
    EXPECT_EQ(ExifOrientation(other), 1);
    other = whole;
    other[22 + (big_endian ? 7 : 4)] = 2;  // two numbers
    EXPECT_EQ(ExifOrientation(other), 1);
  }
}

TEST(Orientation, TurnsAsPillowTurns) {
  for (const Shown& shown : AllShown()) {
    LabelMap labels = StoredLabels();
    Reorient(shown.orientation, labels);
    EXPECT_EQ(labels.height, shown.height);
    EXPECT_EQ(labels.width, shown.width);
    EXPECT_EQ(labels.values, shown.values) << shown.orientation;
    EXPECT_EQ(SwapsSides(shown.orientation), shown.height == 3);
  }
  LabelMap labels = StoredLabels();
  EXPECT_THROW(Reorient(0, labels), autograd::Error);
  EXPECT_THROW(Reorient(9, labels), autograd::Error);
}

TEST(Orientation, OfPngs) {
  for (const Shown& shown : AllShown()) {
    for (const bool at_the_end : {false, true}) {
      const std::string image_file =
          PngWithExif(EncodePng(StoredImage()), ExifBytes(shown.orientation, at_the_end), at_the_end);
      const absl::StatusOr<Image> image = DecodePng(image_file);
      ASSERT_TRUE(image.ok()) << image.status();
      EXPECT_EQ(image->orientation, shown.orientation);
      ASSERT_EQ(image->height, shown.height);
      ASSERT_EQ(image->width, shown.width);
      for (int i = 0; i < 6; ++i) {
        for (int c = 0; c < 3; ++c) EXPECT_EQ(image->pixels[3 * i + c], 10 * shown.values[i] + c);
      }
      EXPECT_EQ(*DecodePng(image_file, {.ignore_orientation = true}), StoredImage());

      const std::string label_file =
          PngWithExif(EncodeLabelPng(StoredLabels()), ExifBytes(shown.orientation, at_the_end), at_the_end);
      EXPECT_EQ(DecodeLabelPng(label_file)->values, shown.values);
      EXPECT_EQ(DecodeLabelPng(label_file)->height, shown.height);
      EXPECT_EQ(DecodeIndexPng(label_file)->width, shown.width);
      EXPECT_EQ(*DecodeLabelPng(label_file, {.ignore_orientation = true}), StoredLabels());
    }
  }
}

TEST(Orientation, OfJpegs) {
  Image stored(24, 40);
  for (size_t i = 0; i < stored.pixels.size(); ++i) stored.pixels[i] = static_cast<uint8_t>(i / 7);
  const std::string plain = EncodeJpeg(stored);
  for (const Shown& shown : AllShown()) {
    Image expected = *DecodeJpeg(plain);
    EXPECT_EQ(expected.orientation, 1);
    Reorient(shown.orientation, expected);
    const std::string file = JpegWithExif(plain, ExifBytes(shown.orientation));
    const absl::StatusOr<Image> image = DecodeJpeg(file);
    ASSERT_TRUE(image.ok()) << image.status();
    EXPECT_EQ(*image, expected) << shown.orientation;
    EXPECT_EQ(image->orientation, shown.orientation);
    const absl::StatusOr<Image> raster = DecodeJpeg(file, {.ignore_orientation = true});
    EXPECT_EQ(*raster, *DecodeJpeg(plain));
    EXPECT_EQ(raster->orientation, shown.orientation);
  }
  // The first remark counts; other APP1 segments (XMP) and damaged remarks are passed over.
  EXPECT_EQ(DecodeJpeg(JpegWithExif(JpegWithExif(plain, ExifBytes(3)), ExifBytes(6)))->orientation, 6);
  std::string xmp = JpegWithExif(plain, "xap");
  xmp.replace(xmp.find("Exif"), 4, "http");
  EXPECT_EQ(DecodeJpeg(JpegWithExif(xmp, ExifBytes(8)))->orientation, 8);
  for (const std::string& damaged : {std::string(), std::string("MM"), ExifBytes(6).substr(0, 20)})
    EXPECT_EQ(*DecodeJpeg(JpegWithExif(plain, damaged)), *DecodeJpeg(plain));
}

std::string Write(const std::string& name, const std::string& bytes) {
  const std::string path = ::testing::TempDir() + "/" + name;
  EXPECT_TRUE(autograd::WriteFileAtomically(path, bytes).ok());
  return path;
}

TEST(ImageHeader, HasTheSizeThatReadImageGives) {
  Image stored(24, 40);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const std::string exif = ExifBytes(orientation);
    for (const std::string& path :
         {Write("o.jpg", JpegWithExif(EncodeJpeg(stored), exif)), Write("o.png", PngWithExif(EncodePng(stored), exif)),
          Write("end.png", PngWithExif(EncodePng(stored), exif, true))}) {
      for (const bool ignore : {false, true}) {
        const ReadOptions options = {.ignore_orientation = ignore};
        const absl::StatusOr<ImageHeader> header = ReadImageHeader(path);
        ASSERT_TRUE(header.ok()) << header.status();
        const absl::StatusOr<Image> image = ReadImage(path, options);
        ASSERT_TRUE(image.ok()) << image.status();
        EXPECT_EQ(header->orientation, orientation);
        EXPECT_EQ(header->ReadHeight(options), image->height);
        EXPECT_EQ(header->ReadWidth(options), image->width);
        EXPECT_EQ(header->height, 24);
        EXPECT_EQ(header->width, 40);
        EXPECT_FALSE(header->has_indices);
      }
    }
  }
  EXPECT_TRUE(ReadImageHeader(Write("label.png", EncodeLabelPng(StoredLabels())))->has_indices);
}

// What the decoders refuse for being cut off is refused by the header too; in memory and in a file, byte for byte.
TEST(ImageHeader, EveryTruncationIsAnError) {
  const std::string exif = ExifBytes(5);
  for (const std::string& file :
       {JpegWithExif(EncodeJpeg(Image(33, 20), 50), exif), PngWithExif(EncodePng(Image(33, 20)), exif)}) {
    for (size_t size = 0; size < file.size(); ++size)
      EXPECT_FALSE(ParseImageHeader(absl::string_view(file.data(), size)).ok()) << size << " of " << file.size();
    EXPECT_TRUE(ParseImageHeader(file).ok());
    EXPECT_TRUE(ParseImageHeader(file + "trailing bytes").ok());
    // As much as a film that a phone appends.
    EXPECT_TRUE(ReadImageHeader(Write("long", file + std::string(3 << 20, 'x'))).ok());
    const absl::Status cut = ReadImageHeader(Write("cut", file.substr(0, file.size() - 1))).status();
    EXPECT_EQ(cut.code(), absl::StatusCode::kDataLoss);
    EXPECT_NE(cut.message().find("cut'"), absl::string_view::npos) << cut;
    EXPECT_NE(cut.message().find("truncated"), absl::string_view::npos) << cut;
  }
  EXPECT_EQ(ReadImageHeader(Write("empty", "")).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReadImageHeader(Write("text", "hello, world")).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReadImageHeader(::testing::TempDir() + "/nothing").status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(ReadImageHeader(::testing::TempDir()).ok());
}

TEST(ImageHeader, HugeSizesAreRefused) {
  std::string jpeg = EncodeJpeg(Image(8, 8), 50);
  jpeg.replace(jpeg.find("\xFF\xC0") + 5, 4, "\xF0\xF0\xF0\xF0");
  EXPECT_EQ(ParseImageHeader(jpeg).status().code(), absl::StatusCode::kResourceExhausted);
  std::string png = EncodePng(Image(8, 8));
  png.replace(16, 8, std::string("\0\0\xF0\xF0\0\0\xF0\xF0", 8));
  EXPECT_EQ(ParseImageHeader(png).status().code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace data
