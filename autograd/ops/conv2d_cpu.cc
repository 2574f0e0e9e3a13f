#include <algorithm>

#include "autograd/cpu/float32_copy.h"
#include "autograd/cpu/onednn.h"
#include "autograd/ops/conv2d_kernels.h"
#include "autograd/ops/conv2d_onednn_cpu.h"
#include "autograd/ops/conv2d_patches_cpu.h"

namespace autograd::cpu {
namespace {

// Which way a float32 product goes. Without overlap of the windows a matrix product needs no more memory traffic than the
// convolution, and no reordered filter; and where oneDNN has only its plain loops, patches are faster too.
bool ByPatches(Conv2dProduct product, const Conv2dGeometry& geometry) {
  return geometry.disjoint() || geometry.c == 0 || IsReferenceImplementation(OneDnnConv2dImplementation(product, geometry));
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
