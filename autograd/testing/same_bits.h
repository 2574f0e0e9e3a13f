#pragma once

#include <gtest/gtest.h>

#include "autograd/core/array.h"

namespace autograd::testing {

// The same dtype, shape and bits, on whatever devices: a NaN equals itself, and 0 is not −0. The message has the first
// element that differs, its index, both values and both bit patterns. Two arrays that are not defined are the same.
::testing::AssertionResult SameBits(const Array& a, const Array& b);

}  // namespace autograd::testing
