#include "rl/rollouts/reward.h"

#include <cmath>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace rl {

void SampledMaps::Upsample(int64_t index, uint8_t* pixels) const {
  const uint8_t* map = Map(index);
  int64_t drawn = -1;  // the grid row that the previous row of pixels shows
  for (int64_t y = 0; y < height; ++y) {
    const int64_t row = y * grid_height / height;
    uint8_t* out = pixels + y * width;
    if (row == drawn) {
      std::memcpy(out, out - width, width);
      continue;
    }
    for (int64_t x = 0; x < width; ++x) out[x] = map[row * grid_width + x * grid_width / width];
    drawn = row;
  }
}

absl::StatusOr<autograd::Array> HostReward::ScoreInPlace(std::span<const int64_t> image_ids,
                                                         const autograd::Array& maps, int64_t height, int64_t width) {
  const autograd::Shape& shape = maps.shape();
  const std::vector<uint8_t> cells = maps.ToVector<uint8_t>();
  std::vector<int64_t> ids;
  ids.reserve(shape[0] * shape[1]);
  for (int64_t i = 0; i < shape[0]; ++i) ids.insert(ids.end(), image_ids.begin(), image_ids.end());
  absl::StatusOr<std::vector<float>> scores =
      CheckedScore(*this, ids, {cells.data(), shape[0] * shape[1], shape[2], shape[3], height, width});
  if (!scores.ok()) return scores.status();
  return autograd::Array::From({shape[0], shape[1]}, *scores);
}

absl::StatusOr<std::vector<float>> CheckedScore(HostReward& reward, std::span<const int64_t> image_ids,
                                                const SampledMaps& maps) {
  absl::StatusOr<std::vector<float>> scores = reward.Score(image_ids, maps);
  if (!scores.ok()) return scores;
  if (static_cast<int64_t>(scores->size()) != maps.count) {
    return absl::InvalidArgumentError(
        absl::StrCat("the reward gave ", scores->size(), " scores for ", maps.count, " maps"));
  }
  for (size_t i = 0; i < scores->size(); ++i) {
    if (std::isfinite((*scores)[i])) continue;
    return absl::InvalidArgumentError(absl::StrCat("the reward scored map ", i, " (image ", image_ids[i], ") with ",
                                                   (*scores)[i], ", which is no number to learn from"));
  }
  return scores;
}

}  // namespace rl
