#include "autograd/testing/cuda_device.h"

#include <gtest/gtest.h>

#include <utility>

#include "absl/status/statusor.h"
#include "autograd/device/device.h"

namespace autograd::testing {

void OpenCudaOrSkip(const std::string& name, std::unique_ptr<Stream>& stream) {
  // Asked before any kernel of these tests: after a fault the driver may answer even this with the fault.
  static const std::string* const reason = new std::string(WhyNoCuda());
  if (!reason->empty()) GTEST_SKIP() << "no GPU: " << *reason;
  absl::StatusOr<std::unique_ptr<Stream>> opened = OpenStream(name);
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  stream = *std::move(opened);
}

}  // namespace autograd::testing
