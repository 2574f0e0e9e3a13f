#pragma once

// An Array is dense, row-major, reference-counted storage with a shape, a dtype and a device. It knows nothing of
// gradients. Arrays are contiguous, always: Reshape and slices along the first axis share storage, everything else
// copies. Images are [N, H, W, C], filters [O, KH, KW, I], tokens [N, L, C].

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <ostream>
#include <vector>

#include "autograd/core/shape.h"
#include "autograd/runtime/dtype.h"
#include "autograd/runtime/stream.h"

namespace autograd {

class Array {
 public:
  Array() = default;

  // On the current stream's device. The contents of Empty are not defined.
  static Array Empty(const Shape& shape, DType dtype);
  static Array Zeros(const Shape& shape, DType dtype);
  static Array Full(const Shape& shape, DType dtype, double value);
  template <typename T>
  static Array From(const Shape& shape, const std::vector<T>& values) {
    Require(shape.size() == static_cast<int64_t>(values.size()), "Array::From", values.size(), " values for shape ",
            shape);
    return FromHost(shape, DTypeOf<T>::value, values.data());
  }
  // Copies `shape.size()` elements from host memory.
  static Array FromHost(const Shape& shape, DType dtype, const void* values);

  // False for a default-constructed Array ("no array").
  bool defined() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  DType dtype() const { return dtype_; }
  Device device() const;
  int64_t size() const { return shape_.size(); }
  int64_t bytes() const { return size() * SizeOf(dtype_); }
  int rank() const { return shape_.rank(); }

  const void* raw() const { return static_cast<const char*>(pointer_); }
  void* raw() { return pointer_; }
  // Device memory; T must be the dtype's type.
  template <typename T>
  const T* data() const {
    CheckType(DTypeOf<T>::value);
    return static_cast<const T*>(pointer_);
  }
  template <typename T>
  T* data() {
    CheckType(DTypeOf<T>::value);
    return static_cast<T*>(pointer_);
  }

  // The same elements under another shape; shares storage. One extent may be -1.
  Array Reshape(std::initializer_list<int64_t> extents) const { return Reshape(std::vector<int64_t>(extents)); }
  Array Reshape(const std::vector<int64_t>& extents) const;
  Array Reshape(const Shape& shape) const;
  // Rows [begin, end) of the first axis; shares storage.
  Array Slice(int64_t begin, int64_t end) const;
  Array Copy() const;
  // Overwrites the elements with those of `source`: same shape, dtype and device.
  void CopyFrom(const Array& source);

  // Host copies; these wait for the stream.
  template <typename T>
  std::vector<T> ToVector() const {
    CheckType(DTypeOf<T>::value);
    std::vector<T> values(size());
    CopyToHost(values.data());
    return values;
  }
  void CopyToHost(void* values) const;
  // The only element, as a double.
  double Item() const;

  // To another device: `stream` is the target's.
  Array To(Stream& stream) const;

  bool SharesStorageWith(const Array& other) const { return storage_ == other.storage_; }
  // True when no other Array refers to the storage: only then may an owner write in place.
  bool Unshared() const { return storage_.use_count() == 1; }
  const void* storage_id() const { return storage_.get(); }
  int64_t storage_bytes() const;
  // Marks storage that lives as long as the model (parameters): Tape::Report does not count it as saved.
  void MarkPersistent();
  bool persistent() const;

 private:
  struct Storage;
  void CheckType(DType dtype) const { Require(dtype == dtype_, "Array", "is ", dtype_, " but was read as ", dtype); }

  std::shared_ptr<Storage> storage_;
  void* pointer_ = nullptr;
  Shape shape_;
  DType dtype_ = kFloat32;
};

inline Array EmptyLike(const Array& array) { return Array::Empty(array.shape(), array.dtype()); }
inline Array ZerosLike(const Array& array) { return Array::Zeros(array.shape(), array.dtype()); }

// "float32 [2, 3]" and, for small arrays, the values.
std::ostream& operator<<(std::ostream& out, const Array& array);

}  // namespace autograd
