#pragma once

// The only door between a learner and what it is judged by. A learner hands over what it sampled and gets scores back;
// labels, people, programs and simulators stay behind the interface.

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "autograd/core/array.h"

namespace rl {

// `count` label maps of height × width pixels, each drawn on a coarser (or equal) grid: pixel (y, x) shows the class of
// cell (⌊y·grid_height/height⌋, ⌊x·grid_width/width⌋), nearest-neighbour upsampling. A scorer that can use the cells
// directly saves the pixels; any other calls Upsample.
struct SampledMaps {
  const uint8_t* cells = nullptr;  // [count, grid_height, grid_width], host memory
  int64_t count = 0;
  int64_t grid_height = 0, grid_width = 0;
  int64_t height = 0, width = 0;

  const uint8_t* Map(int64_t index) const { return cells + index * grid_height * grid_width; }
  // Writes map `index` as pixels [height, width].
  void Upsample(int64_t index, uint8_t* pixels) const;
};

// One score for a whole map (RSS, section 3.2). Larger is better; only differences between maps of one image matter.
// What an image id means is between the caller and the reward (an index into the data set, a slot of the batch …).
class Reward {
 public:
  virtual ~Reward() = default;

  // Scores float32 [n, b] of maps uint8 [n, b, grid_height, grid_width], n of each of the images image_ids[0 .. b),
  // shown as height × width pixels: one finite number each. Maps and scores lie on the current stream's device.
  virtual absl::StatusOr<autograd::Array> ScoreInPlace(std::span<const int64_t> image_ids, const autograd::Array& maps,
                                                       int64_t height, int64_t width) = 0;
};

// A reward whose scorer sees the maps in host memory, wherever they lie.
class HostReward : public Reward {
 public:
  // Scores of maps of images image_ids[0 .. maps.count), in order: one finite number each. An id occurs as often as
  // there are maps of its image.
  virtual absl::StatusOr<std::vector<float>> Score(std::span<const int64_t> image_ids, const SampledMaps& maps) = 0;

  // Copies the maps to the host for Score, checks what it gives (CheckedScore), and copies that to the device.
  absl::StatusOr<autograd::Array> ScoreInPlace(std::span<const int64_t> image_ids, const autograd::Array& maps,
                                               int64_t height, int64_t width) override;
};

struct PixelScores {
  autograd::Array rewards;  // float32 [n, b, h, w]
  autograd::Array valid;    // uint8 [b, h, w]: 0 where there is no reward (void), or undefined
};

// One score for every pixel (RSS, section 3.1), such as 1[action = label].
class PixelReward {
 public:
  virtual ~PixelReward() = default;

  // actions uint8 [n, b, h, w]: n maps of each of the images image_ids[0 .. b). They lie on the current stream's
  // device, and so do the scores.
  virtual absl::StatusOr<PixelScores> Score(std::span<const int64_t> image_ids, const autograd::Array& actions) = 0;
};

// Score with its promises checked: the number of scores, and that they are finite. InvalidArgument otherwise.
absl::StatusOr<std::vector<float>> CheckedScore(HostReward& reward, std::span<const int64_t> image_ids,
                                                const SampledMaps& maps);

}  // namespace rl
