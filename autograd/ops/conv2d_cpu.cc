#include <type_traits>

#include "autograd/cpu/float32_copy.h"
#include "autograd/cpu/onednn.h"
#include "autograd/ops/conv2d_kernels.h"
#include "autograd/ops/conv2d_onednn_cpu.h"
#include "autograd/ops/conv2d_patches_cpu.h"
#include "autograd/ops/conv2d_winograd_cpu.h"

namespace autograd::cpu {
namespace {

// Which way a product goes that is not for Winograd's filtering (conv2d_winograd_cpu.h), by measurement (of float32).
// GFLOP/s of one AVX2 core with a peak of 104, by patches and by oneDNN's convolution: forward 3×3 128→128 at 64²
// 86 and 75, 512→512 at 8² 87 and 73, strided 83 and 58, but from 3 channels (7×7, stride 2) 68 and 97; input
// gradient 86 and 81, 87 and 84, 85 and 67; filter gradient, always by patches, 76 and 49, 87 and 52, 78 and 47.
// oneDNN's convolutions for AVX-512 are faster than its products of matrices, so there they get all windows that
// overlap, and in float32 the forward product of 1×1 windows (DeepLabv3's inference takes 7 % less by it; in bfloat16
// both are equal, but for filters that are kept in the convolution's layout).
template <typename T>
bool ByPatches(Conv2dProduct product, const Conv2dGeometry& g, bool keeps_filter = false) {
  constexpr int64_t kFewChannels = 8, kFewImages = 4, kWideDilation = 8;
  if (g.c == 0) return true;
  const bool forward = product == Conv2dProduct::kForward;
  if (g.groups == 1 && !(forward && g.c < kFewChannels)) {
    if (g.disjoint()) {
      return !(forward && g.pointwise() && OneDnnHasAvx512() && (std::is_same_v<T, float> || keeps_filter));
    }
    // oneDNN's input gradient in float32 comes to 8 to 18 GFLOP/s with dilations of 12 and more.
    if (!forward && std::is_same_v<T, float> && g.dilation >= kWideDilation) return true;
    // Overlapping input gradients by patches run one image a thread, by oneDNN also rows of an image.
    if (!OneDnnHasAvx512() && (forward || g.n >= kFewImages)) return true;
  }
  return IsReferenceImplementation(OneDnnConv2dImplementation<T>(product, g));
}

template <typename T>
void Forward(const Conv2dGeometry& geometry, const Array& x, const Array& filter, const Array& bias,
             Activation activation, WeightLayouts* layouts, Array& y) {
  const T* shift = bias.defined() ? bias.data<T>() : nullptr;
  const bool keeps_filter = layouts != nullptr && IsWorthKeeping(geometry);
  if constexpr (std::is_same_v<T, float>) {
    // In an evaluation an image goes the same way alone and in a batch.
    Conv2dGeometry chosen_by = geometry;
    if (layouts != nullptr) chosen_by.n = 1;
    if (WinogradPays(Conv2dProduct::kForward, chosen_by)) {
      return WinogradForward(geometry, x.data<T>(), filter.data<T>(), shift, activation == Activation::kRelu,
                             keeps_filter ? layouts : nullptr, y.data<T>());
    }
  }
  if (ByPatches<T>(Conv2dProduct::kForward, geometry, keeps_filter)) {
    PatchForward(geometry, x.data<T>(), filter.data<T>(), shift, activation, keeps_filter ? layouts : nullptr,
                 y.data<T>());
  } else {
    OneDnnConv2dForward(geometry, x.data<T>(), filter.data<T>(), shift, activation == Activation::kRelu,
                        keeps_filter ? layouts : nullptr, y.data<T>());
  }
}

template <typename T>
void InputGradient(const Conv2dGeometry& geometry, const Array& filter, const Array& dy, Array& dx) {
  if constexpr (std::is_same_v<T, float>) {
    if (WinogradPays(Conv2dProduct::kInputGradient, geometry))
      return WinogradInputGradient(geometry, filter.data<T>(), dy.data<T>(), dx.data<T>());
  }
  if (ByPatches<T>(Conv2dProduct::kInputGradient, geometry)) {
    PatchInputGradient(geometry, filter.data<T>(), dy.data<T>(), dx.data<T>());
  } else {
    OneDnnConv2dInputGradient(geometry, filter.data<T>(), dy.data<T>(), dx.data<T>());
  }
}

void FilterGradient(const Conv2dGeometry& geometry, const Array& x, const Array& dy, Array& dfilter) {
  if (WinogradPays(Conv2dProduct::kFilterGradient, geometry)) {
    WinogradFilterGradient(geometry, x.data<float>(), dy.data<float>(), dfilter.data<float>());
  } else {
    PatchFilterGradient(geometry, x.data<float>(), dy.data<float>(), dfilter.data<float>());
  }
}

// Overlapping windows of the input gradient are added up in float32.
bool InputGradientInBFloat16(const Conv2dGeometry& g) {
  return OneDnnHasBFloat16() && (g.disjoint() || !ByPatches<BFloat16>(Conv2dProduct::kInputGradient, g));
}

}  // namespace

void Conv2dForward(Stream& stream, const Conv2dGeometry& geometry, const Array& x, const Array& filter,
                   const Array& bias, Activation activation, WeightLayouts* layouts, Array& y) {
  if (y.size() == 0) return;
  if (y.dtype() == kFloat64) {
    return PatchForward(geometry, x.data<double>(), filter.data<double>(),
                        bias.defined() ? bias.data<double>() : nullptr, activation, nullptr, y.data<double>());
  }
  if (y.dtype() == kFloat32) return Forward<float>(geometry, x, filter, bias, activation, layouts, y);
  if (OneDnnHasBFloat16()) return Forward<BFloat16>(geometry, x, filter, bias, activation, layouts, y);
  Array result = Array::Empty(y.shape(), kFloat32);
  Forward<float>(geometry, Float32Copy(stream, x), Float32Copy(stream, filter), Float32Copy(stream, bias), activation,
                 nullptr, result);
  Convert(stream, result, y);
}

void Conv2dInputGradient(Stream& stream, const Conv2dGeometry& geometry, const Array& filter, const Array& dy,
                         Array& dx) {
  if (dx.size() == 0) return;
  if (dy.size() == 0) return stream.FillZero(dx.raw(), dx.bytes());
  if (dx.dtype() == kFloat64)
    return PatchInputGradient(geometry, filter.data<double>(), dy.data<double>(), dx.data<double>());
  if (dx.dtype() == kFloat32) return InputGradient<float>(geometry, filter, dy, dx);
  if (InputGradientInBFloat16(geometry)) return InputGradient<BFloat16>(geometry, filter, dy, dx);
  Array result = Array::Empty(dx.shape(), kFloat32);
  InputGradient<float>(geometry, Float32Copy(stream, filter), Float32Copy(stream, dy), result);
  Convert(stream, result, dx);
}

void Conv2dFilterGradient(Stream& stream, const Conv2dGeometry& geometry, const Array& x, const Array& dy,
                          Array& dfilter) {
  if (dfilter.size() == 0) return;
  if (dy.size() == 0) return stream.FillZero(dfilter.raw(), dfilter.bytes());
  if (dfilter.dtype() == kFloat64)
    return PatchFilterGradient(geometry, x.data<double>(), dy.data<double>(), dfilter.data<double>());
  if (dfilter.dtype() == kFloat32) return FilterGradient(geometry, x, dy, dfilter);
  Array result = Array::Empty(dfilter.shape(), kFloat32);
  if (OneDnnHasBFloat16()) {
    PatchFilterGradient(geometry, x.data<BFloat16>(), dy.data<BFloat16>(), result.data<float>());
    return Convert(stream, result, dfilter);
  }
  FilterGradient(geometry, Float32Copy(stream, x), Float32Copy(stream, dy), result);
  Convert(stream, result, dfilter);
}

}  // namespace autograd::cpu
