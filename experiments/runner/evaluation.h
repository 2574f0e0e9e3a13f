#pragma once

// Inference and scores. Single scale, several scales, mirrored, and sliding windows are one code path, so `evaluate`,
// `predict` and the training loop cannot disagree.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "autograd/collective/collective.h"
#include "autograd/core/array.h"
#include "data/datasets/dataset.h"
#include "data/transforms/normalize.h"
#include "experiments/runner/network.h"
#include "experiments/runner/scorer.h"
#include "experiments/settings/settings.h"
#include "seg/metrics/confusion_matrix.h"

namespace experiments {

struct InferenceOptions {
  std::vector<double> scales = {1.0};  // of the image; the paper's MF is {0.5, 0.75, 1, 1.25, 1.5, 1.75} with flip
  bool flip = false;                   // average with the mirrored image
  int window = 0;                      // side of sliding windows; 0 takes the whole image
  int stride = 0;                      // between windows; 0 means two thirds of the window
  // Averages probabilities (mmsegmentation, PSPNet) or logits (iSeg, the code RSS comes from).
  bool average_logits = false;
  // Height and width to which images are resized before `scales`, whatever their ratio; empty: they keep their own.
  std::vector<int> size = {};
  // Of DatasetInfo: with `flip`, the scores of a mirrored image are those of the classes' mirror images. No setting,
  // but a property of the classes.
  std::vector<uint8_t> mirrored_classes = {};

  void Settings(SettingVisitor& visitor);
};

// Scores [H, W, K] of one image at its own size: logits if one pass suffices, else the sum of what `options` averages.
// Windows and padded borders follow facts of the reference code: the last window ends at the border; images are padded
// at the bottom and right with the mean colour to a multiple of the network's stride. Around several images of a
// network that does not change between them goes an nn::EvaluationScope.
autograd::Array Infer(Network& network, const data::Image& image, const data::Normalization& normalization,
                      const InferenceOptions& options);

// argmax of the scores.
data::LabelMap Predict(Network& network, const data::Image& image, const data::Normalization& normalization,
                       const InferenceOptions& options);

struct Evaluation {
  std::vector<Score> scores;  // of the scorer, over all ranks
  seg::ConfusionMatrix confusion{1};
  int64_t images = 0;
};

// Called for every image after its prediction; may be null.
using PredictionVisitor = std::function<absl::Status(const data::Sample& sample, const data::LabelMap& prediction)>;

struct EvaluationRun {
  int64_t limit = 0;       // the first images only; 0: all
  int reader_threads = 1;  // that read images ahead, beside the threads that compute; at least 1
  PredictionVisitor visitor = nullptr;
  // Every rank calls Evaluate, predicts (and visits) its share of the images, and gets the result over all of them: the
  // same bits as one rank alone. When a rank's share cannot be read or visited, or is stopped, every rank gets the
  // error of the first such rank.
  autograd::Collective* collective = nullptr;
  // Asked before every pass through the network, so that a long evaluation can be left: if it says true, Evaluate
  // returns Cancelled, and what `scorer` has counted by then means nothing. Of several ranks each asks for itself, and
  // a stopped one waits until the others are through with their shares or stopped as well.
  std::function<bool()> stop = nullptr;
};

// At the labels' own resolution. `scorer` is new and counts what is asked of it. Images are predicted and visited in
// the order of the dataset; images of one size that are neighbours, and windows of one image, go through the network
// together.
absl::StatusOr<Evaluation> Evaluate(Network& network, const data::Dataset& dataset, const InferenceOptions& options,
                                    Scorer& scorer, const EvaluationRun& run = {});

}  // namespace experiments
