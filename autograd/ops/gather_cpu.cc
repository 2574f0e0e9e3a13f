#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#include "autograd/ops/arg_max_cpu.h"
#include "autograd/ops/gather_kernels.h"
#include "autograd/runtime/parallel.h"

namespace autograd::cpu {
namespace {

int64_t RowGrain(int64_t row) { return std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(1, row)); }

template <typename Index>
int64_t Checked(const char* operation, const Index* indices, int64_t i, int64_t bound) {
  const int64_t index = static_cast<int64_t>(indices[i]);
  Require(index >= 0 && index < bound, operation, "index ", index, " at position ", i, " is outside [0, ", bound, ")");
  return index;
}

}  // namespace

void GatherRows(Stream&, const Array& table, const Array& indices, Array& y) {
  const int64_t rows = table.shape()[0], bytes = rows == 0 ? 0 : table.bytes() / rows;
  const char* in = static_cast<const char*>(table.raw());
  char* out = static_cast<char*>(y.raw());
  VisitIndex("Gather", indices.dtype(), [&]<typename Index>(Index) {
    const Index* index = indices.data<Index>();
    ParallelFor(indices.size(), RowGrain(bytes / 4), [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        memcpy(out + i * bytes, in + Checked("Gather", index, i, rows) * bytes, bytes);
    });
  });
}

void GatherRowsGradient(Stream&, const Array& indices, const Array& dy, Array& dtable) {
  const int64_t rows = dtable.shape()[0], width = rows == 0 ? 0 : dtable.size() / rows, count = indices.size();
  // A stable counting sort: the positions that read row r are order[first[r] … first[r + 1]).
  std::vector<int64_t> first(rows + 1), order(count);
  VisitIndex("GatherGradient", indices.dtype(), [&]<typename Index>(Index) {
    const Index* index = indices.data<Index>();
    for (int64_t i = 0; i < count; ++i) ++first[static_cast<int64_t>(index[i]) + 1];
    std::partial_sum(first.begin(), first.end(), first.begin());
    std::vector<int64_t> next = first;
    for (int64_t i = 0; i < count; ++i) order[next[static_cast<int64_t>(index[i])]++] = i;
  });
  constexpr int64_t kChunk = 128;
  const int64_t chunks = (width + kChunk - 1) / kChunk;
  VisitFloating("GatherGradient", dy.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const T* in = dy.data<T>();
    T* out = dtable.data<T>();
    ParallelFor(rows * chunks, RowGrain(kChunk * std::max<int64_t>(1, count / std::max<int64_t>(1, rows))),
                [&](int64_t begin, int64_t end) {
                  for (int64_t task = begin; task < end; ++task) {
                    const int64_t row = task / chunks, column = task % chunks * kChunk,
                                  length = std::min(kChunk, width - column);
                    Value sums[kChunk] = {};
                    for (int64_t k = first[row]; k < first[row + 1]; ++k) {
                      const T* from = in + order[k] * width + column;
                      for (int64_t c = 0; c < length; ++c) sums[c] += static_cast<Value>(from[c]);
                    }
                    T* to = out + row * width + column;
                    for (int64_t c = 0; c < length; ++c) to[c] = static_cast<T>(sums[c]);
                  }
                });
  });
}

void GatherLastForward(Stream&, const Array& x, const Array& indices, Array& y) {
  const int64_t count = x.shape()[-1];
  VisitAny("GatherLast", x.dtype(), [&]<typename T>(T) {
    VisitIndex("GatherLast", indices.dtype(), [&]<typename Index>(Index) {
      const T* in = x.data<T>();
      const Index* index = indices.data<Index>();
      T* out = y.data<T>();
      ParallelFor(y.size(), 1 << 14, [=](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) out[i] = in[i * count + Checked("GatherLast", index, i, count)];
      });
    });
  });
}

void GatherLastGradient(Stream&, const Array& indices, const Array& dy, Array& dx) {
  const int64_t count = dx.shape()[-1];
  VisitFloating("GatherLastGradient", dy.dtype(), [&]<typename T>(T) {
    VisitIndex("GatherLastGradient", indices.dtype(), [&]<typename Index>(Index) {
      const T* in = dy.data<T>();
      const Index* index = indices.data<Index>();
      T* out = dx.data<T>();
      ParallelFor(dy.size(), RowGrain(count), [=](int64_t begin, int64_t end) {
        memset(static_cast<void*>(out + begin * count), 0, (end - begin) * count * sizeof(T));
        for (int64_t i = begin; i < end; ++i) out[i * count + static_cast<int64_t>(index[i])] = in[i];
      });
    });
  });
}

void ArgMaxLast(Stream&, const Array& x, Array& y) {
  const int64_t count = x.shape()[-1];
  VisitFloating("ArgMax", x.dtype(), [&]<typename T>(T) {
    VisitIndex("ArgMax", y.dtype(), [&]<typename Index>(Index) {
      const T* in = x.data<T>();
      Index* out = y.data<Index>();
      ParallelFor(y.size(), RowGrain(count), [=](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) out[i] = static_cast<Index>(ArgMaxOfRow(in + i * count, count));
      });
    });
  });
}

void FillOneHot(Stream&, const Array& indices, Array& y) {
  const int64_t classes = y.shape()[-1];
  VisitAny("OneHot", y.dtype(), [&]<typename T>(T) {
    VisitIndex("OneHot", indices.dtype(), [&]<typename Index>(Index) {
      const Index* index = indices.data<Index>();
      T* out = y.data<T>();
      const T one = static_cast<T>(static_cast<ComputeType<T>>(1));
      ParallelFor(indices.size(), RowGrain(classes), [=](int64_t begin, int64_t end) {
        memset(static_cast<void*>(out + begin * classes), 0, (end - begin) * classes * sizeof(T));
        for (int64_t i = begin; i < end; ++i) {
          const int64_t j = static_cast<int64_t>(index[i]);
          if (j >= 0 && j < classes) out[i * classes + j] = one;
        }
      });
    });
  });
}

}  // namespace autograd::cpu
