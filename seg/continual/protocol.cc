#include "seg/continual/protocol.h"

#include <numeric>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "autograd/runtime/error.h"
#include "seg/metrics/class_counts.h"

namespace seg {
namespace {

using autograd::Require;

struct Family {
  int train_ids;
  const char* dataset;
  bool background_added, void_is_background;
};

constexpr Family kFamilies[] = {
    {11, "CamVid", true, false}, {19, "the scenes' things", false, false},        {21, "Pascal VOC", false, false},
    {150, "ADE20K", true, true}, {151, "ADE20K with a background", false, false},
};

// Natural order: classes 0 … first, then `increment` at a time.
struct NaturalOrder {
  int classes;
  const char* name;
  int first, increment;
};

constexpr NaturalOrder kNaturalOrders[] = {
    {21, "19-1", 19, 1},      {21, "15-5", 15, 5},      {21, "15-1", 15, 1},    {21, "10-1", 10, 1},
    {151, "100-50", 100, 50}, {151, "100-10", 100, 10}, {151, "100-5", 100, 5}, {151, "50", 50, 50},
    {19, "13-5", 13, 5},      {19, "13-1", 13, 1},      {19, "9-1", 9, 1},
};

std::vector<std::vector<int>> TasksOf(const NaturalOrder& order) {
  std::vector<std::vector<int>> tasks;
  for (int first = 0, last = order.first; first < order.classes; first = last + 1, last += order.increment) {
    std::vector<int>& task = tasks.emplace_back(last - first + 1);
    std::iota(task.begin(), task.end(), first);
  }
  return tasks;
}

// Stuff, then things, as train ids plus 1.
std::vector<std::vector<int>> CamVidTasks() { return {{0, 1, 2, 4, 5, 6, 8}, {3, 7, 9, 10, 11}}; }

std::vector<ContinualProtocol> ProtocolsOf(const Family& family) {
  const int classes = family.train_ids + (family.background_added ? 1 : 0);
  std::vector<ContinualProtocol> protocols;
  const auto add = [&](const char* name, std::vector<std::vector<int>> tasks) {
    protocols.push_back({name, classes, std::move(tasks), family.background_added, family.void_is_background});
  };
  for (const NaturalOrder& order : kNaturalOrders) {
    if (order.classes == classes) add(order.name, TasksOf(order));
  }
  if (classes == 12) add("6-5", CamVidTasks());
  return protocols;
}

void CheckStep(const ContinualProtocol& protocol, const char* operation, int step) {
  Require(step >= 0 && step < protocol.steps(), operation, "step ", step, " of ", protocol.steps());
}

// The step of each class.
std::vector<int> StepsOfClasses(const ContinualProtocol& protocol) {
  std::vector<int> steps(protocol.classes);
  for (int step = 0; step < protocol.steps(); ++step) {
    for (const int k : protocol.tasks[step]) steps[k] = step;
  }
  return steps;
}

// Of which steps an image shows classes, the background left out, as seen from the step that is asked about.
struct StepsShown {
  bool earlier = false, asked = false, later = false;
};
StepsShown StepsOf(const ContinualProtocol& protocol, const char* operation, const std::vector<bool>& present,
                   int step) {
  CheckStep(protocol, operation, step);
  Require(static_cast<int>(present.size()) == protocol.TrainIds(), operation, present.size(), " train ids for ",
          protocol.TrainIds());
  const std::vector<int> steps = StepsOfClasses(protocol);
  StepsShown shown;
  for (int id = 0; id < protocol.TrainIds(); ++id) {
    const int k = protocol.background_added ? id + 1 : id;
    if (!present[id] || k == 0) continue;
    (steps[k] < step ? shown.earlier : steps[k] == step ? shown.asked : shown.later) = true;
  }
  return shown;
}

// The labels of the classes whose step is in [first, last], 0 for the others.
std::array<uint8_t, 256> Table(const ContinualProtocol& protocol, int first, int last, uint8_t void_label) {
  const std::vector<int> labels = protocol.LabelsOfTrainIds();
  std::array<uint8_t, 256> table;
  table.fill(kVoid);
  int begin = 0;
  for (int step = 0; step < first; ++step) begin += static_cast<int>(protocol.tasks[step].size());
  const int end = protocol.Seen(last);
  for (size_t id = 0; id < labels.size(); ++id)
    table[id] = labels[id] >= begin && labels[id] < end ? static_cast<uint8_t>(labels[id]) : 0;
  table[kVoid] = void_label;
  return table;
}

}  // namespace

int ContinualProtocol::Seen(int step) const {
  CheckStep(*this, "ContinualProtocol::Seen", step);
  int seen = 0;
  for (int i = 0; i <= step; ++i) seen += static_cast<int>(tasks[i].size());
  return seen;
}

std::vector<int> ContinualProtocol::ClassCounts() const {
  std::vector<int> counts;
  for (const std::vector<int>& task : tasks) counts.push_back(static_cast<int>(task.size()));
  return counts;
}

std::vector<int> ContinualProtocol::Order() const {
  std::vector<int> order;
  for (const std::vector<int>& task : tasks) order.insert(order.end(), task.begin(), task.end());
  return order;
}

std::vector<int> ContinualProtocol::LabelsOfTrainIds() const {
  const std::vector<int> order = Order();
  std::vector<int> labels(TrainIds());
  for (int label = 0; label < static_cast<int>(order.size()); ++label) {
    const int id = background_added ? order[label] - 1 : order[label];
    if (id >= 0) labels[id] = label;
  }
  return labels;
}

bool ContinualProtocol::InStep(const std::vector<bool>& present, int step, ContinualSetting setting) const {
  const StepsShown shown = StepsOf(*this, "ContinualProtocol::InStep", present, step);
  return shown.asked && (setting == ContinualSetting::kOverlapped || !shown.later);
}

bool ContinualProtocol::InTest(const std::vector<bool>& present, int step) const {
  const StepsShown shown = StepsOf(*this, "ContinualProtocol::InTest", present, step);
  return shown.asked || shown.earlier;
}

std::array<uint8_t, 256> ContinualProtocol::TrainingLabels(int step, VoidPixels void_pixels) const {
  CheckStep(*this, "ContinualProtocol::TrainingLabels", step);
  const bool background = void_is_background || void_pixels == VoidPixels::kBackground;
  return Table(*this, step, step, background ? 0 : kVoid);
}

std::array<uint8_t, 256> ContinualProtocol::TestLabels(int step) const {
  CheckStep(*this, "ContinualProtocol::TestLabels", step);
  return Table(*this, 0, step, void_is_background ? 0 : kVoid);
}

absl::StatusOr<ContinualProtocol> FindProtocol(absl::string_view name, int train_ids) {
  std::vector<std::string> datasets;
  for (const Family& family : kFamilies) {
    datasets.push_back(absl::StrCat(family.train_ids, " (", family.dataset, ")"));
    if (family.train_ids != train_ids) continue;
    std::vector<std::string> names;
    for (ContinualProtocol& protocol : ProtocolsOf(family)) {
      if (protocol.name == name) return std::move(protocol);
      names.push_back(protocol.name);
    }
    return absl::NotFoundError(absl::StrCat("no continual protocol \"", name, "\" for ", family.dataset, " (",
                                            train_ids, " classes): there are ", absl::StrJoin(names, ", ")));
  }
  return absl::NotFoundError(absl::StrCat("no continual protocols for ", train_ids, " classes: there are some for ",
                                          absl::StrJoin(datasets, ", ")));
}

}  // namespace seg
