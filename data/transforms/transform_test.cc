#include "data/transforms/transform.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <vector>

#include "autograd/runtime/error.h"
#include "autograd/runtime/random.h"
#include "data/transforms/color.h"
#include "data/transforms/normalize.h"
#include "data/transforms/resize.h"
#include "gtest/gtest.h"

namespace data {
namespace {

using autograd::RandomKey;

// Labels in stripes of `stripe` columns, and an image whose channels are column, row and label, so that what
// happened to a pixel can be read off it.
Sample MarkedSample(int height, int width, int stripe = 8) {
  Sample sample;
  sample.image = Image(height, width);
  sample.label = LabelMap(height, width);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const uint8_t label = static_cast<uint8_t>(x / stripe);
      sample.label.Row(y)[x] = label;
      uint8_t* pixel = sample.image.Row(y) + 3 * x;
      pixel[0] = static_cast<uint8_t>(x);
      pixel[1] = static_cast<uint8_t>(y);
      pixel[2] = label;
    }
  }
  return sample;
}

bool operator==(const Sample& a, const Sample& b) { return a.image == b.image && a.label == b.label; }

TEST(FitSize, KeepsTheRatioAndRounds) {
  const auto fit = [](int height, int width, int long_side, int short_side, double scale) {
    const Size size = FitSize(height, width, long_side, short_side, scale);
    return std::pair{size.height, size.width};
  };
  EXPECT_EQ(fit(375, 500, 520, 520, 1.0), (std::pair{390, 520}));   // the long side binds
  EXPECT_EQ(fit(375, 500, 2048, 512, 1.0), (std::pair{512, 683}));  // the short side binds: 682.67
  EXPECT_EQ(fit(500, 375, 512, 2048, 1.0), (std::pair{683, 512}));
  EXPECT_EQ(fit(1080, 1920, 2048, 1024, 1.0), (std::pair{1024, 1820}));  // datasets.md, section 7
  EXPECT_EQ(fit(375, 500, 520, 520, 0.5), (std::pair{195, 260}));
  EXPECT_EQ(fit(1, 1000, 10, 10, 0.5), (std::pair{1, 5}));  // never empty
}

TEST(FitResize, ScalesCoverTheRange) {
  const Transform transform =
      FitResize({.long_side = 40, .short_side = 40, .smallest_scale = 0.5, .largest_scale = 2.0});
  double smallest = 1e9, largest = 0, sum = 0;
  for (uint64_t i = 0; i < 400; ++i) {
    Sample sample = MarkedSample(30, 40);
    transform(RandomKey(i), sample);
    ASSERT_EQ(sample.label.width, sample.image.width);
    ASSERT_NEAR(sample.image.height, sample.image.width * 0.75, 1.0);
    const double scale = sample.image.width / 40.0;
    smallest = std::min(smallest, scale);
    largest = std::max(largest, scale);
    sum += scale;
  }
  EXPECT_NEAR(smallest, 0.5, 0.03);
  EXPECT_NEAR(largest, 2.0, 0.03);
  EXPECT_NEAR(sum / 400, 1.25, 0.11);  // five standard deviations
}

TEST(RandomCrop, WindowsAreUniformAndAligned) {
  const Transform transform = RandomCrop({.height = 10, .width = 12, .largest_share = 1});
  std::set<int> tops, lefts;
  for (uint64_t i = 0; i < 300; ++i) {
    Sample sample = MarkedSample(13, 16, 1);
    transform(RandomKey(i), sample);
    ASSERT_EQ(sample.image.height, 10);
    ASSERT_EQ(sample.image.width, 12);
    const int left = sample.image.pixels[0], top = sample.image.pixels[1];
    tops.insert(top);
    lefts.insert(left);
    for (int y = 0; y < 10; ++y) {
      for (int x = 0; x < 12; ++x) {
        ASSERT_EQ(sample.label.Row(y)[x], left + x);
        ASSERT_EQ(sample.image.Row(y)[3 * x + 1], top + y);
      }
    }
  }
  EXPECT_EQ(tops, (std::set<int>{0, 1, 2, 3}));
  EXPECT_EQ(lefts, (std::set<int>{0, 1, 2, 3, 4}));
}

TEST(RandomCrop, SmallImagesAreKeptWhole) {
  Sample sample = MarkedSample(5, 30);
  RandomCrop({.height = 10, .width = 12})(RandomKey(1), sample);
  EXPECT_EQ(sample.image.height, 5);
  EXPECT_EQ(sample.image.width, 12);
}

// Left three quarters one class, the rest mixed: without the rule most windows see one class only.
TEST(RandomCrop, AvoidsWindowsOfOneClass) {
  const auto share_of_uniform = [](double largest_share) {
    const Transform transform = RandomCrop({.height = 8, .width = 8, .largest_share = largest_share});
    int uniform = 0;
    for (uint64_t i = 0; i < 500; ++i) {
      Sample sample = MarkedSample(8, 80);
      for (int y = 0; y < 8; ++y) {
        for (int x = 0; x < 80; ++x) sample.label.Row(y)[x] = x < 60 ? 0 : static_cast<uint8_t>(x % 5);
      }
      transform(RandomKey(i), sample);
      uniform += std::count(sample.label.values.begin(), sample.label.values.end(), 0) > 48;
    }
    return uniform / 500.0;
  };
  EXPECT_GT(share_of_uniform(1.0), 0.6);
  EXPECT_LT(share_of_uniform(0.75), 0.08);
}

// Void does not count: one class and void is a window of one class; two classes beside much void are mixed.
TEST(RandomCrop, VoidDoesNotCount) {
  const Transform transform = RandomCrop({.height = 4, .width = 4});
  for (const uint8_t second : {uint8_t{0}, uint8_t{3}}) {
    std::set<int> positions;
    for (uint64_t i = 0; i < 200; ++i) {
      Sample sample = MarkedSample(4, 40, 1);
      for (int y = 0; y < 4; ++y) {
        for (int x = 0; x < 40; ++x) sample.label.Row(y)[x] = x == 5 ? 0 : x == 6 ? second : x < 20 ? kVoidLabel : 7;
      }
      transform(RandomKey(i), sample);
      positions.insert(sample.image.pixels[0]);
    }
    // With two classes at 5 and 6 the windows 3, 4 and 5 are the only good ones besides those at 17..19's
    // border.
    int near = 0;
    for (const int left : positions) near += left >= 3 && left <= 5;
    EXPECT_EQ(near > 0, true);
    if (second == 3) {
      EXPECT_EQ(near, 3);
    }
  }
}

TEST(FitResizeAndCrop, EqualsTheTwoSteps) {
  const Transform fused = FitResizeAndCrop({.long_side = 60, .short_side = 60, .crop_height = 32, .crop_width = 32});
  for (uint64_t i = 0; i < 30; ++i) {
    Sample sample = MarkedSample(45, 60, 10);
    fused(RandomKey(i), sample);
    ASSERT_LE(sample.image.height, 32);
    // Find the scale and the window again: the result must be a crop of a resize.
    RandomKey key(i);
    const double scale = 0.5 + 1.5 * autograd::UniformFloat(autograd::Philox(key, 0).x);
    const Size size = FitSize(45, 60, 60, 60, scale);
    const Sample original = MarkedSample(45, 60, 10);
    const Image image = ResizeImage(original.image, size.height, size.width);
    const LabelMap label = ResizeLabel(original.label, size.height, size.width);
    int matches = 0;
    for (int top = 0; top + sample.image.height <= size.height; ++top) {
      for (int left = 0; left + sample.image.width <= size.width; ++left) {
        const Window window = {top, left, sample.image.height, sample.image.width};
        matches += CropImage(image, window) == sample.image && CropLabel(label, window) == sample.label;
      }
    }
    EXPECT_GE(matches, 1) << i;
    EXPECT_EQ(sample.image.height, std::min(32, size.height));
    EXPECT_EQ(sample.image.width, std::min(32, size.width));
  }
}

// What was cut out, from the geometry; and that the sample is what the geometry says.
Window PartOf(const Sample& original, const RandomKey& key, const RandomResizedCropOptions& options) {
  Sample sample = original;
  const Geometry geometry = TransformPipeline{RandomResizedCrop(options)}.Apply(key, sample);
  EXPECT_EQ(geometry.size(), 2u);
  EXPECT_EQ(geometry[0].name, "crop");
  EXPECT_EQ(geometry[1].name, "resize");
  EXPECT_EQ(geometry[1].numbers, (std::vector<int>{options.height, options.width}));
  const std::vector<int>& n = geometry[0].numbers;
  const Window part = {n[0], n[1], n[2], n[3]};
  EXPECT_EQ(sample.label, ResizeLabel(CropLabel(original.label, part), options.height, options.width));
  EXPECT_EQ(sample.image, ResizeImage(CropImage(original.image, part), options.height, options.width));
  return part;
}

TEST(RandomResizedCrop, AreasRatiosAndPlaces) {
  const Sample original = MarkedSample(100, 100, 10);
  double smallest = 1e9, largest = 0, narrowest = 1e9, widest = 0;
  int wide = 0, high = 0;
  for (uint64_t i = 0; i < 2000; ++i) {
    const Window part =
        PartOf(original, RandomKey(i), {.height = 6, .width = 8, .smallest_area = 0.1, .largest_area = 0.5});
    const double area = part.height * part.width / 1e4, ratio = static_cast<double>(part.width) / part.height;
    smallest = std::min(smallest, area);
    largest = std::max(largest, area);
    narrowest = std::min(narrowest, ratio);
    widest = std::max(widest, ratio);
    wide += ratio > 1;
    high += 2 * part.top < 100 - part.height;
  }
  // Sides are rounded to whole pixels, of 27 at least.
  EXPECT_NEAR(smallest, 0.1, 0.01);
  EXPECT_NEAR(largest, 0.5, 0.01);
  EXPECT_NEAR(narrowest, 0.75, 0.03);
  EXPECT_NEAR(widest, 4.0 / 3, 0.05);
  // The logarithm of the ratio is symmetric, and so are places, but for the few in the middle: five standard deviations
  // and the share of square and middle parts, 1 in 20 at most.
  EXPECT_NEAR(wide, 1000, 112 + 50);
  EXPECT_NEAR(high, 1000, 112 + 50);
}

// With areas of twice the image nothing fits: the largest part in the middle of a ratio from 3/4 to 4/3.
TEST(RandomResizedCrop, FallsBackToTheMiddle) {
  const auto part = [](int height, int width) {
    const Window window = PartOf(MarkedSample(height, width), RandomKey(1),
                                 {.height = 5, .width = 5, .smallest_area = 2, .largest_area = 2});
    return std::vector<int>{window.top, window.left, window.height, window.width};
  };
  EXPECT_EQ(part(30, 100), (std::vector<int>{0, 30, 30, 40}));
  EXPECT_EQ(part(100, 30), (std::vector<int>{30, 0, 40, 30}));
  EXPECT_EQ(part(60, 75), (std::vector<int>{0, 0, 60, 75}));
  EXPECT_EQ(part(1, 1), (std::vector<int>{0, 0, 1, 1}));
}

// PLOP's areas, from a half to twice the image's. With r uniform in its logarithm on [3/4, 4/3] a try fits into a
// square where the area is at most min(r, 1/r), which is the mean of (e^−|log r| − ½) / 1.5 = 0.246 of the tries, and
// ten fail in 0.0594 of all cases; a part of that size is drawn in 1 of 100 at most.
TEST(RandomResizedCrop, OftenFitsWithPlopsAreas) {
  int whole = 0;
  for (uint64_t i = 0; i < 2000; ++i) {
    const Window part = PartOf(MarkedSample(64, 64), RandomKey(i), {.height = 8, .width = 8});
    EXPECT_GE(part.height * part.width, 0.5 * 64 * 64 - 64);
    whole += part.height == 64 && part.width == 64;
  }
  EXPECT_NEAR(whole, 119, 5 * std::sqrt(2000 * 0.0594 * 0.9406) + 20);
}

// 40 high and 60 wide, times the scale, whatever the image's ratio.
TEST(FitResizeAndCrop, MayLeaveTheRatio) {
  const Transform whole = FitResizeAndCrop({.long_side = 60,
                                            .short_side = 40,
                                            .crop_height = 1000,
                                            .crop_width = 1000,
                                            .smallest_scale = 0.75,
                                            .largest_scale = 1.25,
                                            .keep_ratio = false});
  std::set<int> heights;
  for (uint64_t i = 0; i < 20; ++i) {
    Sample sample = MarkedSample(90, 31, 10);
    whole(RandomKey(i), sample);
    const double scale = 0.75 + 0.5 * autograd::UniformFloat(autograd::Philox(RandomKey(i), 0).x);
    EXPECT_EQ(sample.image.height, static_cast<int>(std::floor(40 * scale + 0.5)));
    EXPECT_EQ(sample.image.width, static_cast<int>(std::floor(60 * scale + 0.5)));
    EXPECT_EQ(sample.label.width, sample.image.width);
    heights.insert(sample.image.height);
  }
  EXPECT_GT(heights.size(), 5u);
}

TEST(CenterCrop, TakesTheMiddle) {
  Sample sample = MarkedSample(7, 10, 1);
  CenterCrop(4, 4)(RandomKey(0), sample);
  EXPECT_EQ(sample.label.values[0], 3);
  EXPECT_EQ(sample.image.pixels[1], 1);
  CenterCrop(100, 2)(RandomKey(0), sample);
  EXPECT_EQ(sample.image.height, 4);
  EXPECT_EQ(sample.image.width, 2);
}

TEST(HorizontalFlip, ExchangesTheMirroredClassesOfADataset) {
  DatasetInfo info;
  info.mirrored_classes = {0, 2, 1, 3};
  Sample sample = MarkedSample(3, 6, 1), by_pairs = sample;
  sample.label.Row(1)[0] = by_pairs.label.Row(1)[0] = kVoidLabel;
  sample.label.Row(1)[1] = by_pairs.label.Row(1)[1] = 2;
  HorizontalFlip(1.0f, MirroredPairs(info))(RandomKey(0), sample);
  EXPECT_EQ(sample.label.Row(1)[4], 1);
  EXPECT_EQ(sample.label.Row(1)[5], kVoidLabel);
  HorizontalFlip(1.0f, {{1, 2}})(RandomKey(0), by_pairs);
  EXPECT_TRUE(sample == by_pairs);
  // A rotation of classes is no mirror.
  info.mirrored_classes = {1, 2, 0};
  EXPECT_THROW(MirroredPairs(info), autograd::Error);
}

TEST(HorizontalFlip, MirrorsAndExchangesSides) {
  const Transform always = HorizontalFlip(1.0f, {{14, 15}, {1, 2}});
  for (const int width : {5, 6}) {
    Sample sample = MarkedSample(3, width, 1);
    sample.label.Row(1)[0] = 14;
    sample.label.Row(1)[1] = kVoidLabel;
    const Sample original = sample;
    always(RandomKey(0), sample);
    for (int x = 0; x < width; ++x) EXPECT_EQ(sample.image.Row(2)[3 * x], width - 1 - x);
    EXPECT_EQ(sample.label.Row(1)[width - 1], 15);
    EXPECT_EQ(sample.label.Row(1)[width - 2], kVoidLabel);
    EXPECT_EQ(sample.label.Row(0)[width - 2], 2);
    EXPECT_EQ(sample.label.Row(0)[width - 3], 1);
    always(RandomKey(1), sample);
    EXPECT_TRUE(sample == original);
  }
  int flipped = 0;
  const Transform half = HorizontalFlip(0.5f);
  for (uint64_t i = 0; i < 1000; ++i) {
    Sample sample = MarkedSample(1, 2);
    half(RandomKey(i), sample);
    flipped += sample.image.pixels[0] == 1;
  }
  EXPECT_NEAR(flipped, 500, 80);
}

// One part at a time, forced, on a grey step: the draws must cover the documented ranges.
TEST(PhotometricDistortion, RangesOfEachPart) {
  const auto range_of = [](const PhotometricOptions& options, const std::vector<uint8_t>& color, auto measure) {
    double low = 1e9, high = -1e9;
    for (uint64_t i = 0; i < 2000; ++i) {
      Sample sample;
      sample.image = Image(1, 1);
      sample.image.pixels = color;
      sample.label = LabelMap(1, 1);
      PhotometricDistortion(options)(RandomKey(i), sample);
      const double value = measure(sample.image.pixels);
      low = std::min(low, value);
      high = std::max(high, value);
    }
    return std::pair{low, high};
  };
  const PhotometricOptions off = {.probability = 1,
                                  .brightness = 0,
                                  .smallest_contrast = 0,
                                  .largest_contrast = 0,
                                  .smallest_saturation = 0,
                                  .largest_saturation = 0,
                                  .hue = 0};
  const auto red = [](const std::vector<uint8_t>& p) { return double{1} * p[0]; };
  EXPECT_EQ(range_of(off, {100, 100, 100}, red), (std::pair{100.0, 100.0}));

  PhotometricOptions brightness = off;
  brightness.brightness = 32;
  EXPECT_EQ(range_of(brightness, {100, 100, 100}, red), (std::pair{68.0, 131.0}));  // floor of 100 - 32 .. 100 + 32

  PhotometricOptions contrast = off;
  contrast.smallest_contrast = 0.5f;
  contrast.largest_contrast = 1.5f;
  EXPECT_EQ(range_of(contrast, {100, 100, 100}, red), (std::pair{50.0, 149.0}));

  PhotometricOptions saturation = off;
  saturation.smallest_saturation = 0.5f;
  saturation.largest_saturation = 1.5f;
  const auto [pale, deep] = range_of(saturation, {200, 100, 100}, [](const std::vector<uint8_t>& p) {
    return static_cast<double>(RgbToHsv(p[0], p[1], p[2])[1]);
  });
  EXPECT_NEAR(pale, 128 * 0.5, 2);
  EXPECT_NEAR(deep, 128 * 1.5, 2);

  PhotometricOptions hue = off;
  hue.hue = 18;
  const auto [first, last] = range_of(hue, {0, 255, 0}, [](const std::vector<uint8_t>& p) {
    return static_cast<double>(RgbToHsv(p[0], p[1], p[2])[0]);
  });
  EXPECT_EQ(first, 60 - 18);
  EXPECT_EQ(last, 60 + 17);
}

// Of the sixteen combinations of four parts one changes nothing.
TEST(PhotometricDistortion, EachPartHappensHalfTheTime) {
  int unchanged = 0;
  for (uint64_t i = 0; i < 4000; ++i) {
    Sample sample = MarkedSample(1, 1);
    sample.image.pixels = {200, 120, 40};  // far from grey, so that saturation and hue show
    const Sample before = sample;
    PhotometricDistortion({})(RandomKey(i), sample);
    ASSERT_EQ(sample.label, before.label);
    unchanged += sample.image == before.image;
  }
  EXPECT_NEAR(unchanged / 4000.0, 1.0 / 16, 0.03);  // a little more: small changes round away
}

TEST(Pad, FillsBottomAndRight) {
  Sample sample = MarkedSample(2, 3);
  Pad(4, 4, {9, 8, 7})(RandomKey(0), sample);
  EXPECT_EQ(sample.image.height, 4);
  EXPECT_EQ(sample.image.width, 4);
  EXPECT_EQ(sample.image.Row(1)[3 * 2], 2);
  EXPECT_EQ(sample.image.Row(1)[3 * 3 + 1], 8);
  EXPECT_EQ(sample.image.Row(3)[0], 9);
  EXPECT_EQ(sample.label.Row(1)[2], 0);
  EXPECT_EQ(sample.label.Row(1)[3], kVoidLabel);
  EXPECT_EQ(sample.label.Row(2)[0], kVoidLabel);
  Pad(1, 1)(RandomKey(0), sample);
  EXPECT_EQ(sample.image.height, 4);
}

TEST(TransformPipeline, DependsOnTheKeyOnly) {
  const TransformPipeline pipeline = {
      FitResizeAndCrop({.long_side = 50, .short_side = 50, .crop_height = 24, .crop_width = 24}), HorizontalFlip(0.5f),
      PhotometricDistortion({})};
  int distinct = 0;
  Sample previous;
  for (uint64_t i = 0; i < 20; ++i) {
    Sample a = MarkedSample(40, 50), b = MarkedSample(40, 50);
    pipeline.Apply(RandomKey(5).Split(i), a);
    pipeline.Apply(RandomKey(5).Split(i), b);
    EXPECT_TRUE(a == b);
    distinct += !(a == previous);
    previous = a;
  }
  EXPECT_EQ(distinct, 20);
}

TEST(Normalize, ValuesPaddingAndWayBack) {
  Normalization normalization;
  normalization.mean = {10, 20, 30};
  normalization.standard_deviation = {2, 4, 5};
  const Sample sample = MarkedSample(3, 5, 2);
  std::vector<float> out(4 * 7 * 3, -99.0f);
  NormalizeInto(sample.image, normalization, 4, 7, out.data());
  EXPECT_EQ(out[(2 * 7 + 4) * 3 + 0], (4 - 10) / 2.0f);
  EXPECT_EQ(out[(2 * 7 + 4) * 3 + 1], (2 - 20) / 4.0f);
  EXPECT_EQ(out[(2 * 7 + 4) * 3 + 2], (2 - 30) / 5.0f);
  EXPECT_EQ(out[(2 * 7 + 5) * 3], 0.0f);
  EXPECT_EQ(out[(3 * 7 + 0) * 3 + 2], 0.0f);
  EXPECT_EQ(std::count(out.begin(), out.end(), -99.0f), 0);
  std::vector<uint8_t> labels(4 * 7, 77);
  PadLabelInto(sample.label, 4, 7, labels.data());
  EXPECT_EQ(labels[2 * 7 + 4], 2);
  EXPECT_EQ(labels[2 * 7 + 5], kVoidLabel);
  EXPECT_EQ(labels[3 * 7], kVoidLabel);
  EXPECT_EQ(CropImage(Denormalize(out.data(), normalization, 4, 7), {0, 0, 3, 5}), sample.image);
  EXPECT_THROW(NormalizeInto(sample.image, normalization, 2, 7, out.data()), autograd::Error);
  EXPECT_THROW(PadLabelInto(sample.label, 4, 4, labels.data()), autograd::Error);
}

TEST(Transforms, MisuseThrows) {
  EXPECT_THROW(Resize(0, 5), autograd::Error);
  EXPECT_THROW(FitResize({.long_side = 10}), autograd::Error);
  EXPECT_THROW(RandomCrop({.height = 10}), autograd::Error);
  EXPECT_THROW(RandomResizedCrop({.height = 10}), autograd::Error);
  EXPECT_THROW(RandomResizedCrop({.height = 10, .width = 10, .smallest_area = 2, .largest_area = 1}), autograd::Error);
  EXPECT_THROW(FitResizeAndCrop({.long_side = 5,
                                 .short_side = 5,
                                 .crop_height = 2,
                                 .crop_width = 2,
                                 .smallest_scale = 2,
                                 .largest_scale = 1}),
               autograd::Error);
}

}  // namespace
}  // namespace data
