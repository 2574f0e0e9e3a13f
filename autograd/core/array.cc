#include "autograd/core/array.h"

#include <cstring>

#include "autograd/core/array_kernels.h"
#include "autograd/core/captured_step.h"

namespace autograd {

struct Array::Storage {
  Storage(Allocator& source, size_t bytes) : allocator(&source), block(source.Allocate(bytes)) {}
  ~Storage() { allocator->Free(block); }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;
  Allocator* allocator;
  Allocator::Block block;
  bool persistent = false;
};

namespace {

// Some arrays stay on the host while the current stream is a device's: counters of steps, for one.
Stream& StreamOf(const char* operation, const Array& array) {
  Stream& current = Stream::Current();
  Stream& stream = array.device() == current.device() ? current : Stream::Cpu();
  Require(stream.device() == array.device(), operation, "array is on ", array.device(), " but the stream on ",
          current.device());
  return stream;
}

}  // namespace

Array Array::Empty(const Shape& shape, DType dtype) {
  Array array;
  array.shape_ = shape;
  array.dtype_ = dtype;
  array.storage_ = std::make_shared<Storage>(Stream::Current().allocator(), shape.size() * SizeOf(dtype));
  array.pointer_ = array.storage_->block.pointer;
  return array;
}

Array Array::Zeros(const Shape& shape, DType dtype) {
  Array array = Empty(shape, dtype);
  Stream::Current().FillZero(array.pointer_, array.bytes());
  return array;
}

Array Array::Full(const Shape& shape, DType dtype, double value) {
  Array array = Empty(shape, dtype);
  kernels::Fill(Stream::Current(), array, value);
  return array;
}

Array Array::FromHost(const Shape& shape, DType dtype, const void* values) {
  Array array = Empty(shape, dtype);
  if (array.bytes() > 0) Stream::Current().CopyFromHost(array.pointer_, values, array.bytes());
  return array;
}

Device Array::device() const { return storage_ ? storage_->allocator->device() : Device{}; }

Array Array::Reshape(const std::vector<int64_t>& extents) const {
  std::vector<int64_t> resolved = extents;
  int64_t known = 1, unknown = -1;
  for (size_t i = 0; i < resolved.size(); ++i) {
    if (resolved[i] == -1) {
      Require(unknown < 0, "Reshape", "more than one extent is -1");
      unknown = static_cast<int64_t>(i);
    } else {
      known *= resolved[i];
    }
  }
  if (unknown >= 0) {
    Require(known > 0 && size() % known == 0, "Reshape", shape_, " does not divide by the given extents");
    resolved[unknown] = size() / known;
  }
  return Reshape(Shape(resolved));
}

Array Array::Reshape(const Shape& shape) const {
  Require(shape.size() == size(), "Reshape", shape_, " has not as many elements as ", shape);
  Array view = *this;
  view.shape_ = shape;
  return view;
}

Array Array::Slice(int64_t begin, int64_t end) const {
  Require(rank() >= 1 && begin >= 0 && begin <= end && end <= shape_[0], "Slice", "rows [", begin, ", ", end, ") of ",
          shape_);
  Array view = *this;
  view.shape_.Set(0, end - begin);
  const int64_t row_bytes = shape_[0] == 0 ? 0 : bytes() / shape_[0];
  view.pointer_ = static_cast<char*>(pointer_) + begin * row_bytes;
  return view;
}

Array Array::Copy() const {
  StreamScope scope(StreamOf("Copy", *this));
  Array copy = Empty(shape_, dtype_);
  copy.CopyFrom(*this);
  return copy;
}

void Array::CopyFrom(const Array& source) {
  Require(shape_ == source.shape_ && dtype_ == source.dtype_ && device() == source.device(), "CopyFrom", source.dtype_,
          " ", source.shape_, " on ", source.device(), " into ", dtype_, " ", shape_, " on ", device());
  if (bytes() == 0) return;
  Stream& stream = StreamOf("CopyFrom", *this);
  if (&stream == &Stream::Current()) return stream.CopyOnDevice(pointer_, source.pointer_, bytes());
  OnEachRun([&stream, to = *this, source]() mutable { stream.CopyOnDevice(to.raw(), source.raw(), source.bytes()); });
}

void Array::CopyToHost(void* values) const {
  if (bytes() == 0) return;
  StreamOf("CopyToHost", *this).CopyToHost(values, pointer_, bytes());
}

double Array::Item() const {
  Require(size() == 1, "Item", "needs one element, not ", shape_);
  return VisitAny("Item", dtype_, [&]<typename T>(T) {
    T value;
    CopyToHost(&value);
    return static_cast<double>(value);
  });
}

Array Array::To(Stream& stream) const {
  if (!defined() || device() == stream.device()) return *this;
  std::vector<char> host(bytes());
  CopyToHost(host.data());
  StreamScope scope(stream);
  return FromHost(shape_, dtype_, host.data());
}

int64_t Array::storage_bytes() const { return storage_ ? static_cast<int64_t>(storage_->block.bytes) : 0; }
void Array::MarkPersistent() { storage_->persistent = true; }
bool Array::persistent() const { return storage_ && storage_->persistent; }

std::ostream& operator<<(std::ostream& out, const Array& array) {
  if (!array.defined()) return out << "(no array)";
  out << array.dtype() << " " << array.shape();
  if (array.size() > 32) return out;
  out << " {";
  VisitAny("operator<<", array.dtype(), [&]<typename T>(T) {
    const std::vector<T> values = array.ToVector<T>();
    for (size_t i = 0; i < values.size(); ++i) out << (i > 0 ? ", " : "") << static_cast<double>(values[i]);
  });
  return out << "}";
}

}  // namespace autograd
