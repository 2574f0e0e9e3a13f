#pragma once

// F_e of CiSS-Net (Zhou et al., "Context-reinforced semantic segmentation", CVPR 2019, §2.2, figure 3a): the pyramid
// pooling of PSPNet (Zhao et al., CVPR 2017) over a label map, so that every pixel knows what is where in the image.
//
//   map        one-hot of the labels over `values`
//   branches   map → adaptive average over b×b bins, for each b in `bins` → 1×1 convolution without bias → GroupNorm →
//              ReLU → bilinear to the map's size (align_corners = false)
//   encoding   1×1 convolution with bias of the concatenation [map, branches]

#include <cstdint>
#include <vector>

#include "autograd/core/array.h"
#include "nn/context.h"
#include "nn/layers/linear.h"
#include "nn/layers/normalization.h"

namespace seg {

using autograd::Array;
using autograd::RandomKey;
using autograd::Variable;

struct LabelEncoderConfig {
  int64_t values = 0;  // labels are 0 … values − 1
  int64_t width = 512;
  int64_t branch_width = 128;  // a multiple of group_channels
  int64_t group_channels = 16;
  std::vector<int64_t> bins = {1, 2, 3, 6};
  autograd::DType compute = autograd::kFloat32;  // of the encoding

  // The largest of the bins: a grid of fewer rows or columns has bins that share pixels.
  int64_t smallest_extent() const;
};

struct LabelEncoder {
  LabelEncoder(const LabelEncoderConfig& config, RandomKey key);

  // labels uint8 [n, h, w] → [n, h, w, width]. A label from `values` on, such as 255 for void, is a vector of zeros: it
  // stands for no label, which a one-hot encoding says by having no one. Grids smaller than the bins are encoded, too,
  // with bins that share pixels.
  Variable operator()(const Array& labels, const nn::Context& context);
  // branches.{0 …}.{conv,norm}, projection
  void Fields(nn::FieldVisitor& visitor);

  struct Branch {
    void Fields(nn::FieldVisitor& visitor);
    nn::Linear conv;
    nn::GroupNorm norm;
  };

  LabelEncoderConfig config;
  std::vector<Branch> branches;  // one for each of the bins
  nn::Linear projection;
};

}  // namespace seg
