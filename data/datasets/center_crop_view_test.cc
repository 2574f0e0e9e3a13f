#include "data/datasets/center_crop_view.h"

#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "autograd/runtime/error.h"
#include "data/datasets/in_memory_dataset.h"
#include "data/transforms/resize.h"

namespace data {
namespace {

// Pixel (y, x) is (x, y, label), its label (x + y) mod 7.
Sample Marked(int height, int width) {
  Sample sample;
  sample.image = Image(height, width);
  sample.label = LabelMap(height, width);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      uint8_t* const pixel = sample.image.Row(y) + 3 * x;
      pixel[0] = static_cast<uint8_t>(x);
      pixel[1] = static_cast<uint8_t>(y);
      sample.label.Row(y)[x] = pixel[2] = static_cast<uint8_t>((x + y) % 7);
    }
  }
  sample.id = "marked";
  return sample;
}

std::unique_ptr<CenterCropView> ViewOf(std::vector<Sample> samples, int side) {
  DatasetInfo info;
  info.name = "marked";
  info.class_names.assign(7, "class");
  absl::StatusOr<std::unique_ptr<InMemoryDataset>> base = InMemoryDataset::Create(info, std::move(samples));
  EXPECT_TRUE(base.ok()) << base.status();
  return std::make_unique<CenterCropView>(*std::move(base), side);
}

// Where the short side is as asked for, nothing is resized.
TEST(CenterCropView, TakesTheMiddleSquare) {
  const auto view = ViewOf({Marked(6, 11), Marked(9, 6), Marked(6, 6)}, 6);
  ASSERT_EQ(view->size(), 3);
  EXPECT_EQ(view->info().name, "marked");
  const Window middles[] = {{0, 2, 6, 6}, {1, 0, 6, 6}, {0, 0, 6, 6}};
  const Sample originals[] = {Marked(6, 11), Marked(9, 6), Marked(6, 6)};
  for (int i = 0; i < 3; ++i) {
    const absl::StatusOr<Sample> sample = view->Load(i);
    ASSERT_TRUE(sample.ok()) << sample.status();
    EXPECT_EQ(sample->image, CropImage(originals[i].image, middles[i]));
    EXPECT_EQ(sample->label, CropLabel(originals[i].label, middles[i]));
    EXPECT_EQ(sample->index, i);
    EXPECT_EQ(sample->id, "marked");
  }
}

// 375 x 500 with a short side of 512 is 512 x ⌊682.67⌋; a third of the pixels' size, and a larger image.
TEST(CenterCropView, ResizesTheShortSide) {
  const struct {
    int height, width, side, resized_height, resized_width, top, left;
  } rows[] = {{375, 500, 512, 512, 682, 0, 85},
              {500, 375, 512, 682, 512, 85, 0},
              {30, 40, 10, 10, 13, 0, 1},
              {5, 5, 12, 12, 12, 0, 0}};
  for (const auto& row : rows) {
    const Sample original = Marked(row.height, row.width);
    const absl::StatusOr<Sample> sample = ViewOf({original}, row.side)->Load(0);
    ASSERT_TRUE(sample.ok()) << sample.status();
    const Window middle = {row.top, row.left, row.side, row.side};
    EXPECT_EQ(sample->image, CropImage(ResizeImage(original.image, row.resized_height, row.resized_width), middle));
    EXPECT_EQ(sample->label, CropLabel(ResizeLabel(original.label, row.resized_height, row.resized_width), middle));
  }
}

TEST(CenterCropView, ErrorsAreTheBases) {
  const auto view = ViewOf({Marked(6, 11)}, 6);
  EXPECT_EQ(view->Load(1).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_TRUE(view->CheckFiles().ok());
  EXPECT_THROW(ViewOf({}, 0), autograd::Error);
}

}  // namespace
}  // namespace data
