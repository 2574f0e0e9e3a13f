// The embedded scenes: a procedural dataset that needs no files. Every sample is a made-up landscape with
// regions (sky, ground, water, ...) and things (trees, houses, cars, ...) with an exact label map.
//
// Sample i of a seed, split and size is the same on every machine and compiler: only counter-based random
// numbers and exact IEEE operations are used. Training and validation scenes come from separate random
// streams. Another light shows the same scenes, with the same labels bit for bit: domains to train on and to test on.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "autograd/runtime/random.h"
#include "data/datasets/dataset.h"
#include "data/scenes/light.h"

namespace data {

struct SceneOptions {
  // size() of an unlimited dataset, whose Load() takes any index, also negative ones.
  static constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();

  int class_count = 6;  // 2..24: the first ones of scenes/classes.h
  int height = 64;      // pixels
  int width = 64;
  uint64_t seed = 0;
  int64_t training_size = kUnlimited;
  int64_t validation_size = 256;
  SceneLight light = SceneLight::kDay;
  // Whatever is no thing (IsThing of objects.h: sky, ground, water, mountain, road) is class 0, "background", and the
  // things among the first class_count classes are 1, 2, … in their order: 19 of all 24.
  bool things = false;
};

class SceneDataset : public Dataset {
 public:
  // `split`: "train" or "val". InvalidArgument names the option that is out of range, or says that there is no thing.
  static absl::StatusOr<std::unique_ptr<Dataset>> Create(const std::string& split, const SceneOptions& options = {});

  const DatasetInfo& info() const override { return info_; }
  int64_t size() const override { return size_; }
  absl::StatusOr<Sample> Load(int64_t index) const override;

 private:
  SceneDataset(const std::string& split, const SceneOptions& options);

  const SceneOptions options_;
  const int64_t size_;
  const autograd::RandomKey key_;
  DatasetInfo info_;
  std::vector<uint8_t> train_ids_;  // by class
};

}  // namespace data
