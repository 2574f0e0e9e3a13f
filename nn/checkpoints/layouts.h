#pragma once

// Between our shapes (channels last) and those of PyTorch's files, by the Layout that a module gives each parameter.

#include <cstdint>
#include <string>
#include <vector>

#include "nn/module.h"

namespace nn {

// The shape that PyTorch's twin of the module has.
std::vector<int64_t> PublicShape(Layout layout, const Shape& shape);

// True when a file's shape holds the parameter: PublicShape, or the same with extents of 1 added or left out where
// nothing can be confused (a linear layer stored as a 1×1 convolution or the other way round, (1, 1, 1, C) for a
// vector).
bool HoldsParameter(const std::vector<int64_t>& file_shape, Layout layout, const Shape& shape);

// The elements in the other order; `bytes` are shape.size() elements of element_size bytes.
std::string ToPublic(const std::string& bytes, Layout layout, const Shape& shape, int64_t element_size);
std::string FromPublic(const std::string& bytes, Layout layout, const Shape& shape, int64_t element_size);

}  // namespace nn
