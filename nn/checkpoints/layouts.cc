#include "nn/checkpoints/layouts.h"

#include <cstring>

#include "autograd/runtime/error.h"

namespace nn {
namespace {

// Both convolutions are stacks of matrices that are transposed between here and there.
struct Matrices {
  int64_t count = 1, rows = 1, columns = 1;  // of our order; there columns × rows
};

Matrices MatricesOf(Layout layout, const Shape& shape) {
  switch (layout) {
    case Layout::kConv2d:
      return {shape[0], shape[1] * shape[2], shape[3]};
    case Layout::kDepthwiseConv2d:
      return {1, shape[0] * shape[1], shape[2]};
    default:
      return {1, 1, shape.size()};
  }
}

std::string TransposeEach(const std::string& bytes, const Matrices& matrices, int64_t element_size) {
  const auto [count, rows, columns] = matrices;
  autograd::Require(static_cast<int64_t>(bytes.size()) == count * rows * columns * element_size, "Layout", bytes.size(),
                    " bytes for ", count, "·", rows, "·", columns, " elements of ", element_size);
  if (rows == 1 || columns == 1) return bytes;
  std::string result(bytes.size(), '\0');
  for (int64_t matrix = 0; matrix < count; ++matrix) {
    const char* from = bytes.data() + matrix * rows * columns * element_size;
    char* to = result.data() + matrix * rows * columns * element_size;
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t column = 0; column < columns; ++column) {
        std::memcpy(to + (column * rows + row) * element_size, from + (row * columns + column) * element_size,
                    element_size);
      }
    }
  }
  return result;
}

std::vector<int64_t> WithoutOnes(const std::vector<int64_t>& shape) {
  std::vector<int64_t> rest;
  for (int64_t extent : shape) {
    if (extent != 1) rest.push_back(extent);
  }
  return rest;
}

}  // namespace

std::vector<int64_t> PublicShape(Layout layout, const Shape& shape) {
  switch (layout) {
    case Layout::kPlain:
    case Layout::kLinear:
      return shape.ToVector();
    case Layout::kPointwiseConv2d:
      return {shape[0], shape[1], 1, 1};
    case Layout::kConv2d:
      return {shape[0], shape[3], shape[1], shape[2]};
    case Layout::kDepthwiseConv2d:
      return {shape[2], 1, shape[0], shape[1]};
  }
  return {};
}

bool HoldsParameter(const std::vector<int64_t>& file_shape, Layout layout, const Shape& shape) {
  const std::vector<int64_t> expected = PublicShape(layout, shape);
  if (file_shape == expected) return true;
  switch (layout) {
    case Layout::kPlain:
      return WithoutOnes(file_shape) == WithoutOnes(expected);
    case Layout::kLinear:
      return file_shape == std::vector<int64_t>{shape[0], shape[1], 1, 1};
    case Layout::kPointwiseConv2d:
      return file_shape == std::vector<int64_t>{shape[0], shape[1]};
    case Layout::kConv2d:
      return shape[1] == 1 && shape[2] == 1 && file_shape == std::vector<int64_t>{shape[0], shape[3]};
    case Layout::kDepthwiseConv2d:
      return false;
  }
  return false;
}

std::string ToPublic(const std::string& bytes, Layout layout, const Shape& shape, int64_t element_size) {
  return TransposeEach(bytes, MatricesOf(layout, shape), element_size);
}

std::string FromPublic(const std::string& bytes, Layout layout, const Shape& shape, int64_t element_size) {
  Matrices matrices = MatricesOf(layout, shape);
  std::swap(matrices.rows, matrices.columns);
  return TransposeEach(bytes, matrices, element_size);
}

}  // namespace nn
