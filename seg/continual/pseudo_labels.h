#pragma once

// PLOP's pseudo-labels: where the labels of a step say background, the old network says which old class it is, if it is
// certain enough for that class (Douillard et al., "PLOP: learning without forgetting for continual semantic
// segmentation", CVPR 2021). In two readings, that of the paper and that of the released code, which
// computes something else.

#include <cstdint>
#include <span>
#include <vector>

#include "autograd/collective/collective.h"
#include "autograd/core/array.h"
#include "nn/module.h"
#include "seg/continual/entropy_bins.h"

namespace seg {

// What the old network says of each pixel.
struct PixelEntropies {
  autograd::Array entropy;     // float32 [n, h, w]: u
  autograd::Array prediction;  // uint8 [n, h, w]: the most probable class, the first of equal ones
};

// logits [n, h, w, C_old], floating, of the size of the labels; C_old from 2 to 255. With q their softmax, u is
//
//   kPaper          −Σ_c q_c·log q_c, from 0 to log C_old;
//   kReleasedCode   −mean_c(q_c·log(q_c + 10^−8)) / (log C_old · log C_seen), from 0 to 1 / (C_old·log C_seen):
//                   0.022 at the first step of VOC 15-1, 0.002 at that of ADE20K 100-50.
//
// seen_classes is C_seen, the classes of the step included, at least C_old; the paper's reading ignores it. The results
// are constants. Computed in float32 (float64 for float64).
PixelEntropies EntropyOf(const autograd::Array& logits, EntropyReading reading, int seen_classes);

// τ_c from the counts of a class's entropies. kPaper, of EntropyBins::kPaper bins: the median, linear within its bin,
// hence within 1/256 of itself (or within 2^−24) of the middle one of the counted entropies, of two the smaller; 0
// where there is none, which no entropy is below.
double PaperThreshold(std::span<const int64_t> counts);

// kReleasedCode, of 100 bins on [0, 1]: max(m, 0.001), where m should be the interpolated median. The loop that looks
// for its bin adds the numbers of the bins that it passes, not their counts, so that it stops at the first bin which
// (almost) holds half of the pixels by itself; where none does, it goes on to the last one and divides by its count,
// mostly 0. Counts of 400, 500, 100 give 0.0200 where the median is 0.0120; 300, 300, 400 give −∞, hence 0.001, and
// 10,000 times as many +∞, with which every pixel counts as certain. 0.001 where there is no pixel, or 0/0.
double ReleasedThreshold(std::span<const int64_t> counts);

// The thresholds of the classes, from one pass over a step's training images before it begins.
class EntropyThresholds {
 public:
  // old_classes: C_old, from 2 to 255. Its state is on the current stream's device.
  EntropyThresholds(int old_classes, EntropyReading reading);

  // Counts the entropies of the pixels whose label is 0, by predicted class: labels uint8 [n, h, w], and what the old
  // network says of these images in the same reading.
  void Add(const autograd::Array& labels, const PixelEntropies& pixels);

  // Makes the counts those of all ranks. Once, after the last Add of each rank.
  void SumOverRanks(autograd::Collective& collective) { collective.AllReduceSum(counts_); }

  // float32 [C_old] on the current stream's device. Waits for the stream.
  autograd::Array Finish() const;

  const autograd::Array& counts() const { return counts_; }  // int64 [C_old, bins]
  void Fields(nn::FieldVisitor& visitor) { visitor.Field("counts", counts_); }

 private:
  EntropyReading reading_;
  autograd::Array counts_;
};

struct PseudoLabels {
  autograd::Array labels;  // uint8 [n, h, w]
  autograd::Array factor;  // float32 [n]: ν, what an image's classification loss is multiplied with
};

// labels uint8 [n, h, w] as a step shows them; thresholds float32 [C_old]. Pixels with a label below C_old, which in
// training is the background's alone, take the prediction where u < τ_prediction, and are void (255) elsewhere; other
// pixels keep their label. The adaptive factor is ν = certain / (background + 10^−6), pixels of the image; 0 for an
// image without background, as in the release.
PseudoLabels PseudoLabel(const autograd::Array& labels, const PixelEntropies& pixels,
                         const autograd::Array& thresholds);

}  // namespace seg
