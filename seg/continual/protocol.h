#pragma once

// Protocols of continual segmentation as data: which classes are taught at which step, which images a step sees, and
// which labels it shows (Cermelli et al., "Modeling the background for incremental learning in semantic segmentation"
// (MiB), CVPR 2020; Douillard et al., "PLOP: learning without forgetting for continual semantic
// segmentation", CVPR 2021).
//
// Three numberings of a class meet here.
//   train id   the dataset's: 0 … classes − 1 and 255, void. What a dataset's label maps hold.
//   class      the protocol's: 0 is the background, what no step has taught, and a class at every step. The train id
//              itself where the dataset has a background; the train id plus 1 where one is added (background_added).
//   label      by order of appearance: the classes of step 0, then those of step 1, …. The channel of the network.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace seg {

enum class ContinualSetting : uint8_t {
  kOverlapped,  // an image is in a step if it shows one of its classes: future classes may be in it
  kDisjoint,    // and if it shows none of a later step
};

// What becomes of void pixels in training.
enum class VoidPixels : uint8_t {
  kVoid,        // PLOP's release
  kBackground,  // MiB's
};

struct ContinualProtocol {
  std::string name;  // "15-5"
  int classes = 0;   // in all, the background included
  // The classes of each step, in the order of their labels; the background is the first of step 0.
  std::vector<std::vector<int>> tasks;
  // The dataset has no class for "everything else": class 0 is the protocol's own and train id t is class t + 1. Pixels
  // of classes that a step does not show are class 0; no train id is.
  bool background_added = false;
  // The dataset's void pixels are its "everything else" and belong to class 0, in training and in tests (ADE20K, whose
  // label files have 0 for it).
  bool void_is_background = false;

  int steps() const { return static_cast<int>(tasks.size()); }
  int TrainIds() const { return background_added ? classes - 1 : classes; }
  // The number of classes taught up to and including `step`: the channels of that step's network.
  int Seen(int step) const;
  // The number of classes of each step; that of step 0 counts the background.
  std::vector<int> ClassCounts() const;
  // The class of each label. The identity where the tasks are in natural order.
  std::vector<int> Order() const;
  // The label of each train id.
  std::vector<int> LabelsOfTrainIds() const;

  // Whether an image is in the training set of `step`. present [train ids]: which classes its label map shows, as the
  // dataset has them. The background does not count.
  bool InStep(const std::vector<bool>& present, int step, ContinualSetting setting) const;
  // Whether an image is in the test set of `step`: it shows a class that was taught by then.
  bool InTest(const std::vector<bool>& present, int step) const;

  // What a label map of train ids becomes, by its value: the labels of the current classes; 0 for classes of other
  // steps, past and future, and for the background; 255 for void unless `void_pixels` or the protocol says otherwise,
  // and for values that are no train id.
  std::array<uint8_t, 256> TrainingLabels(int step, VoidPixels void_pixels = VoidPixels::kVoid) const;
  // The same for tests: the labels of all classes taught by `step`, 0 for later ones.
  std::array<uint8_t, 256> TestLabels(int step) const;
};

// By its name and the number of classes of the dataset (of its train ids):
//
//   21   Pascal VOC         19-1, 15-5, 15-1, 10-1
//   151  ADE20K with 0 for "other"     100-50, 100-10, 100-5, 50
//   150  ADE20K without                the same, a background added, which the dataset's void pixels belong to
//   19   the things of the embedded scenes on a background     13-5, 13-1, 9-1
//   11   CamVid             6-5: sky, building, road, pavement, tree and fence, then pole, sign symbol, car, pedestrian
//                           and bicyclist; a background added, void pixels stay void
//
// NotFound names the protocols there are.
absl::StatusOr<ContinualProtocol> FindProtocol(absl::string_view name, int train_ids);

}  // namespace seg
