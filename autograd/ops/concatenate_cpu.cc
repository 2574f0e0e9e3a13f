#include <algorithm>
#include <cstring>

#include "autograd/ops/concatenate_kernels.h"
#include "autograd/runtime/parallel.h"

namespace autograd::cpu {

void CopyBox(Stream&, const Array& x, const BoxCopy& box, Array& y) {
  if (box.bytes == 0 || box.rows == 0) return;
  const char* in = static_cast<const char*>(x.raw()) + box.from_offset;
  char* out = static_cast<char*>(y.raw()) + box.to_offset;
  ParallelFor(box.outer * box.rows, std::max<int64_t>(1, (1 << 17) / box.bytes), [=](int64_t begin, int64_t end) {
    for (int64_t run = begin; run < end; ++run) {
      const int64_t o = run / box.rows, r = run % box.rows;
      memcpy(out + o * box.to_outer + r * box.to_row, in + o * box.from_outer + r * box.from_row, box.bytes);
    }
  });
}

}  // namespace autograd::cpu
