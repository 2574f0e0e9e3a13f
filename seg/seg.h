#pragma once

// Segmentation networks, losses and metrics: everything of //seg in one include.

#include "seg/decoders/semantic_fpn.h"       // IWYU pragma: export
#include "seg/encoders/convnext_v2.h"        // IWYU pragma: export
#include "seg/losses/segmentation_loss.h"    // IWYU pragma: export
#include "seg/metrics/confusion_matrix.h"    // IWYU pragma: export
#include "seg/metrics/image_scores.h"        // IWYU pragma: export
#include "seg/models/sfpnext.h"              // IWYU pragma: export
#include "seg/rewards/label_batch.h"         // IWYU pragma: export
#include "seg/rewards/mean_iou_reward.h"     // IWYU pragma: export
#include "seg/rewards/pixel_match_reward.h"  // IWYU pragma: export
