#include <algorithm>
#include <cstring>

#include "autograd/ops/resize_kernels.h"
#include "autograd/runtime/parallel.h"

namespace autograd::cpu {
namespace {

// floor((i + half/2)·in/out)
int64_t Place(int64_t i, int64_t half, int64_t in, int64_t out) { return (2 * i + half) * in / (2 * out); }

// Copies pixels of a size the compiler knows; 0 means any.
template <size_t kBytes>
void NearestRow(const char* in, int64_t half, int64_t width, int64_t bytes, int64_t out_width, char* out) {
  for (int64_t j = 0; j < out_width; ++j) {
    const int64_t size = kBytes > 0 ? static_cast<int64_t>(kBytes) : bytes;
    memcpy(out + j * size, in + Place(j, half, width, out_width) * size, size);
  }
}

}  // namespace

void ResizeNearestForward(Stream&, const Array& x, bool exact, Array& y) {
  const int64_t half = exact ? 1 : 0;
  const int64_t height = x.shape()[1], width = x.shape()[2], bytes = x.shape()[3] * SizeOf(x.dtype());
  const int64_t out_height = y.shape()[1], out_width = y.shape()[2];
  if (y.size() == 0) return;
  const char* in = static_cast<const char*>(x.raw());
  char* out = static_cast<char*>(y.raw());
  ParallelFor(y.shape()[0] * out_height, std::max<int64_t>(1, (1 << 15) / (out_width * bytes)),
              [=](int64_t begin, int64_t end) {
                for (int64_t r = begin; r < end; ++r) {
                  const int64_t i = r % out_height, image = r / out_height;
                  const char* from = in + (image * height + Place(i, half, height, out_height)) * width * bytes;
                  char* to = out + r * out_width * bytes;
                  switch (bytes) {
                    case 1:
                      NearestRow<1>(from, half, width, bytes, out_width, to);
                      break;
                    case 2:
                      NearestRow<2>(from, half, width, bytes, out_width, to);
                      break;
                    case 4:
                      NearestRow<4>(from, half, width, bytes, out_width, to);
                      break;
                    default:
                      NearestRow<0>(from, half, width, bytes, out_width, to);
                  }
                }
              });
}

}  // namespace autograd::cpu
