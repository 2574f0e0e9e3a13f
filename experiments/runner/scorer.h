#pragma once

// What a protocol counts over a validation set, and the scores that follow from it.

#include <memory>
#include <string>
#include <vector>

#include "autograd/collective/collective.h"
#include "data/datasets/dataset.h"
#include "experiments/runner/curves.h"
#include "seg/metrics/confusion_matrix.h"

namespace experiments {

class Scorer {
 public:
  explicit Scorer(int classes) : confusion_(classes) {}
  virtual ~Scorer() = default;

  // `prediction` in train ids, of the label's size. Void pixels count nowhere.
  virtual void Add(const data::Sample& sample, const data::LabelMap& prediction);
  // What was counted becomes the sum over the ranks; every rank calls it.
  virtual void Share(autograd::Collective& collective);
  // The protocol's scores, the most important one first: "mIoU" (over classes with a non-empty union), "pixel
  // accuracy", "class accuracy". One that is not defined, as where no pixel has a label, is left out.
  virtual std::vector<Score> Scores() const;
  // The names that Scores() can give, in its order.
  virtual std::vector<std::string> Names() const;
  // What a person should know about Scores(), one line each: why some are left out.
  virtual std::vector<std::string> Notes() const { return {}; }

  const seg::ConfusionMatrix& confusion() const { return confusion_; }

 protected:
  seg::ConfusionMatrix confusion_;
};

// The scorer of the dataset's own kit. After the usual scores, for Cityscapes the four of its program (the iIoU where
// every image has its instances); for ADE20K "kit mIoU", over all 150 classes with absent ones as 0, and "kit score",
// the mean of that and the pixel accuracy; for LIP and CIHP "mIoU without class 10", which is another class in each,
// and "mIoU, absent as 0", SCHP's. `root` is the folder of the dataset's files.
std::unique_ptr<Scorer> MakeScorer(const data::DatasetInfo& info, const std::string& root);

}  // namespace experiments
