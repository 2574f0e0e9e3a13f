#include "autograd/ops/conv2d_patches_cpu.h"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "autograd/cpu/gemm.h"
#include "autograd/cpu/onednn.h"
#include "autograd/cpu/scratch.h"
#include "autograd/ops/bias_activation_cpu.h"
#include "autograd/runtime/ceil_divide.h"
#include "autograd/runtime/parallel.h"

namespace autograd::cpu {
namespace {

// A block of patches is half a megabyte in float32, and not so short that packing the filter for it dominates.
constexpr int64_t kBlockElements = 1 << 17;
constexpr int64_t kLeastBlockRows = 128;

constexpr int64_t kMostBlockRows = 1024;
constexpr int64_t kFewBlocks = 4;

// Filter gradients: positions and operations that a partial sum is worth, and how many there may be.
constexpr int64_t kPartPositions = 512;
constexpr double kPartOperations = 16e6;
constexpr int64_t kMostParts = 16;
// A filter of so many elements is cut into its taps instead, with few partial sums, as each is as long as the filter.
constexpr int64_t kLargeFilter = 1 << 18;
constexpr int64_t kPartPositionsOfLarge = 1024;
constexpr int64_t kMostPartsOfLarge = 4;

int64_t BlockRows(const Conv2dGeometry& g) {
  return std::max(kLeastBlockRows, kBlockElements / std::max<int64_t>({1, g.patch(), g.o}));
}

// Taps of the window: all of them, or some.
struct Window {
  int64_t u, rows, v, columns;
  int64_t taps() const { return rows * columns; }
};
Window Whole(const Conv2dGeometry& g) { return {0, g.kh, 0, g.kw}; }

// Calls run(pixels, patch, count) for each piece of the patches of positions [begin, end) that lies in the image, where
// `pixels` and `patch` are offsets of `count` neighbours in x and in the block, whose rows are `stride` apart; and
// padding(patch, count) for each that does not.
template <typename Run, typename Padding>
void ForEachRun(const Conv2dGeometry& g, int64_t group, const Window& window, int64_t begin, int64_t end,
                int64_t stride, const Run& run, const Padding& padding) {
  const int64_t channels = g.group_channels(), row_length = window.columns * channels;
  const bool neighbours = g.groups == 1 && g.dilation == 1;  // a row of the window is contiguous in x
  for (int64_t p = begin; p < end; ++p) {
    const int64_t j = p % g.ow, i = p / g.ow % g.oh, image = p / (g.ow * g.oh);
    const int64_t left = j * g.stride + window.v * g.dilation - g.padding;
    for (int64_t u = 0; u < window.rows; ++u) {
      const int64_t patch = (p - begin) * stride + u * row_length,
                    row = i * g.stride + (window.u + u) * g.dilation - g.padding;
      if (row < 0 || row >= g.h) {
        padding(patch, row_length);
        continue;
      }
      const int64_t first_pixel = (image * g.h + row) * g.w + left;
      if (neighbours) {
        const int64_t first = std::clamp<int64_t>(-left, 0, window.columns),
                      last = std::clamp<int64_t>(g.w - left, first, window.columns);
        if (first > 0) padding(patch, first * channels);
        if (last > first) run((first_pixel + first) * channels, patch + first * channels, (last - first) * channels);
        if (last < window.columns) padding(patch + last * channels, (window.columns - last) * channels);
        continue;
      }
      for (int64_t v = 0; v < window.columns; ++v) {
        const int64_t column = left + v * g.dilation;
        if (column < 0 || column >= g.w) {
          padding(patch + v * channels, channels);
        } else {
          run((first_pixel + v * g.dilation) * g.c + group * channels, patch + v * channels, channels);
        }
      }
    }
  }
}

template <typename T>
void Gather(const Conv2dGeometry& g, int64_t group, const Window& window, int64_t begin, int64_t end, const T* x,
            T* patches, int64_t stride) {
  ForEachRun(
      g, group, window, begin, end, stride,
      [=](int64_t pixels, int64_t patch, int64_t count) { std::copy_n(x + pixels, count, patches + patch); },
      [=](int64_t patch, int64_t count) { std::fill_n(patches + patch, count, T(0.0f)); });
}

template <typename T>
void ScatterAdd(const Conv2dGeometry& g, int64_t group, int64_t begin, int64_t end, const T* patches, T* dx) {
  ForEachRun(
      g, group, Whole(g), begin, end, g.patch(),
      [=](int64_t pixels, int64_t patch, int64_t count) {
        for (int64_t i = 0; i < count; ++i) dx[pixels + i] += patches[patch + i];
      },
      [](int64_t, int64_t) {});
}

template <typename T>
void ScatterStore(const Conv2dGeometry& g, int64_t group, int64_t begin, int64_t end, const T* patches, T* dx) {
  ForEachRun(
      g, group, Whole(g), begin, end, g.patch(),
      [=](int64_t pixels, int64_t patch, int64_t count) { std::copy_n(patches + patch, count, dx + pixels); },
      [](int64_t, int64_t) {});
}

int64_t PatchStride(const Conv2dGeometry& g, const Window& window) {
  const int64_t columns = window.taps() * g.group_channels();
  return columns + StridePadding(columns);
}

// Patches of a 1×1 window are the pixels themselves, `c` apart.
template <typename T>
struct PatchRows {
  const T* data;
  int64_t stride;
};
template <typename T>
PatchRows<T> RowsOf(const Conv2dGeometry& g, int64_t group, const Window& window, int64_t begin, int64_t end,
                    const T* x, T* scratch) {
  if (g.pointwise()) return {x + begin * g.c + group * g.group_channels(), g.c};
  const int64_t stride = PatchStride(g, window);
  Gather(g, group, window, begin, end, x, scratch, stride);
  return {scratch, stride};
}

}  // namespace

template <typename T>
void PatchForward(const Conv2dGeometry& g, const T* x, const T* filter, const T* bias, Activation activation,
                  WeightLayouts* layouts, T* y) {
  const int64_t positions = g.positions(), outputs = g.group_outputs(), blocks = CeilDivide(positions, BlockRows(g));
  if (g.groups == 1 && blocks < kFewBlocks) {
    // Too few blocks for the threads: all patches at once, and a product that is also cut by outputs.
    Scratch<T> scratch(g.pointwise() ? 0 : positions * g.patch());
    T* patches = scratch.data();
    if (!g.pointwise()) {
      ParallelFor(positions, std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(1, g.patch())),
                  [&](int64_t begin, int64_t end) {
                    Gather(g, 0, Whole(g), begin, end, x, patches + begin * g.patch(), g.patch());
                  });
    }
    const T* rows = g.pointwise() ? x : patches;
    MultiplyWithBiasActivation<T>(activation, positions, g.o, bias, nullptr, y, [&](auto* to, const auto& epilogue) {
      if constexpr (!std::is_same_v<T, double>) {
        if (layouts != nullptr && OneDnnHasAvx512())
          return KeptWeightGemm(positions, g.o, g.patch(), rows, filter, *layouts, to, epilogue);
      }
      ParallelGemm({positions, g.o, g.patch(), false, true}, rows, g.patch(), filter, g.patch(), false, to, g.o,
                   epilogue);
    });
    return;
  }
  const int64_t pieces = EvenPieces(blocks);
  ParallelPieces(pieces, [&](int64_t piece) {
    const int64_t begin = positions * piece / pieces, end = positions * (piece + 1) / pieces;
    Scratch<T> scratch(g.pointwise() ? 0 : (end - begin) * PatchStride(g, Whole(g)));
    const auto multiply = [&](auto* to, BFloat16Epilogue epilogue) {
      for (int64_t group = 0; group < g.groups; ++group) {
        const PatchRows<T> patches = RowsOf(g, group, Whole(g), begin, end, x, scratch.data());
        SerialGemm({end - begin, outputs, g.patch(), false, true}, patches.data, patches.stride,
                   filter + group * outputs * g.patch(), g.patch(), false, to + group * outputs, g.o, epilogue);
        if (epilogue.bias != nullptr) epilogue.bias += outputs;
      }
    };
    MultiplyWithBiasActivation<T>(activation, end - begin, g.o, bias, nullptr, y + begin * g.o, multiply);
  });
}

template <typename T>
void PatchInputGradient(const Conv2dGeometry& g, const T* filter, const T* dy, T* dx) {
  if (g.pointwise() && g.groups == 1) {
    ParallelGemm({g.positions(), g.c, g.o, false, false}, dy, g.o, filter, g.c, false, dx, g.c);
    return;
  }
  const int64_t outputs = g.group_outputs(), block = BlockRows(g);
  const RestridedMatrix<T> matrix(GemmOperand::kPlainB, filter, g.o, g.patch(), g.patch());
  const auto patches_of = [&](int64_t group, int64_t begin, int64_t end, T* patches) {
    SerialGemm({end - begin, g.patch(), outputs, false, false}, dy + begin * g.o + group * outputs, g.o,
               matrix.data() + group * outputs * matrix.stride(), matrix.stride(), false, patches, g.patch());
  };
  const bool covering = g.disjoint() && g.stride == g.kh && g.stride == g.kw && g.padding == 0 && g.oh * g.kh == g.h &&
                        g.ow * g.kw == g.w;
  if (!covering) {
    ParallelFor(g.n * g.h * g.w, (1 << 16) / g.c + 1,
                [&](int64_t begin, int64_t end) { std::fill(dx + begin * g.c, dx + end * g.c, T(0.0f)); });
  }
  if (g.disjoint()) {
    ParallelPieces(CeilDivide(g.positions(), block), [&](int64_t piece) {
      const int64_t begin = piece * block, end = std::min(g.positions(), begin + block);
      Scratch<T> patches((end - begin) * g.patch());
      for (int64_t group = 0; group < g.groups; ++group) {
        patches_of(group, begin, end, patches.data());
        ScatterStore(g, group, begin, end, patches.data(), dx);
      }
    });
    return;
  }
  if constexpr (std::is_same_v<T, BFloat16>) {
    Fail("Conv2d", "the input gradient of windows that overlap is not added up in bfloat16");
  } else {
    // Windows overlap: an image's channels of one group belong to one thread.
    const int64_t image_positions = g.oh * g.ow;
    ParallelPieces(g.n * g.groups, [&](int64_t piece) {
      const int64_t group = piece % g.groups, first = piece / g.groups * image_positions,
                    last = first + image_positions;
      Scratch<T> patches(std::min(block, image_positions) * g.patch());
      for (int64_t begin = first; begin < last; begin += block) {
        const int64_t end = std::min(last, begin + block);
        patches_of(group, begin, end, patches.data());
        ScatterAdd(g, group, begin, end, patches.data(), dx);
      }
    });
  }
}

template <typename T>
void PatchFilterGradient(const Conv2dGeometry& g, const T* x, const T* dy, ComputeType<T>* dfilter) {
  using Sum = ComputeType<T>;
  const int64_t positions = g.positions(), size = g.o * g.patch();
  if (g.pointwise() && g.groups == 1) {
    ParallelGemm({g.o, g.c, positions, true, false}, dy, g.o, x, g.c, false, dfilter, g.c);
    return;
  }
  // Pieces: groups, times single taps where the filter is large, times partial sums over positions.
  const bool by_taps = size >= kLargeFilter;
  const int64_t taps = by_taps ? g.kh * g.kw : 1, most = by_taps ? kMostPartsOfLarge : kMostParts;
  const int64_t parts = std::max<int64_t>(
      1, std::min({most / std::min(most, g.groups), positions / (by_taps ? kPartPositionsOfLarge : kPartPositions),
                   static_cast<int64_t>(g.operations() / kPartOperations)}));
  Scratch<Sum> partial(parts == 1 ? 0 : parts * size);
  Sum* sums = parts == 1 ? dfilter : partial.data();
  const int64_t outputs = g.group_outputs(), columns = g.patch() / taps;
  const int64_t block = std::clamp(kBlockElements / columns, kLeastBlockRows, kMostBlockRows);
  ParallelPieces(parts * g.groups * taps, [&](int64_t piece) {
    const int64_t part = piece / (g.groups * taps), group = piece / taps % g.groups, tap = piece % taps;
    const Window window = by_taps ? Window{tap / g.kw, 1, tap % g.kw, 1} : Whole(g);
    const int64_t first = positions * part / parts, last = positions * (part + 1) / parts;
    Sum* sum = sums + part * size + group * outputs * g.patch() + tap * columns;
    Scratch<T> scratch(g.pointwise() ? 0 : std::min(block, last - first) * PatchStride(g, window));
    for (int64_t begin = first; begin < last; begin += block) {
      const int64_t end = std::min(last, begin + block);
      const PatchRows<T> patches = RowsOf(g, group, window, begin, end, x, scratch.data());
      SerialGemm({outputs, columns, end - begin, true, false}, dy + begin * g.o + group * outputs, g.o, patches.data,
                 patches.stride, begin > first, sum, g.patch());
    }
  });
  if (parts == 1) return;
  ParallelFor(size, 1 << 12, [&](int64_t begin, int64_t end) {
    std::copy(sums + begin, sums + end, dfilter + begin);
    for (int64_t part = 1; part < parts; ++part) {
      for (int64_t i = begin; i < end; ++i) dfilter[i] += sums[part * size + i];
    }
  });
}

#define FOR_TYPE(T)                                                                                                \
  template void PatchForward(const Conv2dGeometry&, const T*, const T*, const T*, Activation, WeightLayouts*, T*); \
  template void PatchInputGradient(const Conv2dGeometry&, const T*, const T*, T*);                                 \
  template void PatchFilterGradient(const Conv2dGeometry&, const T*, const T*, ComputeType<T>*);
FOR_TYPE(float)
FOR_TYPE(double)
FOR_TYPE(BFloat16)
#undef FOR_TYPE

}  // namespace autograd::cpu
