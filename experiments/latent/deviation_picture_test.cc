#include "experiments/latent/deviation_picture.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "autograd/core/array.h"

namespace experiments::latent {
namespace {

using autograd::Array;

data::Color At(const data::Image& image, int y, int x) {
  const uint8_t* pixel = image.Row(y) + 3 * x;
  return {pixel[0], pixel[1], pixel[2]};
}

TEST(DeviationPictureTest, ColoursAreLogSigmaSortedByTheLastMoment) {
  // Three channels, two moments, and two that the run has not come to.
  const std::vector<float> sigma = {1, 1, 1, 4, 0.25, 1, 0, 0, 0, 0, 0, 0};
  const data::Image picture = DrawDeviations(Array::From({4, 3}, sigma));
  const int margin = 8, width = picture.width - 2 * margin;
  for (int channel = 0; channel < 3; ++channel)
    EXPECT_EQ(At(picture, margin, margin + width * (2 * channel + 1) / 6), (data::Color{255, 255, 255}));
  const int last = margin + 6 + 3;                                                 // in the second row of six pixels
  EXPECT_EQ(At(picture, last, margin + width / 6), (data::Color{0, 0, 255}));      // 0.25, the smallest
  EXPECT_EQ(At(picture, last, margin + width / 2), (data::Color{255, 255, 255}));  // 1
  EXPECT_EQ(At(picture, last, margin + 5 * width / 6), (data::Color{255, 0, 0}));  // 4
}

TEST(DeviationPictureTest, NothingOfNoMoment) {
  EXPECT_EQ(DrawDeviations(Array::Zeros({4, 3}, autograd::kFloat32)).height, 0);
}

}  // namespace
}  // namespace experiments::latent
