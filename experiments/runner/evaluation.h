#pragma once

// Inference and scores. Single scale, several scales, mirrored, and sliding windows are one code path, so `evaluate`, `predict` and
// the training loop cannot disagree.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "autograd/collective/collective.h"
#include "autograd/core/array.h"
#include "data/datasets/dataset.h"
#include "data/transforms/normalize.h"
#include "experiments/runner/segmenter.h"

namespace experiments {

struct InferenceOptions {
  std::vector<double> scales = {1.0};  // of the image; the paper's MF is {0.5, 0.75, 1, 1.25, 1.5, 1.75} with flip
  bool flip = false;                   // average with the mirrored image
  int window = 0;                      // side of sliding windows; 0 takes the whole image
  int stride = 0;                      // between windows; 0 means two thirds of the window
  // Averages probabilities (mmsegmentation, PSPNet) or logits (iSeg, the code RSS comes from).
  bool average_logits = false;
};

// Scores [H, W, K] of one image at its own size: logits if one pass suffices, else the sum of what `options` averages. Windows and
// padded borders follow facts of the reference code: the last window ends at the border; images are padded at the bottom and
// right with the mean colour to a multiple of the network's stride.
autograd::Array Infer(Segmenter& segmenter, const data::Image& image, const data::Normalization& normalization,
                      const InferenceOptions& options);

// argmax of the scores.
data::LabelMap Predict(Segmenter& segmenter, const data::Image& image, const data::Normalization& normalization,
                       const InferenceOptions& options);

struct Evaluation {
  double mean_iou = 0;  // over classes with a non-empty union, in [0, 1]
  double pixel_accuracy = 0;
  double class_accuracy = 0;
  std::vector<double> iou;  // by class; NaN when absent
  int64_t images = 0;
};

// Called for every image after its prediction; may be null.
using PredictionVisitor = std::function<absl::Status(const data::Sample& sample, const data::LabelMap& prediction)>;

// At the labels' own resolution; void is not counted. Takes the first `limit` images (0: all). With a collective every rank calls this,
// predicts (and visits) its share of the images, and gets the result over all of them: the same bits as one rank alone. When a
// rank's share cannot be read or visited, every rank gets that error.
absl::StatusOr<Evaluation> Evaluate(Segmenter& segmenter, const data::Dataset& dataset, const InferenceOptions& options,
                                    int64_t limit = 0, const PredictionVisitor& visitor = nullptr,
                                    autograd::Collective* collective = nullptr);

}  // namespace experiments
