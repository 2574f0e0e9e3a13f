#pragma once

#include "autograd/core/array.h"

namespace seg {

// labels uint8 in host memory. One that is neither below `classes` nor kVoid is an Error that names the operation, the
// label and its place.
void RequireLabels(const char* operation, const autograd::Array& labels, int64_t classes);

}  // namespace seg
