#include "autograd/runtime/recording_memory.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "autograd/runtime/error.h"

namespace autograd {
namespace {

// A device of little memory. While it captures it must not be asked to release any.
class SmallDevice : public MemorySource {
 public:
  ~SmallDevice() override { EXPECT_EQ(used, 0u); }
  void* Reserve(size_t bytes) override {
    if (used + bytes > kBytes) return nullptr;
    used += bytes;
    return std::malloc(bytes);
  }
  void Release(void* pointer, size_t bytes) override {
    capture_lost = capture_lost || capturing;
    used -= bytes;
    std::free(pointer);
  }

  static constexpr size_t kBytes = 4096;
  size_t used = 0;
  bool capturing = false, capture_lost = false;
};

TEST(RecordingMemoryTest, ALackOfMemoryLeavesTheCaptureAndSaysWhatIsLive) {
  SmallDevice device;
  RecordingMemory memory(&device);
  Allocator pool(&memory, Device{DeviceType::kCuda, 0});
  device.capturing = true;
  {
    const OperationScope scope("Convolution");
    pool.Free(pool.Allocate(1024));  // cached: what was recorded refers to it
    const Allocator::Block live = pool.Allocate(512);
    std::string said;
    try {
      pool.Allocate(3072);  // would fit if the cache were given back
    } catch (const Error& error) {
      said = error.what();
    }
    EXPECT_NE(said.find("Convolution: out of memory on cuda:0"), std::string::npos) << said;
    EXPECT_FALSE(device.capture_lost);
    EXPECT_EQ(device.used, 1024u + 512u);
    pool.Free(live);
  }
  device.capturing = false;
  memory.EndRecording();
  EXPECT_EQ(device.used, 1024u + 512u) << "a recording that may be replayed";
  pool.Trim();
  memory.ReleaseKept();
  EXPECT_EQ(device.used, 0u);
}

}  // namespace
}  // namespace autograd
