#pragma once

// A whole image in a CiSS-Net, and its steps one by one.

#include <cstdint>
#include <vector>

#include "autograd/core/variable.h"
#include "autograd/runtime/random.h"
#include "data/datasets/dataset.h"
#include "data/transforms/normalize.h"
#include "experiments/runner/network.h"
#include "seg/models/ciss_net.h"

namespace experiments::ciss {

// The CiSS-Net that `network` is; null for other networks.
seg::CissNet* AsCissNet(Network& network);

// At `image_scale` of its size, padded at the bottom and right to what the network takes.
class WholeImage {
 public:
  WholeImage(seg::CissNet& net, const data::Image& image, const data::Normalization& normalization, double image_scale);

  const seg::CissNet::Domain& domain() const { return domain_; }
  // [1, h, w] of X.
  const autograd::Shape& grid() const { return grid_; }
  // A label map of the image on the grid, uint8 [1, h, w]; what the image was padded with is void.
  autograd::Array OnGrid(const data::LabelMap& label) const;
  // argmax at the image's own size of logits [1, h, w, k].
  data::LabelMap Labels(const autograd::Variable& logits) const;
  // A map uint8 [1, h, w] at the image's own size, each pixel that of the nearest cell.
  data::LabelMap Enlarged(const autograd::Array& map) const;

 private:
  int height_, width_, scaled_height_, scaled_width_, padded_height_, padded_width_;
  seg::CissNet::Domain domain_;
  autograd::Shape grid_;
};

struct ContextStep {
  data::LabelMap p_map;    // Y^t
  data::LabelMap context;  // what was adopted of it, void where uncertain; of the last step empty
};

// Y^0, K^0, Y^1, …, Y^T with T = net.inference.steps, at the image's own size. `key` is for contexts that are drawn.
std::vector<ContextStep> TraceContext(seg::CissNet& net, const data::Image& image,
                                      const data::Normalization& normalization, double image_scale,
                                      const autograd::RandomKey& key);

}  // namespace experiments::ciss
