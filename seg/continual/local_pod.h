#pragma once

// The multi-scale distillation of feature maps, local POD (Douillard et al., "PLOP: learning without forgetting for
// continual semantic segmentation", CVPR 2021), as its release computes it.

#include <cstdint>
#include <span>
#include <vector>

#include "autograd/core/tape.h"

namespace seg {

// The embedding Φ of a map. Its elements are squared; at each scale s of the pyramid the map is cut into s × s cells of
// ⌊h/s⌋ × ⌊w/s⌋ pixels, from the top left; each cell gives, for each channel, the means of its rows over the width,
// then the means of its columns over the height. What is left over at the bottom and right is in no cell of that scale.
//
// The paper has square cells of ⌊w/s⌋ pixels, for square maps, where the two are the same. Nothing is normalised, as in
// the release's settings.
//
// map [n, h, w, c], floating; scales: one to four, each between 1 and min(h, w) → [n, Σ s²·(⌊h/s⌋ + ⌊w/s⌋), c], float32
// (float64 for float64), the scales in order, in each the cells row by row, in each the rows, then the columns.
autograd::Array LocalPodEmbedding(const autograd::Array& map, const std::vector<int>& scales = {1, 2, 4});

// mean over images of ‖Φ(new) − Φ(old)‖₂: a scalar, float32 (float64 for float64). new_map, old_map [n, h, w, c] of one
// floating dtype. A gradient flows to new_map; that of an image whose embeddings are equal is 0, the norm's smallest
// subgradient. Saves new_map, the difference of the embeddings and a number an image.
autograd::Variable LocalPod(const autograd::Variable& new_map, const autograd::Array& old_map,
                            const std::vector<int>& scales = {1, 2, 4});

// logits [..., classes] → [..., old_classes]: the logits of new classes are added to the background's, channel 0, which
// makes them comparable with those of the old network.
autograd::Variable FoldNewLogits(const autograd::Variable& logits, int64_t old_classes);

struct PlopDistillationOptions {
  double map_weight = 0.01, logits_weight = 0.0005;
  std::vector<int> scales = {1, 2, 4};
};
// The weights of the release for Pascal VOC, which are the defaults, and for ADE20K.
inline PlopDistillationOptions VocDistillation() { return {}; }
inline PlopDistillationOptions AdeDistillation() { return {.map_weight = 0.001, .logits_weight = 0.00001}; }

// PLOP's distillation loss: with M maps,
//
//   √(C_seen / C_new) / (M + 1) · (map_weight·Σ_m LocalPod(new_m, old_m)
//                                  + logits_weight·LocalPod(FoldNewLogits(new_logits), old_logits)),
//
// C_seen the channels of new_logits, C_new how many more they are than old_logits'. PLOP's maps are what the residual
// stages add up to, before the last ReLU of each, and what the classifier reads; the logits are not resized. Shapes of
// new and old agree but for the channels of the logits. A scalar.
autograd::Variable PlopDistillation(std::span<const autograd::Variable> new_maps, const autograd::Variable& new_logits,
                                    std::span<const autograd::Array> old_maps, const autograd::Array& old_logits,
                                    const PlopDistillationOptions& options = {});

}  // namespace seg
