#include <algorithm>

#include "autograd/cpu/float32_copy.h"
#include "autograd/cpu/onednn.h"
#include "autograd/ops/conv2d_kernels.h"
#include "autograd/ops/conv2d_onednn_cpu.h"
#include "autograd/ops/conv2d_patches_cpu.h"

namespace autograd::cpu {
namespace {

// Which way a float32 product goes, by measurement (GFLOP/s of one AVX2 core with a peak of 104, forward and input gradient): 3×3 128→128 at 64²
// 85 and 86 by patches, 75 and 87 by oneDNN; strided 84 and 84 against 62 and 67; 512→512 at 16² 83 and 82 against 81 and 86; from 3 channels
// (7×7, stride 2) 71 against 95. oneDNN's kernels for AVX-512 are faster than its products of matrices, so there they get all that overlaps.
// The filter gradient always goes by patches: 72 to 86, against 43 to 77.
bool ByPatches(Conv2dProduct product, const Conv2dGeometry& g) {
  constexpr int64_t kFewChannels = 8, kFewImages = 4, kLargeFilter = 1 << 20;
  if (g.c == 0) return true;
  const bool forward = product == Conv2dProduct::kForward;
  if (g.groups == 1 && !(forward && g.c < kFewChannels)) {
    if (g.disjoint()) return true;
    // Overlapping input gradients by patches run one image a thread.
    if (!OneDnnHasAvx512() && (forward || (g.n >= kFewImages && g.o * g.patch() < kLargeFilter))) return true;
  }
  return IsReferenceImplementation(OneDnnConv2dImplementation(product, g));
}

void Forward(const Conv2dGeometry& geometry, const Array& x, const Array& filter, const Array& bias, bool relu, Array& y) {
  const float* shift = bias.defined() ? bias.data<float>() : nullptr;
  if (ByPatches(Conv2dProduct::kForward, geometry)) {
    PatchForward(geometry, x.data<float>(), filter.data<float>(), shift, relu, y.data<float>());
  } else {
    OneDnnConv2dForward(geometry, x.data<float>(), filter.data<float>(), shift, relu, y.data<float>());
  }
}

void InputGradient(const Conv2dGeometry& geometry, const Array& filter, const Array& dy, Array& dx) {
  if (ByPatches(Conv2dProduct::kInputGradient, geometry)) {
    PatchInputGradient(geometry, filter.data<float>(), dy.data<float>(), dx.data<float>());
  } else {
    OneDnnConv2dInputGradient(geometry, filter.data<float>(), dy.data<float>(), dx.data<float>());
  }
}

}  // namespace

void Conv2dForward(Stream& stream, const Conv2dGeometry& geometry, const Array& x, const Array& filter, const Array& bias, Activation activation,
                   Array& y) {
  if (y.size() == 0) return;
  const bool relu = activation == Activation::kRelu;
  if (y.dtype() == kFloat64) {
    return PatchForward(geometry, x.data<double>(), filter.data<double>(), bias.defined() ? bias.data<double>() : nullptr, relu, y.data<double>());
  }
  if (y.dtype() == kFloat32) return Forward(geometry, x, filter, bias, relu, y);
  Array result = Array::Empty(y.shape(), kFloat32);
  Forward(geometry, Float32Copy(stream, x), Float32Copy(stream, filter), Float32Copy(stream, bias), relu, result);
  Convert(stream, result, y);
}

void Conv2dInputGradient(Stream& stream, const Conv2dGeometry& geometry, const Array& filter, const Array& dy, Array& dx) {
  if (dx.size() == 0) return;
  if (dy.size() == 0) return stream.FillZero(dx.raw(), dx.bytes());
  if (dx.dtype() == kFloat64) return PatchInputGradient(geometry, filter.data<double>(), dy.data<double>(), dx.data<double>());
  if (dx.dtype() == kFloat32) return InputGradient(geometry, filter, dy, dx);
  Array result = Array::Empty(dx.shape(), kFloat32);
  InputGradient(geometry, Float32Copy(stream, filter), Float32Copy(stream, dy), result);
  Convert(stream, result, dx);
}

void Conv2dFilterGradient(Stream& stream, const Conv2dGeometry& geometry, const Array& x, const Array& dy, Array& dfilter) {
  if (dfilter.size() == 0) return;
  if (dy.size() == 0) return stream.FillZero(dfilter.raw(), dfilter.bytes());
  if (dfilter.dtype() == kFloat64) return PatchFilterGradient(geometry, x.data<double>(), dy.data<double>(), dfilter.data<double>());
  if (dfilter.dtype() == kFloat32) return PatchFilterGradient(geometry, x.data<float>(), dy.data<float>(), dfilter.data<float>());
  Array result = Array::Empty(dfilter.shape(), kFloat32);
  PatchFilterGradient(geometry, Float32Copy(stream, x).data<float>(), Float32Copy(stream, dy).data<float>(), result.data<float>());
  Convert(stream, result, dfilter);
}

}  // namespace autograd::cpu
