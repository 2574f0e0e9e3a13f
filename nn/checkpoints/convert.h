#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "autograd/runtime/dtype.h"

namespace nn {

// The safetensors name of a dtype of ours.
const char* SafetensorsName(autograd::DType dtype);

// True when Convert can make `to` of `from`: both floating (F64, F32, BF16, F16) or both integers.
bool CanConvert(absl::string_view from, autograd::DType to);

// Little-endian elements of dtype `from` as elements of `to`; rounds to nearest even where `to` is narrower. IEEE half is
// read exactly.
std::string Convert(const std::string& bytes, absl::string_view from, autograd::DType to);

}  // namespace nn
