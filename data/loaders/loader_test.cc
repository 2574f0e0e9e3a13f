#include "data/loaders/loader.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "data/datasets/in_memory_dataset.h"
#include "data/transforms/resize.h"
#include "gtest/gtest.h"

namespace data {
namespace {

using autograd::RandomKey;

// Sample i is 6 + i % 3 rows by 8 columns, all of value i.
std::unique_ptr<Dataset> Numbered(int count, bool same_size = false) {
  DatasetInfo info;
  info.name = "numbered";
  info.class_names = {"a", "b", "c"};
  info.mean = {0, 0, 0};
  info.standard_deviation = {1, 1, 1};
  std::vector<Sample> samples(count);
  for (int i = 0; i < count; ++i) {
    samples[i].image = Image(same_size ? 6 : 6 + i % 3, 8);
    samples[i].label = LabelMap(samples[i].image.height, 8, static_cast<uint8_t>(i % 3));
    std::fill(samples[i].image.pixels.begin(), samples[i].image.pixels.end(), static_cast<uint8_t>(i));
    samples[i].id = absl::StrCat("sample", i);
  }
  auto dataset = InMemoryDataset::Create(info, std::move(samples));
  EXPECT_TRUE(dataset.ok()) << dataset.status();
  return *std::move(dataset);
}

// Fails on some indices, with the error a file would give.
class Faulty : public Dataset {
 public:
  Faulty(std::unique_ptr<Dataset> base, std::set<int64_t> broken)
      : base_(std::move(base)), broken_(std::move(broken)) {}
  const DatasetInfo& info() const override { return base_->info(); }
  int64_t size() const override { return base_->size(); }
  absl::StatusOr<Sample> Load(int64_t index) const override {
    if (broken_.count(index)) return absl::DataLossError(absl::StrCat("'file", index, ".png': damaged"));
    return base_->Load(index);
  }

 private:
  const std::unique_ptr<Dataset> base_;
  const std::set<int64_t> broken_;
};

// The dataset's own label maps, taken through the geometry of a batch, are the batch's: for those who have only the
// labels.
TEST(LoaderTest, GeometryLeadsFromTheDatasetToTheBatch) {
  constexpr int kCount = 12;
  std::vector<Sample> samples(kCount);
  for (int i = 0; i < kCount; ++i) {
    samples[i].image = Image(20 + i, 30 - i);
    samples[i].label = LabelMap(20 + i, 30 - i);
    for (size_t p = 0; p < samples[i].label.values.size(); ++p)
      samples[i].label.values[p] = static_cast<uint8_t>(autograd::Philox(RandomKey(i), p).x % 3);
    samples[i].id = absl::StrCat("sample", i);
  }
  DatasetInfo info;
  info.class_names = {"a", "b", "c"};
  const auto dataset = InMemoryDataset::Create(info, std::move(samples));
  const TransformPipeline pipelines[] = {
      {FitResizeAndCrop({.long_side = 40, .short_side = 30, .crop_height = 24, .crop_width = 20}),
       HorizontalFlip(0.5f, {{0, 2}}), PhotometricDistortion({})},
      {FitResize({.long_side = 30, .short_side = 30}), RandomCrop({.height = 16, .width = 18}), Pad(18, 10),
       HorizontalFlip(0.5f), CenterCrop(14, 15), Resize(22, 21)}};
  std::map<std::string, int> steps_seen;
  for (const TransformPipeline& pipeline : pipelines) {
    LoaderOptions options;
    options.batch_size = kCount;
    options.height = 25;
    options.width = 26;
    options.shuffle = true;
    auto loader = Loader::Create(dataset->get(), pipeline, options);
    const Batch batch = (*loader)->Next().value();
    ASSERT_EQ(batch.geometries.size(), size_t{kCount});
    for (int i = 0; i < kCount; ++i) {
      LabelMap label = (*dataset)->Load(batch.indices[i])->label;
      for (const GeometryStep& step : batch.geometries[i]) {
        ++steps_seen[step.name];
        const std::vector<int>& n = step.numbers;
        if (step.name == "resize") label = ResizeLabel(label, n.at(0), n.at(1));
        if (step.name == "crop") label = CropLabel(label, {n.at(0), n.at(1), n.at(2), n.at(3)});
        if (step.name == "exchange") {
          for (uint8_t& value : label.values)
            value = static_cast<uint8_t>(value == n[0] ? n[1] : value == n[1] ? n[0] : value);
        }
        if (step.name == "mirror") {
          for (int y = 0; y < label.height; ++y) std::reverse(label.Row(y), label.Row(y) + label.width);
        }
        if (step.name == "pad") {
          LabelMap padded(n.at(0), n.at(1), kVoidLabel);
          for (int y = 0; y < label.height; ++y) std::copy_n(label.Row(y), label.width, padded.Row(y));
          label = padded;
        }
      }
      const auto expected = batch.labels.begin() + int64_t{i} * 25 * 26;
      EXPECT_EQ(label.values, std::vector<uint8_t>(expected, expected + 25 * 26)) << batch.ids[i];
    }
  }
  EXPECT_EQ(steps_seen.size(), 5u);
}

TransformPipeline Augmentation() {
  return {RandomCrop({.height = 5, .width = 6, .largest_share = 1}), HorizontalFlip(0.5f), PhotometricDistortion({})};
}

std::unique_ptr<Loader> Make(const Dataset& dataset, const TransformPipeline& pipeline, const LoaderOptions& options) {
  auto loader = Loader::Create(&dataset, pipeline, options);
  EXPECT_TRUE(loader.ok()) << loader.status();
  return *std::move(loader);
}

std::vector<Batch> Take(Loader& loader, int count) {
  std::vector<Batch> batches;
  for (int i = 0; i < count; ++i) {
    absl::StatusOr<Batch> batch = loader.Next();
    EXPECT_TRUE(batch.ok()) << batch.status();
    if (batch.ok()) batches.push_back(*std::move(batch));
  }
  return batches;
}

void ExpectEqual(const std::vector<Batch>& a, const std::vector<Batch>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].number, b[i].number);
    EXPECT_EQ(a[i].indices, b[i].indices);
    EXPECT_EQ(a[i].ids, b[i].ids);
    EXPECT_EQ(a[i].images, b[i].images);
    EXPECT_EQ(a[i].labels, b[i].labels);
  }
}

std::vector<int64_t> Indices(const std::vector<Batch>& batches) {
  std::vector<int64_t> indices;
  for (const Batch& batch : batches) indices.insert(indices.end(), batch.indices.begin(), batch.indices.end());
  return indices;
}

TEST(Loader, PutsBatchesTogether) {
  const auto dataset = Numbered(7);
  LoaderOptions options;
  options.batch_size = 3;
  const auto loader = Make(*dataset, {}, options);
  EXPECT_EQ(loader->batches_per_epoch(), 2);
  const absl::StatusOr<Batch> batch = loader->Next();
  ASSERT_TRUE(batch.ok()) << batch.status();
  EXPECT_EQ(batch->size, 3);
  EXPECT_EQ(batch->height, 8);  // the largest of 6, 7, 8
  EXPECT_EQ(batch->width, 8);
  EXPECT_EQ(batch->indices, (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(batch->ids[2], "sample2");
  ASSERT_EQ(batch->images.size(), 3u * 8 * 8 * 3);
  ASSERT_EQ(batch->labels.size(), 3u * 8 * 8);
  EXPECT_EQ(batch->images[8 * 8 * 3 * 2 + 5], 2.0f);
  EXPECT_EQ(batch->images[8 * 8 * 3 + (7 * 8) * 3], 0.0f);  // below the second image's 7 rows
  EXPECT_EQ(batch->labels[8 * 8 + 6 * 8], 1);
  EXPECT_EQ(batch->labels[8 * 8 + 7 * 8], kVoidLabel);
  // The seventh sample is dropped, and the epoch starts again.
  EXPECT_EQ(loader->Next()->indices, (std::vector<int64_t>{3, 4, 5}));
  EXPECT_EQ(loader->Next()->indices, (std::vector<int64_t>{0, 1, 2}));
}

TEST(Loader, AFixedSizePadsAndRefusesLargerSamples) {
  const auto dataset = Numbered(3);
  LoaderOptions options;
  options.batch_size = 1;
  options.height = 7;
  options.width = 9;
  const auto loader = Make(*dataset, {}, options);
  EXPECT_EQ(loader->Next()->labels.size(), 63u);
  EXPECT_EQ(loader->Next()->height, 7);
  const absl::Status status = loader->Next().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("sample2"), absl::string_view::npos) << status;
}

TEST(Loader, ThreadsAndPrefetchChangeNothing) {
  const auto dataset = Numbered(23);
  LoaderOptions options;
  options.batch_size = 4;
  options.key = RandomKey(5);
  options.shuffle = true;
  options.drop_last = false;
  const std::vector<Batch> expected = Take(*Make(*dataset, Augmentation(), options), 20);
  for (const auto& [threads, prefetch] : {std::pair{1, 1}, {2, 1}, {3, 2}, {7, 3}, {4, 9}}) {
    options.threads = threads;
    options.prefetch = prefetch;
    ExpectEqual(Take(*Make(*dataset, Augmentation(), options), 20), expected);
  }
}

TEST(Loader, ResumesAtEveryBatch) {
  const auto dataset = Numbered(11);
  LoaderOptions options;
  options.batch_size = 3;
  options.key = RandomKey(6);
  options.shuffle = true;
  options.threads = 2;
  const std::vector<Batch> expected = Take(*Make(*dataset, Augmentation(), options), 12);
  for (int start = 0; start < 12; ++start) {
    options.start_batch = start;
    const auto loader = Make(*dataset, Augmentation(), options);
    EXPECT_EQ(loader->next_batch(), start);
    ExpectEqual(Take(*loader, 12 - start), {expected.begin() + start, expected.end()});
    EXPECT_EQ(loader->next_batch(), 12);
  }
}

TEST(Loader, EveryEpochHasEverySampleInANewOrder) {
  const auto dataset = Numbered(20);
  LoaderOptions options;
  options.batch_size = 6;
  options.key = RandomKey(7);
  options.shuffle = true;
  options.drop_last = false;
  options.threads = 3;
  options.epochs = 5;
  const auto loader = Make(*dataset, {}, options);
  EXPECT_EQ(loader->batches_per_epoch(), 4);
  std::set<std::vector<int64_t>> orders;
  for (int epoch = 0; epoch < 5; ++epoch) {
    const std::vector<Batch> batches = Take(*loader, 4);
    EXPECT_EQ(batches.back().size, 2);
    EXPECT_EQ(batches.back().number / loader->batches_per_epoch(), epoch);
    const std::vector<int64_t> order = Indices(batches);
    orders.insert(order);
    EXPECT_EQ(std::set<int64_t>(order.begin(), order.end()).size(), 20u);
  }
  EXPECT_EQ(orders.size(), 5u);
  EXPECT_EQ(loader->Next().status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(loader->Next().status().code(), absl::StatusCode::kOutOfRange);
}

// An image seen in two epochs is augmented in two ways.
TEST(Loader, EpochsAugmentAnew) {
  const auto dataset = Numbered(8, /*same_size=*/true);
  LoaderOptions options;
  options.batch_size = 8;
  options.key = RandomKey(8);
  const auto loader = Make(*dataset, {PhotometricDistortion({.probability = 1})}, options);
  const std::vector<Batch> epochs = Take(*loader, 2);
  EXPECT_EQ(epochs[0].indices, epochs[1].indices);
  EXPECT_NE(epochs[0].images, epochs[1].images);
}

// The ranks' batches, side by side, are one rank's batches of world_size times the size, to the bit.
TEST(Loader, RanksShareTheBatchesOfOne) {
  const auto dataset = Numbered(29, /*same_size=*/true);
  for (const bool drop_last : {true, false}) {
    LoaderOptions options;
    options.key = RandomKey(9);
    options.shuffle = true;
    options.drop_last = drop_last;
    options.batch_size = 12;
    const int batches = drop_last ? 6 : 9;
    const std::vector<Batch> whole = Take(*Make(*dataset, Augmentation(), options), batches);
    options.batch_size = 4;
    options.world_size = 3;
    std::vector<std::vector<Batch>> parts;
    for (options.rank = 0; options.rank < 3; ++options.rank) {
      const auto loader = Make(*dataset, Augmentation(), options);
      EXPECT_EQ(loader->batches_per_epoch(), drop_last ? 2 : 3);
      parts.push_back(Take(*loader, batches));
    }
    for (int b = 0; b < batches; ++b) {
      std::vector<int64_t> indices;
      std::vector<float> images;
      for (int rank = 0; rank < 3; ++rank) {
        indices.insert(indices.end(), parts[rank][b].indices.begin(), parts[rank][b].indices.end());
        images.insert(images.end(), parts[rank][b].images.begin(), parts[rank][b].images.end());
      }
      EXPECT_EQ(indices, whole[b].indices);
      EXPECT_EQ(images, whole[b].images);
    }
  }
}

TEST(Loader, ARestSmallerThanTheRanksLeavesSomeEmpty) {
  const auto dataset = Numbered(5);
  LoaderOptions options;
  options.batch_size = 1;
  options.world_size = 4;
  options.drop_last = false;
  options.epochs = 1;
  options.prefetch = 1;
  int seen = 0, empty = 0;
  for (options.rank = 0; options.rank < 4; ++options.rank) {
    const auto loader = Make(*dataset, {}, options);
    for (const Batch& batch : Take(*loader, 2)) {
      seen += batch.size;
      empty += batch.size == 0;
    }
    EXPECT_EQ(loader->Next().status().code(), absl::StatusCode::kOutOfRange);
  }
  EXPECT_EQ(seen, 5);
  EXPECT_EQ(empty, 3);
}

TEST(Loader, ErrorsComeInOrderAndOnlyForTheirBatch) {
  const Faulty dataset(Numbered(12), {4, 5, 9});
  for (const int threads : {1, 3}) {
    LoaderOptions options;
    options.batch_size = 3;
    options.threads = threads;
    options.prefetch = 4;
    const auto loader = Make(dataset, {}, options);
    EXPECT_TRUE(loader->Next().ok());
    const absl::Status second = loader->Next().status();
    EXPECT_EQ(second.code(), absl::StatusCode::kDataLoss);
    EXPECT_NE(second.message().find("file4.png"), absl::string_view::npos) << second;  // the first of the two
    EXPECT_EQ(loader->Next()->indices, (std::vector<int64_t>{6, 7, 8}));
    EXPECT_NE(loader->Next().status().message().find("file9.png"), absl::string_view::npos);
    EXPECT_EQ(loader->Next()->indices, (std::vector<int64_t>{0, 1, 2}));
  }
}

TEST(Loader, AThrowingTransformIsAnErrorOfItsBatch) {
  const auto dataset = Numbered(4);
  const TransformPipeline pipeline = {[](const RandomKey&, Sample& sample) {
    if (sample.index == 1) throw std::runtime_error("cannot");
  }};
  LoaderOptions options;
  options.batch_size = 2;
  const auto loader = Make(*dataset, pipeline, options);
  const absl::Status status = loader->Next().status();
  EXPECT_NE(status.message().find("sample1"), absl::string_view::npos) << status;
  EXPECT_NE(status.message().find("cannot"), absl::string_view::npos) << status;
  EXPECT_TRUE(loader->Next().ok());
}

TEST(Loader, PrefetchIsBounded) {
  const auto dataset = Numbered(100);
  std::atomic<int> touched{0};
  const TransformPipeline pipeline = {[&](const RandomKey&, Sample&) { ++touched; }};
  LoaderOptions options;
  options.batch_size = 5;
  options.threads = 4;
  options.prefetch = 2;
  const auto loader = Make(*dataset, pipeline, options);
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(loader->Next().ok());
    EXPECT_LE(touched, 5 * (i + 1 + 2));
  }
}

TEST(Loader, StopsAtAnyMoment) {
  const auto dataset = Numbered(100);
  for (int i = 0; i < 60; ++i) {
    LoaderOptions options;
    options.batch_size = 3;
    options.threads = 1 + i % 4;
    options.prefetch = 1 + i % 3;
    const auto loader = Make(*dataset, Augmentation(), options);
    Take(*loader, i % 5);
  }
}

TEST(Loader, WrongOptionsAreNamed) {
  const auto dataset = Numbered(5);
  const auto expect = [&](const std::string& word, const LoaderOptions& options) {
    const absl::Status status = Loader::Create(dataset.get(), {}, options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(status.message().find(word), absl::string_view::npos) << status;
  };
  expect("batch_size is 0", {.batch_size = 0});
  expect("threads is 0", {.threads = 0});
  expect("prefetch is -1", {.prefetch = -1});
  expect("rank 2", {.rank = 2, .world_size = 2});
  expect("start_batch is -1", {.start_batch = -1});
  expect("0 x 5", {.height = 5});
  expect("numbered has 5 samples", {.batch_size = 6});
}

}  // namespace
}  // namespace data
