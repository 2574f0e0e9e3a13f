#pragma once

// The boundary F-measure of label maps (Csurka et al., "What is a good evaluation measure for semantic segmentation?",
// BMVC 2013).

#include <optional>

#include "autograd/core/array.h"
#include "seg/metrics/class_counts.h"

namespace seg {

struct BoundaryFOptions {
  // θ, as a share of the image's diagonal, or in pixels where `pixels` says so. Not negative; above 32,000 pixels it is
  // taken as that.
  double share_of_diagonal = 0.0075;
  std::optional<double> pixels = {};
  // Which classes an image's score is the mean of: kTruth those with a boundary in the truth, kUnion those with one in
  // the truth or in the map, kAll all of them.
  ClassSet set = ClassSet::kUnion;
};

// maps uint8 [n, b, h, w]: n maps of each image; labels uint8 [b, h, w], below `classes` (1 to 255) or 255, which is
// void; another label is an Error on the CPU and void elsewhere → float32 [n, b],
//
//   mean over classes k of F_k = 2·P_k·R_k / (P_k + R_k), 0 where both are 0,
//
// with P_k the share of the map's boundary pixels of class k that lie within the Euclidean distance θ (inclusive) of a
// boundary pixel of class k in the truth, and R_k the converse; a share of no pixels is 0. Any number of pixels may be
// near the same one.
//
// A pixel is a boundary pixel of class k if it belongs to k and one of its four neighbours in the image does not. Void
// pixels take part in nothing: in truth and map alike they are no boundary pixels, and make none of their neighbours.
// So a label that ends at a void rim has no boundary there, and what the map says inside the rim is left out; labels
// whose objects all have such a rim (Pascal VOC's own) leave next to nothing to score. A map's value that is not below
// `classes` has no boundary of its own and makes those of its neighbours.
//
// A class without a boundary in truth and map, such as one that fills the image in both, is not in kUnion, and counts 0
// in kAll. An image without a class to average scores 0. Pixels are counted in integers and the mean is computed in
// float64: the same bits on the CPU and on CUDA. An image has fewer than 2^31 pixels.
autograd::Array BoundaryF(const autograd::Array& maps, const autograd::Array& labels, int classes,
                          const BoundaryFOptions& options = {});

}  // namespace seg
