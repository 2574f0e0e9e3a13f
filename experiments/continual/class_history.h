#pragma once

// The matrix "class by task": the IoU of every class after every task.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "data/datasets/dataset.h"
#include "data/formats/image.h"
#include "experiments/continual/scorer.h"

namespace experiments::continual {

// A line "class,task 1,task 2,…" and one a class, IoU in per cent; empty where the class was not taught yet or has no
// validation pixel.
std::string HistoryCsv(const ClassHistory& history, const data::DatasetInfo& info);

// Rows are classes, by the order in which they appear, columns are tasks; a cell is as dark as its IoU, which it says
// in per cent. A line is drawn under the last class of each task.
data::Image DrawHistory(const ClassHistory& history, const data::DatasetInfo& info,
                        const std::vector<int>& first_class);

// The IoUs of one task in a file of its own, so that a task that is finished need not be evaluated again.
absl::Status WriteClassIou(const std::string& path, const std::vector<double>& class_iou);
// NotFound where there is no file; InvalidArgument, naming it, where it has not `classes` numbers.
absl::StatusOr<std::vector<double>> ReadClassIou(const std::string& path, size_t classes);

}  // namespace experiments::continual
