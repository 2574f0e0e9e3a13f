#include "data/formats/png.h"

#include <zlib.h>

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "autograd/runtime/error.h"
#include "autograd/runtime/random.h"
#include "gtest/gtest.h"

namespace data {
namespace {

using autograd::Philox;
using autograd::RandomKey;

constexpr int kGrey = 0, kRgb = 2, kPalette = 3, kGreyAlpha = 4, kRgba = 6;

void AppendBigEndian(std::string& out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

std::string Chunk(const std::string& type, const std::string& body) {
  std::string out;
  AppendBigEndian(out, static_cast<uint32_t>(body.size()));
  const std::string checked = type + body;
  out += checked;
  AppendBigEndian(out, static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(checked.data()), checked.size())));
  return out;
}

// A PNG file made without libpng. `sample(y, x, channel)` gives the stored values.
std::string MakePng(int height, int width, int depth, int color_type, bool interlaced,
                    const std::function<int(int, int, int)>& sample, const std::string& extra_chunks = "") {
  const int channels = color_type == kRgb ? 3 : color_type == kRgba ? 4 : color_type == kGreyAlpha ? 2 : 1;
  struct Pass {
    int x0, y0, dx, dy;
  };
  // The seven passes of Adam7, PNG specification 8.2.
  const std::vector<Pass> passes = interlaced
                                       ? std::vector<Pass>{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4},
                                                           {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}}
                                       : std::vector<Pass>{{0, 0, 1, 1}};
  std::string raw;
  for (const Pass& pass : passes) {
    if (pass.x0 >= width) continue;
    for (int y = pass.y0; y < height; y += pass.dy) {
      raw.push_back(0);  // filter: none
      int bits = 0, count = 0;
      for (int x = pass.x0; x < width; x += pass.dx) {
        for (int c = 0; c < channels; ++c) {
          const int value = sample(y, x, c);
          if (depth == 16) raw.push_back(static_cast<char>(value >> 8));
          if (depth >= 8) {
            raw.push_back(static_cast<char>(value));
            continue;
          }
          bits = bits << depth | value;
          if ((count += depth) == 8) {
            raw.push_back(static_cast<char>(bits));
            bits = count = 0;
          }
        }
      }
      if (count > 0) raw.push_back(static_cast<char>(bits << (8 - count)));
    }
  }
  std::string packed(compressBound(raw.size()), '\0');
  uLongf size = packed.size();
  compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(raw.data()), raw.size());
  packed.resize(size);
  std::string header;
  AppendBigEndian(header, static_cast<uint32_t>(width));
  AppendBigEndian(header, static_cast<uint32_t>(height));
  for (const int byte : {depth, color_type, 0, 0, interlaced ? 1 : 0}) header.push_back(static_cast<char>(byte));
  return "\x89PNG\r\n\x1a\n" + Chunk("IHDR", header) + extra_chunks + Chunk("IDAT", packed) + Chunk("IEND", "");
}

std::string PaletteChunk(int entries) {
  std::string body;
  for (int i = 0; i < entries; ++i)
    body += {static_cast<char>(200 - i), static_cast<char>(i), static_cast<char>(7 * i)};
  return Chunk("PLTE", body);
}

Image NoiseImage(int height, int width, int channels, uint64_t seed) {
  Image image(height, width, channels);
  for (size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<uint8_t>(Philox(RandomKey(seed), i).x);
  return image;
}

TEST(Png, ColourImageRoundTrip) {
  for (const int width : {1, 2, 7, 64}) {
    const Image image = NoiseImage(5, width, 3, width);
    const absl::StatusOr<Image> back = DecodePng(EncodePng(image));
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(*back, image);
  }
}

TEST(Png, GreyIsRepeatedAndAlphaDropped) {
  const Image grey = NoiseImage(4, 9, 1, 1);
  const Image rgba = NoiseImage(4, 9, 4, 2);
  const Image from_grey = *DecodePng(EncodePng(grey));
  const Image from_rgba = *DecodePng(EncodePng(rgba));
  ASSERT_EQ(from_grey.channels, 3);
  for (int i = 0; i < 36; ++i) {
    for (int c = 0; c < 3; ++c) {
      EXPECT_EQ(from_grey.pixels[3 * i + c], grey.pixels[i]);
      EXPECT_EQ(from_rgba.pixels[3 * i + c], rgba.pixels[4 * i + c]);
    }
  }
}

TEST(Png, EveryKindAsImage) {
  for (const bool interlaced : {false, true}) {
    for (const int depth : {1, 2, 4, 8}) {
      const int top = (1 << depth) - 1;
      const auto sample = [top](int y, int x, int c) { return (y * 5 + x * 3 + c * 2) & top; };
      const Image palette = *DecodePng(MakePng(9, 13, depth, kPalette, interlaced, sample, PaletteChunk(1 << depth)));
      const Image grey = *DecodePng(MakePng(9, 13, depth, kGrey, interlaced, sample));
      for (int y = 0; y < 9; ++y) {
        for (int x = 0; x < 13; ++x) {
          const int value = sample(y, x, 0);
          const uint8_t* p = palette.Row(y) + 3 * x;
          EXPECT_EQ(p[0], static_cast<uint8_t>(200 - value));
          EXPECT_EQ(p[1], value);
          EXPECT_EQ(p[2], static_cast<uint8_t>(7 * value));
          EXPECT_EQ(grey.Row(y)[3 * x + 1], value * 255 / top);
        }
      }
    }
    const auto wide = [](int y, int x, int c) { return (y * 9001 + x * 313 + c * 77) & 0xFFFF; };
    const Image rgb16 = *DecodePng(MakePng(6, 6, 16, kRgb, interlaced, wide));
    EXPECT_EQ(rgb16.Row(3)[3 * 2 + 1], (wide(3, 2, 1) * 255 + 32767) / 65535);
    const Image rgba16 = *DecodePng(MakePng(6, 6, 16, kRgba, interlaced, wide));
    EXPECT_EQ(rgba16.Row(3)[3 * 2 + 1], (wide(3, 2, 1) * 255 + 32767) / 65535);
  }
}

// The gamma and transparency chunks must change nothing.
TEST(Png, AncillaryChunksAreDecoration) {
  std::string gamma;
  AppendBigEndian(gamma, 100000);
  const auto sample = [](int y, int x, int) { return (y + x) & 3; };
  const std::string chunks = Chunk("gAMA", gamma) + PaletteChunk(4) + Chunk("tRNS", std::string(2, '\0'));
  const std::string file = MakePng(5, 5, 2, kPalette, false, sample, chunks);
  const std::string plain = MakePng(5, 5, 2, kPalette, false, sample, PaletteChunk(4));
  EXPECT_EQ(*DecodePng(file), *DecodePng(plain));
  EXPECT_EQ(*DecodeLabelPng(file), *DecodeLabelPng(plain));
}

TEST(Png, LabelsAreIndices) {
  for (const bool interlaced : {false, true}) {
    for (const int depth : {1, 2, 4, 8}) {
      const int top = (1 << depth) - 1;
      const auto sample = [top](int y, int x, int) { return (y * 5 + x * 3) & top; };
      for (const int type : {kGrey, kPalette}) {
        const std::string extra = type == kPalette ? PaletteChunk(1 << depth) : "";
        const std::string file = MakePng(11, 10, depth, type, interlaced, sample, extra);
        const absl::StatusOr<LabelMap> labels = DecodeLabelPng(file);
        const absl::StatusOr<IndexMap> indices = DecodeIndexPng(file);
        ASSERT_TRUE(labels.ok()) << labels.status();
        ASSERT_TRUE(indices.ok()) << indices.status();
        for (int i = 0; i < 110; ++i) {
          EXPECT_EQ(labels->values[i], sample(i / 10, i % 10, 0));
          EXPECT_EQ(indices->values[i], sample(i / 10, i % 10, 0));
        }
      }
    }
    const auto wide = [](int y, int x, int) { return 1000 * y + x; };
    const std::string file = MakePng(11, 10, 16, kGrey, interlaced, wide);
    const absl::StatusOr<IndexMap> indices = DecodeIndexPng(file);
    ASSERT_TRUE(indices.ok()) << indices.status();
    for (int i = 0; i < 110; ++i) EXPECT_EQ(indices->values[i], wide(i / 10, i % 10, 0));
    const absl::Status narrow = DecodeLabelPng(file).status();
    EXPECT_EQ(narrow.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(narrow.message().find("value 1000 at row 1, column 0"), absl::string_view::npos) << narrow;
  }
}

TEST(Png, GreyAlphaLabelsKeepTheGreyValue) {
  const auto sample = [](int y, int x, int c) { return c == 0 ? y + x : 99; };
  EXPECT_EQ(DecodeLabelPng(MakePng(3, 3, 8, kGreyAlpha, false, sample))->Row(2)[1], 3);
}

TEST(Png, ColourLabelsAreRefused) {
  const auto sample = [](int, int, int) { return 0; };
  for (const int type : {kRgb, kRgba}) {
    const absl::Status status = DecodeLabelPng(MakePng(3, 3, 8, type, false, sample)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(status.message().find(type == kRgb ? "RGB" : "RGBA"), absl::string_view::npos);
  }
}

TEST(Png, PaletteRoundTrip) {
  LabelMap labels(3, 4);
  labels.values = {0, 1, 2, 255, 2, 1, 0, 255, 0, 0, 1, 1};
  const std::vector<Color> palette = {{10, 20, 30}, {40, 50, 60}, {70, 80, 90}};
  const absl::StatusOr<std::string> file = EncodePalettePng(labels, palette, {1, 2, 3});
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(*DecodeLabelPng(*file), labels);
  const Image colours = *DecodePng(*file);
  EXPECT_EQ(std::vector<uint8_t>(colours.pixels.begin(), colours.pixels.begin() + 12),
            (std::vector<uint8_t>{10, 20, 30, 40, 50, 60, 70, 80, 90, 1, 2, 3}));
  labels.values[5] = 3;
  EXPECT_EQ(EncodePalettePng(labels, palette).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(*DecodeLabelPng(EncodeLabelPng(labels)), labels);
}

TEST(Png, MalformedImagesThrow) {
  Image image(2, 2);
  image.pixels.pop_back();
  EXPECT_THROW(EncodePng(image), autograd::Error);
  EXPECT_THROW(EncodePng(Image(0, 3)), autograd::Error);
  EXPECT_THROW(EncodePng(Image(2, 2, 2)), autograd::Error);
}

TEST(Png, EveryTruncationIsAnError) {
  const std::string colour = EncodePng(NoiseImage(8, 9, 3, 3));
  const std::string interlaced = MakePng(
      9, 9, 4, kPalette, true, [](int y, int x, int) { return (y * x) & 15; }, PaletteChunk(16));
  for (const std::string& file : {colour, interlaced}) {
    for (size_t size = 0; size < file.size(); ++size) {
      EXPECT_FALSE(DecodePng(absl::string_view(file.data(), size)).ok()) << size;
      EXPECT_FALSE(DecodeLabelPng(absl::string_view(file.data(), size)).ok()) << size;
    }
  }
}

TEST(Png, DamageNeverCrashes) {
  const std::string file = MakePng(
      9, 9, 8, kPalette, true, [](int y, int x, int) { return y * x; }, PaletteChunk(256));
  for (int round = 0; round < 3000; ++round) {
    std::string damaged = file;
    for (int i = 0; i <= round % 4; ++i) {
      const autograd::PhiloxWords words = Philox(RandomKey(round), i);
      damaged[words.x % damaged.size()] = static_cast<char>(words.y);
    }
    (void)DecodePng(damaged);
    (void)DecodeLabelPng(damaged);
    (void)DecodeIndexPng(damaged);
  }
}

TEST(Png, HugeSizesAreRefusedBeforeAllocation) {
  std::string header;
  AppendBigEndian(header, 60000);
  AppendBigEndian(header, 60000);
  for (const int byte : {8, kRgb, 0, 0, 0}) header.push_back(static_cast<char>(byte));
  const std::string bomb = "\x89PNG\r\n\x1a\n" + Chunk("IHDR", header) + Chunk("IDAT", "x") + Chunk("IEND", "");
  EXPECT_EQ(DecodePng(bomb).status().code(), absl::StatusCode::kResourceExhausted);
  header.replace(0, 8, std::string("\0\0\x20\0\0\0\x20\0", 8));  // 8192 x 8192 fits the limit, but not the file
  const std::string thin = "\x89PNG\r\n\x1a\n" + Chunk("IHDR", header) + Chunk("IDAT", "x") + Chunk("IEND", "");
  EXPECT_EQ(DecodePng(thin).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace data
