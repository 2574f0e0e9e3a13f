#include "nn/checkpoints/convert.h"

#include <cmath>
#include <cstdint>
#include <cstring>

#include "autograd/runtime/error.h"

namespace nn {
namespace {

using autograd::BFloat16;

struct Half {
  uint16_t bits;
  explicit operator double() const {
    const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    double magnitude;
    if (exponent == 31) {
      magnitude = mantissa == 0 ? INFINITY : NAN;
    } else if (exponent == 0) {
      magnitude = std::ldexp(mantissa, -24);
    } else {
      magnitude = std::ldexp(1024 + mantissa, exponent - 25);
    }
    return (bits & 0x8000) != 0 ? -magnitude : magnitude;
  }
};

template <typename From, typename To, typename Function>
std::string Map(const std::string& bytes, const Function& function) {
  std::string result(bytes.size() / sizeof(From) * sizeof(To), '\0');
  for (size_t i = 0; i < bytes.size() / sizeof(From); ++i) {
    From value;
    std::memcpy(&value, bytes.data() + i * sizeof(From), sizeof(From));
    const To converted = function(value);
    std::memcpy(result.data() + i * sizeof(To), &converted, sizeof(To));
  }
  return result;
}

template <typename From>
std::string FromFloating(const std::string& bytes, autograd::DType to) {
  return autograd::VisitFloating("Convert", to, [&]<typename To>(To) {
    return Map<From, To>(bytes, [](From value) {
      return static_cast<To>(static_cast<autograd::ComputeType<To>>(static_cast<double>(value)));
    });
  });
}

template <typename From>
std::string FromInteger(const std::string& bytes, autograd::DType to) {
  switch (to) {
    case autograd::kInt64:
      return Map<From, int64_t>(bytes, [](From value) { return static_cast<int64_t>(value); });
    case autograd::kInt32:
      return Map<From, int32_t>(bytes, [](From value) { return static_cast<int32_t>(value); });
    default:
      return Map<From, uint8_t>(bytes, [](From value) { return static_cast<uint8_t>(value); });
  }
}

// Elements whose exponent bits are all set.
template <typename Bits>
int64_t FirstWithExponent(const std::string& bytes, Bits exponent) {
  for (size_t i = 0; i < bytes.size() / sizeof(Bits); ++i) {
    Bits bits;
    std::memcpy(&bits, bytes.data() + i * sizeof(Bits), sizeof(Bits));
    if ((bits & exponent) == exponent) return static_cast<int64_t>(i);
  }
  return -1;
}

bool IsFloatingName(absl::string_view dtype) {
  return dtype == "F32" || dtype == "F64" || dtype == "BF16" || dtype == "F16";
}

bool IsIntegerName(absl::string_view dtype) {
  return dtype == "I64" || dtype == "I32" || dtype == "I16" || dtype == "I8" || dtype == "U8" || dtype == "BOOL";
}

}  // namespace

const char* SafetensorsName(autograd::DType dtype) {
  switch (dtype) {
    case autograd::DType::kFloat32:
      return "F32";
    case autograd::DType::kBFloat16:
      return "BF16";
    case autograd::DType::kFloat64:
      return "F64";
    case autograd::DType::kInt32:
      return "I32";
    case autograd::DType::kInt64:
      return "I64";
    case autograd::DType::kUInt8:
      return "U8";
  }
  return "";
}

bool CanConvert(absl::string_view from, autograd::DType to) {
  return autograd::IsFloating(to) ? IsFloatingName(from) : IsIntegerName(from);
}

int64_t FirstNotFinite(const std::string& bytes, autograd::DType dtype) {
  switch (dtype) {
    case autograd::DType::kFloat32:
      return FirstWithExponent<uint32_t>(bytes, 0x7F800000);
    case autograd::DType::kBFloat16:
      return FirstWithExponent<uint16_t>(bytes, 0x7F80);
    case autograd::DType::kFloat64:
      return FirstWithExponent<uint64_t>(bytes, 0x7FF0000000000000);
    default:
      return -1;
  }
}

std::string Convert(const std::string& bytes, absl::string_view from, autograd::DType to) {
  if (from == SafetensorsName(to)) return bytes;
  autograd::Require(CanConvert(from, to), "Convert", "no rule from ", std::string(from), " to ", to);
  if (from == "F32") return FromFloating<float>(bytes, to);
  if (from == "F64") return FromFloating<double>(bytes, to);
  if (from == "BF16") return FromFloating<BFloat16>(bytes, to);
  if (from == "F16") return FromFloating<Half>(bytes, to);
  if (from == "I64") return FromInteger<int64_t>(bytes, to);
  if (from == "I32") return FromInteger<int32_t>(bytes, to);
  if (from == "I16") return FromInteger<int16_t>(bytes, to);
  if (from == "I8") return FromInteger<int8_t>(bytes, to);
  return FromInteger<uint8_t>(bytes, to);
}

}  // namespace nn
