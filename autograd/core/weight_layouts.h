#pragma once

// Copies of one weight in the layouts that products on the CPU read fastest, kept from one product to the next.

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "autograd/core/array.h"

namespace autograd {

// Who holds one promises that the weight does not change as long as it lives. For one thread at a time. A product makes
// a copy only where putting the weight into its layout costs a good part of the product itself, which is where few rows
// (pixels, tokens) meet a weight; CUDA makes none.
class WeightLayouts {
 public:
  // The copy that `key` names, made by make() when there is none. It stays where it is.
  const Array& FindOrMake(const std::vector<int64_t>& key, const std::function<Array()>& make) {
    Array& copy = copies_[key];
    if (!copy.defined()) copy = make();
    return copy;
  }

 private:
  std::map<std::vector<int64_t>, Array> copies_;
};

}  // namespace autograd
