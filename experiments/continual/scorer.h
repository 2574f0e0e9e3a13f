#pragma once

// The scores of a continual protocol after a task.

#include <cstdint>
#include <vector>

#include "experiments/runner/scorer.h"

namespace experiments::continual {

// "all", "old" and "new": mean IoU, over the classes that the validation labels have, of all classes seen so far, of
// the first task's and of all later ones' (left out after the first task); then the usual scores.
class ContinualScorer : public Scorer {
 public:
  ContinualScorer(int classes, int first_task_classes) : Scorer(classes), first_(first_task_classes) {}
  std::vector<Score> Scores() const override;
  std::vector<std::string> Names() const override;

 private:
  const int first_;
};

// class_iou with NaN in the place of classes that the labels lack, as PLOP's scores leave them out: a prediction of one
// has a union, and an IoU of 0. label_pixels: of each class.
std::vector<double> IouOfLabels(std::vector<double> class_iou, const std::vector<int64_t>& label_pixels);

// What was measured after each task: [task][class], NaN where the validation labels lack the class.
using ClassHistory = std::vector<std::vector<double>>;

// The mean, over the classes of all tasks but the last, of how much IoU each has lost since the task that taught it;
// NaN with one task. `first_class[t]`: the number of the first class of task t.
double Forgetting(const ClassHistory& history, const std::vector<int>& first_class);

}  // namespace experiments::continual
