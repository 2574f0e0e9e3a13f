// How a rank of NCCL ends, by an NCCL of the test's own (fake_nccl.h): no device is needed.

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "autograd/collective/fake_nccl.h"
#include "autograd/collective/nccl.h"
#include "autograd/core/array.h"

namespace autograd {
namespace {

// A device whose memory is the host's.
class HostMemory : public MemorySource {
 public:
  void* Reserve(size_t bytes) override { return std::malloc(bytes); }
  void Release(void* pointer, size_t) override { std::free(pointer); }
};
constexpr Device kDevice = {DeviceType::kCuda, 0};

class NcclRankTest : public ::testing::Test {
 protected:
  NcclRankTest() { fake_nccl::TakeCounts(); }

  std::unique_ptr<Collective> Rank(int rank, int world_size) {
    return NcclWorld(stream_, rank, world_size, id_).value();
  }

  HostMemory memory_;
  Allocator allocator_ = Allocator(&memory_, kDevice);
  Stream stream_ = Stream(kDevice, &allocator_);
  StreamScope scope_ = StreamScope(stream_);
  const std::string id_ = NewNcclWorldId().value();
};

TEST_F(NcclRankTest, RanksSumInPlace) {
  const auto first = Rank(0, 2), second = Rank(1, 2);
  Array floats = Array::From<float>({2}, {1, 2}), more_floats = Array::From<float>({2}, {10, 20});
  Array integers = Array::From<int64_t>({1}, {3}), more_integers = Array::From<int64_t>({1}, {4});
  first->StartSum(floats);
  first->StartSum(integers);
  second->StartSum(more_floats);
  second->StartSum(more_integers);
  first->FinishSums();
  second->FinishSums();
  EXPECT_EQ(floats.ToVector<float>(), (std::vector<float>{11, 22}));
  EXPECT_EQ(more_floats.ToVector<float>(), (std::vector<float>{11, 22}));
  EXPECT_EQ(integers.ToVector<int64_t>(), std::vector<int64_t>{7});
  EXPECT_EQ(more_integers.ToVector<int64_t>(), std::vector<int64_t>{7});
}

// As in a backward pass with synchronised batch normalisation: a sum that the stream waits for comes while buckets of
// gradients are under way.
TEST_F(NcclRankTest, ASumOfTheStreamDoesNotWaitForBuckets) {
  const auto first = Rank(0, 2), second = Rank(1, 2);
  Array bucket = Array::From<float>({2}, {1, 2}), other_bucket = Array::From<float>({2}, {10, 20});
  Array statistics = Array::From<float>({1}, {3}), other_statistics = Array::From<float>({1}, {4});
  first->StartSum(bucket);
  first->AllReduceSum(statistics);
  second->StartSum(other_bucket);
  second->AllReduceSum(other_statistics);
  first->FinishSums();
  second->FinishSums();
  EXPECT_EQ(statistics.ToVector<float>(), std::vector<float>{7});
  EXPECT_EQ(other_bucket.ToVector<float>(), (std::vector<float>{11, 22}));
  EXPECT_EQ(fake_nccl::TakeCounts().most_queues, 1);
}

TEST_F(NcclRankTest, ARankThatHasFinishedEndsInOrder) {
  {
    const auto rank = Rank(0, 1);
    Array values = Array::From<float>({2}, {1, 2});
    rank->StartSum(values);
    rank->FinishSums();
  }
  const fake_nccl::Counts counts = fake_nccl::TakeCounts();
  EXPECT_EQ(counts.destroyed, 2);
  EXPECT_EQ(counts.aborted, 0);
  EXPECT_EQ(counts.waits_for_ever, 0);
}

// The other rank never asks for the sum: it has failed too, or its process is gone.
TEST_F(NcclRankTest, AnExceptionDoesNotWaitForRanksThatWillNotCome) {
  Array values = Array::From<float>({2}, {1, 2});
  EXPECT_THROW(
      {
        const auto rank = Rank(0, 2);
        rank->StartSum(values);
        throw std::bad_alloc();
      },
      std::bad_alloc);
  const fake_nccl::Counts counts = fake_nccl::TakeCounts();
  EXPECT_EQ(counts.waits_for_ever, 0);
  EXPECT_EQ(counts.aborted, 2);
  EXPECT_EQ(counts.destroyed, 0);
}

}  // namespace
}  // namespace autograd
