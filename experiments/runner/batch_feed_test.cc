#include "experiments/runner/batch_feed.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "autograd/testing/emulator/deferred_stream.h"
#include "autograd/testing/emulator/emulated_device.h"
#include "data/scenes/scene_dataset.h"

namespace experiments {
namespace {

std::unique_ptr<data::Loader> OpenLoader(const data::Dataset& dataset, int64_t epochs, bool drop_last = true) {
  data::LoaderOptions options;
  options.batch_size = 2;
  options.drop_last = drop_last;
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

// A step is in flight while the next batch is uploaded, and lets go of arrays as large as that batch before it has run:
// memory that the upload's arrays get. Each epoch ends with a batch of one.
TEST(BatchFeedTest, AnUploadLeavesAStepInFlightAlone) {
  data::SceneOptions scenes;
  scenes.training_size = 5;
  scenes.height = scenes.width = 32;
  const auto dataset = *data::SceneDataset::Create("train", scenes);
  using Order = cuda_emulator::QueueOrder;
  for (const auto& [order, seed] : {std::pair(Order::kOpenedFirst, 0),
                                    {Order::kOpenedLast, 0},
                                    {Order::kRandom, 1},
                                    {Order::kRandom, 2},
                                    {Order::kRandom, 3}}) {
    SCOPED_TRACE("order " + std::to_string(static_cast<int>(order)) + ", seed " + std::to_string(seed));
    const auto stream = cuda_emulator::OpenDeferredStream(order, seed);
    const autograd::StreamScope scope(*stream);
    const std::unique_ptr<data::Loader> expected = OpenLoader(*dataset, 3, false),
                                        given = OpenLoader(*dataset, 3, false);
    BatchFeed feed(*given);
    std::set<int64_t> sizes;
    for (int i = 0; i < 9; ++i) {
      const data::Batch batch = *expected->Next();
      sizes.insert(batch.size);
      ASSERT_TRUE(feed.Next().ok());
      autograd::Array images = EmptyLike(feed.images()), labels = EmptyLike(feed.labels());
      {
        const autograd::Array all = feed.images().Copy(), all_labels = feed.labels().Copy();
        images.CopyFrom(all);
        labels.CopyFrom(all_labels);
        const autograd::Array first = all.Slice(0, 1).Copy(), first_labels = all_labels.Slice(0, 1).Copy();
        images.Slice(0, 1).CopyFrom(first);
        labels.Slice(0, 1).CopyFrom(first_labels);
      }
      feed.Prefetch();
      EXPECT_EQ(images.ToVector<float>(), batch.images) << "batch " << i;
      EXPECT_EQ(labels.ToVector<uint8_t>(), batch.labels) << "batch " << i;
      EXPECT_EQ(feed.images().ToVector<float>(), batch.images) << "batch " << i;
      EXPECT_EQ(feed.labels().ToVector<uint8_t>(), batch.labels) << "batch " << i;
    }
    EXPECT_EQ(sizes, (std::set<int64_t>{1, 2}));
  }
}

}  // namespace
}  // namespace experiments
