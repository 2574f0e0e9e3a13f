#pragma once

// First values of parameters. An Initializer is a value that layers take in their options; a layer calls it with the
// shape of the parameter, the fans of its layer and a key of its own, so no parameter's draw depends on another's.
// Draws are made on the host and are the same on every device.

#include <functional>

#include "autograd/core/array.h"
#include "autograd/runtime/random.h"

namespace nn {

// Connections of one unit, counted as PyTorch does: for a convolution in = KH·KW·I/groups and out = KH·KW·O.
struct Fans {
  double in = 1;
  double out = 1;
};

using Initializer =
    std::function<autograd::Array(const autograd::Shape& shape, const Fans& fans, autograd::RandomKey key)>;

Initializer Constant(double value);
inline Initializer Zeros() { return Constant(0); }
inline Initializer Ones() { return Constant(1); }

// N(mean, deviation²).
Initializer Normal(double deviation, double mean = 0);

// N(0, deviation²) redrawn while outside [low, high]. The limits are absolute, as in timm and PyTorch, not in
// deviations.
Initializer TruncatedNormal(double deviation = 0.02, double low = -2, double high = 2);

Initializer Uniform(double low, double high);

// U(±√(6 / (in + out))): Glorot and Bengio 2010, eq. 16; Keras' default.
Initializer GlorotUniform();

// N(0, 2 / out): He et al. 2015, eq. 14, for ReLU networks; mmcv's choice for convolutions.
Initializer KaimingNormal();

// U(±1/√in): what PyTorch gives the weights and the biases of its linear and convolution layers.
Initializer FanInUniform();

}  // namespace nn
