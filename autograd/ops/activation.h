#pragma once

#include <cstdint>

namespace autograd {

// What Linear and Conv2d may apply to their result before it is stored. Gelu is the erf form.
enum class Activation : uint8_t { kNone, kRelu, kGelu };

}  // namespace autograd
