#pragma once

// A run: what it is told (RunContext), and what it comes to (RunRecord).

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "autograd/collective/collective.h"
#include "autograd/runtime/random.h"
#include "data/datasets/dataset.h"
#include "experiments/runner/curves.h"
#include "experiments/runner/interrupt.h"
#include "experiments/settings/identity.h"

namespace experiments {

// A validation image with its label and what the trained network says.
struct Example {
  data::Image image;
  data::LabelMap label, prediction;
  std::vector<data::Image> panels;    // how the network came to its prediction (examples.h)
  std::vector<std::string> captions;  // of the panels
};

// A picture for the report, with what it shows.
struct CaptionedImage {
  std::string caption;
  data::Image image;
};

// What one rank brought to all-reduces and broadcasts, on average over the steps.
struct TrafficOfAStep {
  std::string operation;
  double calls = 0, bytes = 0;
};

// What a trained network says of a dataset that it was not trained on.
struct TargetRecord {
  std::string name;  // in front of its scores
  data::DatasetInfo dataset;
  std::vector<double> class_iou;      // by class; NaN where a class is absent
  std::vector<int64_t> label_pixels;  // by class, in the dataset's labels
  std::vector<Example> examples;      // the first rank's
};

struct RunRecord {
  bool interrupted = false;
  int64_t steps = 0;             // done, with those before a resume
  double seconds = 0;            // of this call
  double images_per_second = 0;  // in training, evaluations left out
  std::vector<Score> scores;     // after the last step, over the validation set
  TrainingCurves curves;
  std::string loss_name;  // where the loss may be compared between runs, such as "cross-entropy"; else empty
  // Of a run that was made in this process, not of one that is read back.
  std::string learner_summary;  // Learner::Summary
  std::vector<Example> examples;
  std::vector<CaptionedImage> pictures;  // of the run as a whole
  data::DatasetInfo dataset;
  std::vector<double> class_iou;      // by class; NaN where a class is absent
  std::vector<int64_t> label_pixels;  // by class, in the validation labels
  std::vector<TargetRecord> targets;
  std::vector<TrafficOfAStep> traffic;  // empty with one rank
};

// Where a run lives.
class RunContext {
 public:
  RunContext(autograd::Collective& collective, const InterruptHandler& interrupt)
      : collective(collective), interrupt(interrupt) {}

  // A run inside the run (a task of a continual protocol, a pre-training): in a folder of its own below this one, with
  // keys of its own.
  RunContext Part(const std::string& name) const {
    RunContext part = *this;
    part.folder += "/" + name;
    part.label += ", " + name;
    part.key = key.Split(name.c_str());
    return part;
  }
  bool first_rank() const { return collective.rank() == 0; }

  std::string label;          // in front of the progress line, such as "PSL"
  std::string folder;         // of everything that the run writes
  autograd::RandomKey key;    // all draws of the run are splits of it
  std::string start_weights;  // of the run that it begins with (Row::From); empty: none
  bool resume = false;        // go on from the checkpoint in `folder`, if there is one
  SettingValues settings;     // the run's identity
  // Called when what is in `folder` turned out to be this run's, before anything there is changed; may be null.
  std::function<absl::Status()> accepted;
  autograd::Collective& collective;
  const InterruptHandler& interrupt;
};

// A run's record in the small JSON file scores.json of its folder, so that a table can be continued, or shown again,
// without training again. Scores that are not finite are left out, there and here.
absl::Status WriteRecord(const RunContext& context, const RunRecord& record);
// NotFound when the run has not ended. FailedPrecondition when it ended with other settings than context.settings
// (roles kResult and kLength), with the differences; where only settings of kLength differ, OutOfRange: the run may go
// on.
absl::StatusOr<RunRecord> ReadRecord(const RunContext& context);

}  // namespace experiments
