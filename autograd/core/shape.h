#pragma once

// The extents of an Array: at most six, row-major, 64-bit.

#include <array>
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <string>
#include <vector>

#include "autograd/runtime/error.h"

namespace autograd {

class Shape {
 public:
  static constexpr int kMaxRank = 6;

  Shape() = default;
  Shape(std::initializer_list<int64_t> extents) : Shape(extents.begin(), static_cast<int>(extents.size())) {}
  explicit Shape(const std::vector<int64_t>& extents) : Shape(extents.data(), static_cast<int>(extents.size())) {}
  Shape(const int64_t* extents, int rank) : rank_(rank) {
    Require(rank <= kMaxRank, "Shape", "rank ", rank, " is above ", kMaxRank);
    for (int i = 0; i < rank; ++i) {
      Require(extents[i] >= 0, "Shape", "extent ", i, " is negative: ", extents[i]);
      extents_[i] = extents[i];
    }
  }

  int rank() const { return rank_; }
  // Negative axes count from the end: shape[-1] is the last extent.
  int64_t operator[](int axis) const { return extents_[Axis(axis)]; }
  void Set(int axis, int64_t extent) { extents_[Axis(axis)] = extent; }
  int Axis(int axis) const {
    const int from_front = axis < 0 ? axis + rank_ : axis;
    // Not Require: its arguments would be built on every access.
    if (from_front < 0 || from_front >= rank_) [[unlikely]] {
      Fail("Shape", "axis ", axis, " of ", ToString());
    }
    return from_front;
  }

  // The number of elements; 1 for rank 0.
  int64_t size() const {
    int64_t product = 1;
    for (int i = 0; i < rank_; ++i) product *= extents_[i];
    return product;
  }
  // The product of all extents but the last: the number of rows.
  int64_t rows() const {
    int64_t product = 1;
    for (int i = 0; i + 1 < rank_; ++i) product *= extents_[i];
    return product;
  }

  const int64_t* begin() const { return extents_.data(); }
  const int64_t* end() const { return extents_.data() + rank_; }
  std::vector<int64_t> ToVector() const { return {begin(), end()}; }

  std::string ToString() const {
    std::string text = "[";
    for (int i = 0; i < rank_; ++i) text += (i > 0 ? ", " : "") + std::to_string(extents_[i]);
    return text + "]";
  }

  friend bool operator==(const Shape& a, const Shape& b) {
    if (a.rank_ != b.rank_) return false;
    for (int i = 0; i < a.rank_; ++i) {
      if (a.extents_[i] != b.extents_[i]) return false;
    }
    return true;
  }

 private:
  std::array<int64_t, kMaxRank> extents_{};
  int rank_ = 0;
};

inline std::ostream& operator<<(std::ostream& out, const Shape& shape) { return out << shape.ToString(); }

}  // namespace autograd
