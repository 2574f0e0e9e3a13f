// A device on which a kernel has failed: it was there when the process started and answers everything with the error
// since. These definitions take the place of autograd/device's, which the linker then leaves in their archive.

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <string>

#include "autograd/device/open_cuda.h"
#include "autograd/runtime/error.h"
#include "autograd/testing/op_contract.h"

namespace autograd {
namespace {
constexpr char kFault[] = "an illegal memory access was encountered";
bool reports_fault = false;
}  // namespace

namespace internal {
std::string WhyNoCudaDevice() { return reports_fault ? kFault : ""; }
int CudaDeviceCount() { return 1; }
std::unique_ptr<Stream> OpenCudaDevice(int) { Fail("OpenStream", kFault); }
}  // namespace internal

namespace {

void CheckAnOperation() {
  testing::CheckOnCuda({"identity", [](testing::Inputs x) { return x[0]; }, {{{2, 3}}}});
}

// Skipped, it would look as if there were no device.
TEST(CudaDeviceTest, AnOperationFailsOnADeviceThatDoesNotOpen) {
  EXPECT_FATAL_FAILURE(CheckAnOperation(), kFault);
  reports_fault = true;
  EXPECT_FATAL_FAILURE(CheckAnOperation(), kFault);
}

}  // namespace
}  // namespace autograd
