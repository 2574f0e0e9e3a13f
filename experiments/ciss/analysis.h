#pragma once

// What a trained CiSS-Net adopts as context, and what other contexts would have given it: mIoU alone hides an agent
// that adopts everything.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "autograd/runtime/random.h"
#include "data/datasets/dataset.h"
#include "experiments/runner/curves.h"
#include "seg/models/ciss_net.h"

namespace experiments::ciss {

// Contexts in the place of the network's own, at test time.
//
//   random     as many labels as it adopts itself, in other places
//   right      the labels that are right: what no network can know, the bound of selection for this segmentation net
//   shuffled   its own maps, each on another image
struct StepNumbersOfContext {
  double adopted = 0, precision = 0;  // shares of the grid's pixels that are not void, and of what was adopted
};

struct ContextAnalysis {
  std::vector<StepNumbersOfContext> steps;  // t = 0 …
  // Area under the receiver operating characteristic, against Y^0 being right: of the policy's probability to adopt at
  // t = 0, and of Base's softmax confidence. NaN where nothing is wrong or nothing is right, and the policy's where
  // another rule chooses: nothing has trained it.
  double auc = 0, confidence_auc = 0;
  std::vector<Score> swaps;  // mIoU after as many steps, by the contexts in them: "own", "full", "random", …

  // For a run's record: "adopted" and "precision" at t = 0, "AUC", "confidence AUC", "swap full", ….
  std::vector<Score> Scores() const;
  // For the terminal, a few lines.
  std::string ToString() const;
};

struct AnalysisOptions {
  int64_t steps = 2;
  int64_t limit = 0;       // the first images only; 0: all
  double image_scale = 1;  // images are passed through whole, at this share of their size
  autograd::RandomKey key;
};

// Over the images of `dataset`, one after another, with the network's own choice of contexts (net.inference).
absl::StatusOr<ContextAnalysis> AnalyseContexts(seg::CissNet& net, const data::Dataset& dataset,
                                                const AnalysisOptions& options);

// Σ over pairs of a right and a wrong one of [score of the right one is higher] + ½·[they are equal], over their
// number.
double AreaUnderCurve(const std::vector<float>& scores, const std::vector<uint8_t>& right);

}  // namespace experiments::ciss
