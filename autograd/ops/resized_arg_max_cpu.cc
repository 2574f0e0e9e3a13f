#include <vector>

#include "autograd/ops/arg_max_cpu.h"
#include "autograd/ops/bilinear_blends_cpu.h"
#include "autograd/ops/gather_kernels.h"
#include "autograd/ops/resized_arg_max_kernels.h"
#include "autograd/runtime/parallel.h"

namespace autograd::cpu {

void ResizedArgMax(Stream&, const Array& logits, Array& y) {
  const int64_t height = logits.shape()[1], width = logits.shape()[2], classes = logits.shape()[3],
                row_size = width * classes, out_height = y.shape()[1], out_width = y.shape()[2];
  VisitFloating("ResizedArgMax", logits.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const Blends<Value> rows(height, out_height), columns(width, out_width);
    VisitIndex("ResizedArgMax", y.dtype(), [&]<typename Index>(Index) {
      const T* const from = logits.data<T>();
      Index* const to = y.data<Index>();
      ParallelFor(y.shape()[0] * out_height, 1, [&](int64_t begin, int64_t end) {
        std::vector<Value> row(row_size), pixel(classes);
        for (int64_t line = begin; line < end; ++line) {
          const int64_t i = line % out_height;
          const T* const above = from + (line / out_height * height + rows.first[i]) * row_size;
          Blend(above, above + row_size, rows.near[i], rows.far[i], row_size, row.data());
          for (int64_t j = 0; j < out_width; ++j) {
            const Value* const left = row.data() + columns.first[j] * classes;
            Blend(left, left + classes, columns.near[j], columns.far[j], classes, pixel.data());
            to[line * out_width + j] = static_cast<Index>(ArgMaxOfRow(pixel.data(), classes));
          }
        }
      });
    });
  });
}

}  // namespace autograd::cpu
