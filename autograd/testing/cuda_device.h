#pragma once

#include <memory>
#include <string>

#include "autograd/runtime/stream.h"

namespace autograd::testing {

// For a test that needs a GPU: opens `name` ("cuda"). Where the process started without a device the test is skipped
// with the reason, and `stream` stays null. A device that was there and does not open fails the test: a fault in a
// kernel lasts until the process ends, and what comes after it has not been tested.
//
//   std::unique_ptr<Stream> stream;
//   OpenCudaOrSkip("cuda", stream);
//   if (stream == nullptr) return;      // not needed in SetUp
void OpenCudaOrSkip(const std::string& name, std::unique_ptr<Stream>& stream);

}  // namespace autograd::testing
