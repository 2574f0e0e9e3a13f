#pragma once

// Depthwise convolution with stride 1 and no dilation, bound by the multiply-add units: float32 arithmetic in blocks of
// registers.
//
// Work is cut into tiles of at most 64 columns and 32 channels. A tile's input is packed, row by row, into planes of
// eight channels [row][column][8] with zeros beside the image, so inner loops have no borders and no strides that
// collide in the cache. With eight outputs and a row of the filter in registers, every loaded pixel serves all taps of
// that row (0.4 loads a multiply-add).

#include "autograd/ops/depthwise_geometry.h"

namespace autograd::cpu {

// For T = float and BFloat16 (computed in float32); geometry.dense(). `bias` may be null.
template <typename T>
void TiledDepthwiseForward(const DepthwiseGeometry& geometry, const T* x, const T* filter, const T* bias, T* y);
template <typename T>
void TiledDepthwiseInputGradient(const DepthwiseGeometry& geometry, const T* filter, const T* dy, T* dx);
// `dbias` may be null.
template <typename T>
void TiledDepthwiseFilterGradient(const DepthwiseGeometry& geometry, const T* x, const T* dy, T* dfilter, T* dbias);

}  // namespace autograd::cpu
