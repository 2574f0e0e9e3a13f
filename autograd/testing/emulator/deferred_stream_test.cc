#include "autograd/testing/emulator/deferred_stream.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <set>
#include <vector>

#include "autograd/testing/emulator/emulated_device.h"
#include "autograd/testing/emulator/emulator.h"

namespace cuda_emulator {
namespace {

using autograd::Allocator;
using autograd::Stream;

constexpr QueueOrder kOrders[] = {QueueOrder::kOpenedFirst, QueueOrder::kOpenedLast, QueueOrder::kRandom};
constexpr int kSeeds = 20;

float Read(Stream& stream, const Allocator::Block& block) {
  float value = 0;
  stream.CopyToHost(&value, block.pointer, sizeof(value));
  return value;
}
void Write(Stream& stream, const Allocator::Block& block, float value) {
  stream.CopyFromHost(block.pointer, &value, sizeof(value));
}

TEST(DeferredStreamTest, NothingRunsBeforeTheHostWaits) {
  const std::unique_ptr<Stream> stream = OpenDeferredStream(QueueOrder::kOpenedFirst);
  bool ran = false;
  ASSERT_TRUE(Recorded([&] { ran = true; }));  // as a kernel's launch does
  EXPECT_FALSE(ran);
  stream->Synchronize();
  EXPECT_TRUE(ran);
}

TEST(DeferredStreamTest, OneStreamKeepsItsOrder) {
  for (const QueueOrder order : kOrders) {
    const std::unique_ptr<Stream> stream = OpenDeferredStream(order);
    const Allocator::Block block = stream->allocator().Allocate(sizeof(float)),
                           other = stream->allocator().Allocate(sizeof(float));
    Write(*stream, block, 1);
    stream->CopyOnDevice(other.pointer, block.pointer, sizeof(float));
    Write(*stream, block, 2);
    EXPECT_EQ(Read(*stream, other), 1);
    EXPECT_EQ(Read(*stream, block), 2);
    stream->FillZero(other.pointer, sizeof(float));
    EXPECT_EQ(Read(*stream, other), 0);
    stream->allocator().Free(block);
    stream->allocator().Free(other);
  }
}

// Two queues write the same place: which comes last is open, unless one waits for the other.
std::set<float> LastOfTwo(bool waits) {
  std::set<float> values;
  for (const QueueOrder order : kOrders) {
    for (int seed = 0; seed < kSeeds; ++seed) {
      const std::unique_ptr<Stream> stream = OpenDeferredStream(order, seed);
      const std::unique_ptr<Stream> beside = stream->OpenBeside();
      const Allocator::Block block = stream->allocator().Allocate(sizeof(float));
      Write(*stream, block, 0);
      stream->Synchronize();
      Write(*stream, block, 1);
      if (waits) beside->WaitFor(*stream);
      Write(*beside, block, 2);
      stream->Synchronize();
      beside->Synchronize();
      values.insert(Read(*stream, block));
      stream->allocator().Free(block);
    }
  }
  return values;
}
TEST(DeferredStreamTest, QueuesRunInEitherOrderUnlessOneWaits) {
  EXPECT_EQ(LastOfTwo(false), (std::set<float>{1, 2}));
  EXPECT_EQ(LastOfTwo(true), std::set<float>{2});
}

// The host frees a block that a copy in flight reads and gets it again at once: right for the stream itself, and for
// another queue only when it waits.
TEST(DeferredStreamTest, MemoryChangesHandsInTheOrderOfItsStream) {
  for (const bool waits : {false, true}) {
    bool lost = false;
    for (const QueueOrder order : kOrders) {
      const std::unique_ptr<Stream> stream = OpenDeferredStream(order);
      const std::unique_ptr<Stream> beside = stream->OpenBeside();
      Allocator& allocator = stream->allocator();
      const Allocator::Block block = allocator.Allocate(sizeof(float)), copy = allocator.Allocate(sizeof(float));
      Write(*stream, block, 5);
      stream->CopyOnDevice(copy.pointer, block.pointer, sizeof(float));
      allocator.Free(block);
      const Allocator::Block again = allocator.Allocate(sizeof(float));
      EXPECT_EQ(again.pointer, block.pointer);
      if (waits) beside->WaitFor(*stream);
      Write(*beside, again, 6);
      EXPECT_EQ(Read(*stream, copy), 5);
      beside->Synchronize();
      const float value = Read(*stream, again);
      EXPECT_TRUE(value == 6 || std::isnan(value));
      lost = lost || std::isnan(value);
      allocator.Free(again);
      allocator.Free(copy);
    }
    EXPECT_EQ(lost, !waits);
  }
}

TEST(DeferredStreamTest, AnEndedStreamLeavesTheThreadToOthers) {
  OpenDeferredStream(QueueOrder::kRandom);
  EXPECT_FALSE(Recorded([] {}));
}

}  // namespace
}  // namespace cuda_emulator
