#include "experiments/runner/batch_feed.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "autograd/testing/emulator/emulated_device.h"
#include "data/scenes/scene_dataset.h"

namespace experiments {
namespace {

std::unique_ptr<data::Loader> OpenLoader(const data::Dataset& dataset, int64_t epochs) {
  data::LoaderOptions options;
  options.batch_size = 2;
  options.epochs = epochs;
  return *data::Loader::Create(&dataset, {}, options);
}

// Every batch that the loader gives, prefetched or not, in its order, and then the loader's end.
void ExpectTheLoadersBatches(const data::Dataset& dataset) {
  const std::unique_ptr<data::Loader> expected = OpenLoader(dataset, 1), given = OpenLoader(dataset, 1);
  BatchFeed feed(*given);
  const void* address = nullptr;
  for (int i = 0; i < dataset.size() / 2; ++i) {
    const data::Batch batch = *expected->Next();
    ASSERT_TRUE(feed.Next().ok());
    EXPECT_EQ(feed.host().ids, batch.ids);
    EXPECT_EQ(feed.images().ToVector<float>(), batch.images);
    EXPECT_EQ(feed.labels().ToVector<uint8_t>(), batch.labels);
    if (i > 0) {
      EXPECT_EQ(feed.images().raw(), address);
    }
    address = feed.images().raw();
    if (i % 3 != 0) feed.Prefetch();
    EXPECT_EQ(feed.images().ToVector<float>(), batch.images);  // the coming batch lies elsewhere
  }
  feed.Prefetch();
  EXPECT_EQ(feed.Next().code(), absl::StatusCode::kOutOfRange);
}

TEST(BatchFeedTest, GivesTheLoadersBatchesInOrder) {
  data::SceneOptions scenes;
  scenes.training_size = 12;
  scenes.height = scenes.width = 32;
  const auto dataset = *data::SceneDataset::Create("train", scenes);
  ExpectTheLoadersBatches(*dataset);
  const auto stream = cuda_emulator::OpenEmulatedStream();
  const autograd::StreamScope scope(*stream);
  ExpectTheLoadersBatches(*dataset);
}

}  // namespace
}  // namespace experiments
