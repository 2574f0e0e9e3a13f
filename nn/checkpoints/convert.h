#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "autograd/runtime/dtype.h"

namespace nn {

// The safetensors name of a dtype of ours.
const char* SafetensorsName(autograd::DType dtype);

// True when Convert can make `to` of `from`: both floating (F64, F32, BF16, F16) or both integers.
bool CanConvert(absl::string_view from, autograd::DType to);

// Little-endian elements of dtype `from` as elements of `to`; rounds to nearest even where `to` is narrower. IEEE half
// is read exactly.
std::string Convert(const std::string& bytes, absl::string_view from, autograd::DType to);

// The position of the first element that is infinite or not a number; -1 if there is none, or for integers.
int64_t FirstNotFinite(const std::string& bytes, autograd::DType dtype);

}  // namespace nn
