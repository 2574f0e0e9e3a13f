#include "data/formats/jpeg.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>

// After <cstdio>.
#include <jpeglib.h>

#include "absl/strings/escaping.h"
#include "autograd/runtime/error.h"
#include "autograd/runtime/random.h"
#include "data/formats/four_ink_jpegs.h"
#include "gtest/gtest.h"

namespace data {
namespace {

using autograd::Philox;
using autograd::RandomKey;

Image SmoothImage(int height, int width, int channels) {
  Image image(height, width, channels);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c) {
        image.Row(y)[channels * x + c] = static_cast<uint8_t>(128 + 90 * std::sin(0.11 * x + 0.07 * y * (c + 1)));
      }
    }
  }
  return image;
}

double MeanDifference(const Image& a, const Image& b) {
  double sum = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(a.pixels[i] - b.pixels[i]);
  return sum / a.pixels.size();
}

// Encodes with libjpeg directly, for the kinds that EncodeJpeg does not write.
std::string EncodeWith(const Image& image, J_COLOR_SPACE space,
                       const std::function<void(jpeg_compress_struct*)>& configure) {
  jpeg_error_mgr errors;
  jpeg_compress_struct codec = {};
  codec.err = jpeg_std_error(&errors);
  jpeg_create_compress(&codec);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;  // NOLINT: libjpeg's type
  jpeg_mem_dest(&codec, &bytes, &size);
  codec.image_width = image.width;
  codec.image_height = image.height;
  codec.input_components = image.channels;
  codec.in_color_space = space;
  jpeg_set_defaults(&codec);
  jpeg_set_quality(&codec, 95, TRUE);
  configure(&codec);
  jpeg_start_compress(&codec, TRUE);
  if (space == JCS_RGB) {
    // A rotated camera.
    const std::string exif("Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0", 32);
    jpeg_write_marker(&codec, JPEG_APP0 + 1, reinterpret_cast<const JOCTET*>(exif.data()), exif.size());
  }
  while (codec.next_scanline < codec.image_height) {
    JSAMPROW row = const_cast<uint8_t*>(image.Row(codec.next_scanline));
    jpeg_write_scanlines(&codec, &row, 1);
  }
  jpeg_finish_compress(&codec);
  jpeg_destroy_compress(&codec);
  std::string out(reinterpret_cast<char*>(bytes), size);
  std::free(bytes);
  return out;
}

TEST(Jpeg, ColourAndGreyAreCloseToTheOriginal) {
  const Image colour = SmoothImage(41, 67, 3);
  const absl::StatusOr<Image> back = DecodeJpeg(EncodeJpeg(colour, 95));
  ASSERT_TRUE(back.ok()) << back.status();
  ASSERT_EQ(back->height, 41);
  ASSERT_EQ(back->width, 67);
  EXPECT_LT(MeanDifference(*back, colour), 2.0);

  const Image grey = SmoothImage(41, 67, 1);
  const Image expanded = *DecodeJpeg(EncodeJpeg(grey, 95));
  ASSERT_EQ(expanded.channels, 3);
  for (size_t i = 0; i < grey.pixels.size(); ++i) {
    EXPECT_EQ(expanded.pixels[3 * i], expanded.pixels[3 * i + 1]);
    EXPECT_EQ(expanded.pixels[3 * i], expanded.pixels[3 * i + 2]);
    EXPECT_NEAR(expanded.pixels[3 * i], grey.pixels[i], 8);
  }
}

TEST(Jpeg, ProgressiveEqualsBaselineAndOrientationCanBeIgnored) {
  const Image colour = SmoothImage(41, 67, 3);
  const std::string progressive =
      EncodeWith(colour, JCS_RGB, [](jpeg_compress_struct* c) { jpeg_simple_progression(c); });
  const std::string baseline = EncodeWith(colour, JCS_RGB, [](jpeg_compress_struct*) {});
  const ReadOptions raster = {.ignore_orientation = true};
  const absl::StatusOr<Image> image = DecodeJpeg(progressive, raster);
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->width, 67);
  EXPECT_EQ(*image, *DecodeJpeg(baseline, raster));
  EXPECT_EQ(DecodeJpeg(progressive)->width, 41);
  EXPECT_EQ(*image, *DecodeJpeg(EncodeJpeg(colour, 95)));  // without the orientation marker
}

TEST(Jpeg, FourInksAreMultipliedOut) {
  const Image light = SmoothImage(40, 40, 3);
  Image inks(40, 40, 4);  // Adobe's inverted inks: the stored value is the light that is left
  for (int i = 0; i < 40 * 40; ++i) {
    for (int c = 0; c < 3; ++c) inks.pixels[4 * i + c] = light.pixels[3 * i + c];
    inks.pixels[4 * i + 3] = 128;
  }
  Image expected = light;
  for (uint8_t& value : expected.pixels) value = static_cast<uint8_t>(value * 128 / 255);
  for (const J_COLOR_SPACE stored : {JCS_CMYK, JCS_YCCK}) {
    const absl::StatusOr<Image> image =
        DecodeJpeg(EncodeWith(inks, JCS_CMYK, [&](jpeg_compress_struct* c) { jpeg_set_colorspace(c, stored); }));
    ASSERT_TRUE(image.ok()) << image.status();
    EXPECT_LT(MeanDifference(*image, expected), 2.0);
  }
}

// Within a rounding of what Pillow shows; a flat block has nothing that another DCT could change.
TEST(Jpeg, FourInksAreShownAsPillowShowsThem) {
  for (const FourInkJpeg& file : kFourInkJpegs) {
    const absl::StatusOr<Image> image = DecodeJpeg(absl::HexStringToBytes(file.hex));
    ASSERT_TRUE(image.ok()) << file.name << image.status();
    ASSERT_EQ(image->width, 16);
    ASSERT_EQ(image->height, 16);
    for (int block = 0; block < 4; ++block) {
      const uint8_t* pixel = image->Row(block / 2 * 8 + 4) + 3 * (block % 2 * 8 + 4);
      EXPECT_NEAR(pixel[0], file.colors[block].red, 2) << file.name << block;
      EXPECT_NEAR(pixel[1], file.colors[block].green, 2) << file.name << block;
      EXPECT_NEAR(pixel[2], file.colors[block].blue, 2) << file.name << block;
    }
  }
}

TEST(Jpeg, EveryTruncationIsAnError) {
  const Image colour = SmoothImage(33, 20, 3);
  for (const std::string& file : {EncodeJpeg(colour, 50), EncodeWith(colour, JCS_RGB, [](jpeg_compress_struct* c) {
                                    jpeg_simple_progression(c);
                                  })}) {
    for (size_t size = 0; size < file.size(); ++size) {
      EXPECT_FALSE(DecodeJpeg(absl::string_view(file.data(), size)).ok()) << size << " of " << file.size();
    }
    EXPECT_TRUE(DecodeJpeg(file + "trailing bytes").ok());
  }
}

TEST(Jpeg, DamageNeverCrashes) {
  const Image colour = SmoothImage(33, 20, 3);
  for (const std::string& file : {EncodeJpeg(colour, 50), EncodeWith(colour, JCS_RGB, [](jpeg_compress_struct* c) {
                                    jpeg_simple_progression(c);
                                  })}) {
    for (int round = 0; round < 2000; ++round) {
      std::string damaged = file;
      for (int i = 0; i <= round % 4; ++i) {
        const autograd::PhiloxWords words = Philox(RandomKey(round), i);
        const size_t position = words.x % damaged.size();
        // The size in the header is left alone: a flipped high byte there only makes a large, slow, valid
        // image.
        if (position < 2 || (position > 150 && position < 200)) continue;
        damaged[position] = static_cast<char>(words.y);
      }
      (void)DecodeJpeg(damaged);
    }
  }
}

TEST(Jpeg, HugeSizesAreRefusedBeforeAllocation) {
  std::string file = EncodeJpeg(SmoothImage(8, 8, 3), 50);
  const size_t frame = file.find("\xFF\xC0");
  ASSERT_NE(frame, std::string::npos);
  file.replace(frame + 5, 4, "\xF0\xF0\xF0\xF0");
  EXPECT_EQ(DecodeJpeg(file).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(Jpeg, MalformedImagesThrow) {
  Image image(2, 2);
  image.pixels.pop_back();
  EXPECT_THROW(EncodeJpeg(image), autograd::Error);
  EXPECT_THROW(EncodeJpeg(Image(2, 2, 4)), autograd::Error);
}

}  // namespace
}  // namespace data
