#include "autograd/device/device.h"

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "autograd/device/open_cuda.h"
#include "autograd/runtime/error.h"

namespace autograd {

std::string WhyNoCuda() { return internal::WhyNoCudaDevice(); }
int CudaDeviceCount() { return internal::CudaDeviceCount(); }

absl::StatusOr<std::unique_ptr<Stream>> OpenStream(absl::string_view name) {
  if (name == "cpu") return std::make_unique<Stream>(Device{}, &Allocator::Cpu());
  absl::string_view number = name;
  int index = 0;
  if (!absl::ConsumePrefix(&number, "cuda") ||
      (!number.empty() && (!absl::ConsumePrefix(&number, ":") || !absl::SimpleAtoi(number, &index) || index < 0))) {
    return absl::InvalidArgumentError(absl::StrCat("device '", name, "' is not cpu, cuda or cuda:N"));
  }
  if (const std::string reason = WhyNoCuda(); !reason.empty()) {
    return absl::FailedPreconditionError(absl::StrCat("device '", name, "' cannot be used: ", reason));
  }
  try {
    return internal::OpenCudaDevice(index);
  } catch (const Error& error) {
    return absl::FailedPreconditionError(absl::StrCat("device '", name, "' cannot be used: ", error.what()));
  }
}

}  // namespace autograd
