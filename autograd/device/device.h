#pragma once

// Opens the stream of a device by name. The one target that knows both backends.

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "autograd/runtime/stream.h"

namespace autograd {

// "cpu", "cuda" (device 0) or "cuda:N". InvalidArgument for other names; FailedPrecondition, with the reason, where the
// device cannot be used. Make it current with StreamScope.
absl::StatusOr<std::unique_ptr<Stream>> OpenStream(absl::string_view name);

// Why "cuda" cannot be opened: "" when it can.
std::string WhyNoCuda();

// How many CUDA devices this process sees: 0 where there is a reason why not.
int CudaDeviceCount();

}  // namespace autograd
