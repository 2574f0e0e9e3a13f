#pragma once

// Element types of an Array. float64 exists for gradient checks. A kernel of bfloat16 computes in float32
// (`ComputeType`), products add bfloat16 numbers up in float32, and either rounds once, to nearest even, when it stores
// (docs/numerics.md).

#include <cstdint>
#include <cstring>
#include <ostream>

#include "autograd/runtime/error.h"
#include "autograd/runtime/host_device.h"

namespace autograd {

enum class DType : uint8_t { kFloat32, kBFloat16, kFloat64, kInt32, kInt64, kUInt8 };

inline constexpr DType kFloat32 = DType::kFloat32;
inline constexpr DType kBFloat16 = DType::kBFloat16;
inline constexpr DType kFloat64 = DType::kFloat64;
inline constexpr DType kInt32 = DType::kInt32;
inline constexpr DType kInt64 = DType::kInt64;
inline constexpr DType kUInt8 = DType::kUInt8;

struct BFloat16 {
  uint16_t bits = 0;

  BFloat16() = default;
  HOST_DEVICE explicit BFloat16(float value) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
#else
    uint32_t word;
    memcpy(&word, &value, 4);
    if ((word & 0x7FFFFFFFu) > 0x7F800000u) {
      bits = static_cast<uint16_t>(word >> 16 | 0x40u);  // a NaN stays a (quiet) NaN
    } else {
      bits = static_cast<uint16_t>((word + 0x7FFFu + (word >> 16 & 1u)) >> 16);
    }
#endif
  }
  HOST_DEVICE explicit operator float() const {
    const uint32_t word = static_cast<uint32_t>(bits) << 16;
    float value;
    memcpy(&value, &word, 4);
    return value;
  }
  HOST_DEVICE explicit operator double() const { return static_cast<double>(static_cast<float>(*this)); }
};

constexpr int64_t SizeOf(DType dtype) {
  switch (dtype) {
    case DType::kFloat64:
    case DType::kInt64:
      return 8;
    case DType::kFloat32:
    case DType::kInt32:
      return 4;
    case DType::kBFloat16:
      return 2;
    case DType::kUInt8:
      return 1;
  }
  return 0;
}

constexpr bool IsFloating(DType dtype) { return dtype == kFloat32 || dtype == kFloat64 || dtype == kBFloat16; }

const char* Name(DType dtype);
inline std::ostream& operator<<(std::ostream& out, DType dtype) { return out << Name(dtype); }

template <typename T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = kFloat32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = kFloat64;
};
template <>
struct DTypeOf<BFloat16> {
  static constexpr DType value = kBFloat16;
};
template <>
struct DTypeOf<int32_t> {
  static constexpr DType value = kInt32;
};
template <>
struct DTypeOf<int64_t> {
  static constexpr DType value = kInt64;
};
template <>
struct DTypeOf<uint8_t> {
  static constexpr DType value = kUInt8;
};

// The type in which a kernel computes values stored as T.
template <typename T>
struct ComputeTypeOf {
  using type = T;
};
template <>
struct ComputeTypeOf<BFloat16> {
  using type = float;
};
template <typename T>
using ComputeType = typename ComputeTypeOf<T>::type;

// Calls `function(T())` with the C++ type of a floating dtype; anything else is the programmer's error.
template <typename Function>
decltype(auto) VisitFloating(const char* operation, DType dtype, Function&& function) {
  switch (dtype) {
    case DType::kFloat32:
      return function(float());
    case DType::kFloat64:
      return function(double());
    case DType::kBFloat16:
      return function(BFloat16());
    default:
      Fail(operation, "needs a floating dtype, not ", Name(dtype));
  }
}

template <typename Function>
decltype(auto) VisitAny(const char* operation, DType dtype, Function&& function) {
  switch (dtype) {
    case DType::kInt32:
      return function(int32_t());
    case DType::kInt64:
      return function(int64_t());
    case DType::kUInt8:
      return function(uint8_t());
    default:
      return VisitFloating(operation, dtype, static_cast<Function&&>(function));
  }
}

}  // namespace autograd
