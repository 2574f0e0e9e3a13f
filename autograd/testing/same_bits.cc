#include "autograd/testing/same_bits.h"

#include <cstring>
#include <iomanip>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

namespace autograd::testing {
namespace {

// Of an element of a row-major array.
Shape IndexOf(const Shape& shape, int64_t element) {
  Shape index = shape;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    index.Set(axis, element % shape[axis]);
    element /= shape[axis];
  }
  return index;
}

template <typename T>
std::string Described(T value) {
  std::ostringstream text;
  if constexpr (std::is_integral_v<T>) {
    text << +value;
  } else {
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof(T));
    text << std::setprecision(std::numeric_limits<ComputeType<T>>::max_digits10) << static_cast<ComputeType<T>>(value)
         << " (0x" << std::hex << bits << ")";
  }
  return text.str();
}

}  // namespace

::testing::AssertionResult SameBits(const Array& a, const Array& b) {
  if (a.defined() != b.defined())
    return ::testing::AssertionFailure() << "the " << (a.defined() ? "second" : "first") << " array is missing";
  if (!a.defined()) return ::testing::AssertionSuccess();
  if (a.dtype() != b.dtype() || !(a.shape() == b.shape())) {
    return ::testing::AssertionFailure() << a.dtype() << " " << a.shape() << " and " << b.dtype() << " " << b.shape();
  }
  return VisitAny("SameBits", a.dtype(), [&]<typename T>(T) -> ::testing::AssertionResult {
    const std::vector<T> x = a.ToVector<T>(), y = b.ToVector<T>();
    for (size_t i = 0; i < x.size(); ++i) {
      if (std::memcmp(&x[i], &y[i], sizeof(T)) != 0) {
        return ::testing::AssertionFailure()
               << "at " << IndexOf(a.shape(), static_cast<int64_t>(i)) << " of " << a.dtype() << " " << a.shape()
               << ": " << Described(x[i]) << " and " << Described(y[i]);
      }
    }
    return ::testing::AssertionSuccess();
  });
}

}  // namespace autograd::testing
