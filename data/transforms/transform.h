// Augmentations: functions of a random key and a sample. A pipeline is a list of them; step i gets the key's
// i-th child, so a sample is changed in the same way whichever thread does it, and adding a step leaves the
// earlier ones alone.
//
//   TransformPipeline train = {
//       FitResizeAndCrop({.long_side = 520, .short_side = 520, .crop_height = 480, .crop_width = 480}),
//       HorizontalFlip(0.5f), PhotometricDistortion({})};
//   train.Apply(key, sample);
//
// This is the recipe of mmsegmentation and SSSegmentation; normalisation and padding follow when the batch is
// put together (normalize.h), so that the padding is exactly the mean colour.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "autograd/runtime/random.h"
#include "data/datasets/dataset.h"

namespace data {

// A change of where a sample's pixels are, or what they are called. Who has a sample's own label map and takes it
// through the steps gets the label map of the augmented sample, exactly.
struct GeometryStep {
  // "resize" height width (ResizeLabel) · "crop" top left height width · "mirror" left and right · "exchange" two train
  // ids · "pad" height width, at the bottom and right, with void
  std::string name;
  std::vector<int> numbers;
};
using Geometry = std::vector<GeometryStep>;

// May change the image's and label's size, but both alike. Must be callable from several threads at once. Made of a
// function of (key, sample) that leaves the pixels where they are, or of (key, sample, geometry) that adds what it did
// to the geometry.
class Transform {
 public:
  template <typename Function>
  Transform(Function function) {
    if constexpr (std::is_invocable_v<Function&, const autograd::RandomKey&, Sample&, Geometry&>) {
      function_ = std::move(function);
    } else {
      function_ = [function = std::move(function)](const autograd::RandomKey& key, Sample& sample, Geometry&) {
        function(key, sample);
      };
    }
  }
  void operator()(const autograd::RandomKey& key, Sample& sample, Geometry& geometry) const {
    function_(key, sample, geometry);
  }
  void operator()(const autograd::RandomKey& key, Sample& sample) const {
    Geometry nobody_asked;
    function_(key, sample, nobody_asked);
  }

 private:
  std::function<void(const autograd::RandomKey& key, Sample& sample, Geometry& geometry)> function_;
};

class TransformPipeline {
 public:
  TransformPipeline() = default;
  TransformPipeline(std::initializer_list<Transform> steps) : steps_(steps) {}

  void Add(Transform step) { steps_.push_back(std::move(step)); }
  // What was done to the sample's geometry.
  Geometry Apply(const autograd::RandomKey& key, Sample& sample) const {
    Geometry geometry;
    for (size_t i = 0; i < steps_.size(); ++i) steps_[i](key.Split(uint64_t{i}), sample, geometry);
    return geometry;
  }

 private:
  std::vector<Transform> steps_;
};

// To height x width; the ratio is not kept.
Transform Resize(int height, int width);

// The size that fits into the box and keeps the ratio:
// factor = scale * min(long / max(h, w), short / min(h, w)), new side = floor(side * factor + 0.5), at least 1.
struct Size {
  int height = 0, width = 0;
};
Size FitSize(int height, int width, int long_side, int short_side, double scale);

// Keeps the ratio. The scale is uniform in [smallest, largest]; both 1 for evaluation.
struct FitResizeOptions {
  int long_side = 0;
  int short_side = 0;
  double smallest_scale = 1;
  double largest_scale = 1;
};
Transform FitResize(const FitResizeOptions& options);

// A random window of at most height x width. If one class covers `largest_share` or more of the window's
// non-void pixels (or fewer than two classes are there), another is tried, up to ten times; the last one
// stands, as in mmsegmentation.
struct RandomCropOptions {
  int height = 0;
  int width = 0;
  double largest_share = 0.75;  // 1: any window will do
};
Transform RandomCrop(const RandomCropOptions& options);

// FitResize and RandomCrop in one step: the windows are chosen on the resized label map, and only the chosen
// part of the image is resized.
struct FitResizeAndCropOptions {
  int long_side = 0;
  int short_side = 0;
  int crop_height = 0;
  int crop_width = 0;
  double smallest_scale = 0.5;
  double largest_scale = 2.0;
  double largest_share = 0.75;
  bool keep_ratio = true;  // false: short_side high and long_side wide, times the scale
};
Transform FitResizeAndCrop(const FitResizeAndCropOptions& options);

// A random part of the image, of any size and about its shape, resized to height x width (Szegedy et al., "Going deeper
// with convolutions", CVPR 2015, as torchvision has it): the part's area is the image's times
// U(smallest_area, largest_area), its width over its height exp(U(log 3/4, log 4/3)), both sides rounded. If it fits
// into the image it is placed uniformly, otherwise another is drawn, up to ten; then the largest part in the middle
// whose ratio is within the range. The image is resized bilinearly, the label by ResizeLabel. The defaults, areas of up
// to twice the image's, are PLOP's (Douillard et al., CVPR 2021).
struct RandomResizedCropOptions {
  int height = 0;
  int width = 0;
  double smallest_area = 0.5;
  double largest_area = 2;
};
Transform RandomResizedCrop(const RandomResizedCropOptions& options);

// The middle window of at most height x width; odd rests go to the bottom and right.
Transform CenterCrop(int height, int width);

// Mirrors left and right. `exchanged`: pairs of train ids that name left and right parts (human parsing) and
// change places.
Transform HorizontalFlip(float probability, const std::vector<std::pair<uint8_t, uint8_t>>& exchanged = {});
// The pairs of `info.mirrored_classes`.
std::vector<std::pair<uint8_t, uint8_t>> MirroredPairs(const DatasetInfo& info);

// Brightness, contrast, saturation and hue, each with `probability`, in the order of SSD (Liu et al., ECCV
// 2016) that mmsegmentation keeps: brightness; contrast here or at the end, by a coin; saturation; hue. Zero
// ranges switch a part off.
struct PhotometricOptions {
  float probability = 0.5f;
  float brightness = 32;  // added: uniform in [-brightness, brightness], on the 0..255 scale
  float smallest_contrast = 0.5f, largest_contrast = 1.5f;
  float smallest_saturation = 0.5f, largest_saturation = 1.5f;
  int hue = 18;  // added: an integer in [-hue, hue), on the 0..179 scale
};
Transform PhotometricDistortion(const PhotometricOptions& options);

// To at least height x width, at the bottom and right: the image with the (rounded) mean colour, the label
// with void. Batches pad by themselves, and exactly; this is for networks and evaluations that pad before
// normalising.
Transform Pad(int height, int width, Color fill = {124, 116, 104});

}  // namespace data
