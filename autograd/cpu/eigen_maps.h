#pragma once

// Row-major Eigen views of kernel memory. `stride` is the distance between rows in elements.

#include <Eigen/Core>
#include <cstdint>

namespace autograd::cpu {

template <typename T>
using RowMajorMatrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <typename T>
using MatrixMap = Eigen::Map<RowMajorMatrix<T>, Eigen::Unaligned, Eigen::OuterStride<>>;
template <typename T>
using ConstMatrixMap = Eigen::Map<const RowMajorMatrix<T>, Eigen::Unaligned, Eigen::OuterStride<>>;

template <typename T>
MatrixMap<T> AsMatrix(T* data, int64_t rows, int64_t columns, int64_t stride) {
  return MatrixMap<T>(data, rows, columns, Eigen::OuterStride<>(stride));
}
template <typename T>
ConstMatrixMap<T> AsMatrix(const T* data, int64_t rows, int64_t columns, int64_t stride) {
  return ConstMatrixMap<T>(data, rows, columns, Eigen::OuterStride<>(stride));
}

}  // namespace autograd::cpu
