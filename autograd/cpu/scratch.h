#pragma once

#include <cstdint>

#include "autograd/core/array.h"

namespace autograd::cpu {

// Memory for `elements` of T from the engine's allocator, on any thread.
template <typename T>
class Scratch {
 public:
  explicit Scratch(int64_t elements) {
    StreamScope on_the_cpu(Stream::Cpu());
    array_ = Array::Empty({elements}, DTypeOf<T>::value);
  }
  T* data() { return array_.data<T>(); }

 private:
  Array array_;
};

}  // namespace autograd::cpu
