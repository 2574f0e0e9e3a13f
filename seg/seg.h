#pragma once

// Segmentation networks, losses and metrics: everything of //seg in one include.

#include "seg/continual/classifier_rule.h"   // IWYU pragma: export
#include "seg/continual/local_pod.h"         // IWYU pragma: export
#include "seg/continual/mib_losses.h"        // IWYU pragma: export
#include "seg/continual/plop_loss.h"         // IWYU pragma: export
#include "seg/continual/protocol.h"          // IWYU pragma: export
#include "seg/continual/pseudo_labels.h"     // IWYU pragma: export
#include "seg/decoders/aspp.h"               // IWYU pragma: export
#include "seg/decoders/fcn_head.h"           // IWYU pragma: export
#include "seg/decoders/mask_transformer.h"   // IWYU pragma: export
#include "seg/decoders/pyramid_pooling.h"    // IWYU pragma: export
#include "seg/decoders/segformer_head.h"     // IWYU pragma: export
#include "seg/decoders/semantic_fpn.h"       // IWYU pragma: export
#include "seg/decoders/setr_naive_head.h"    // IWYU pragma: export
#include "seg/encoders/convnext_v2.h"        // IWYU pragma: export
#include "seg/encoders/eva02.h"              // IWYU pragma: export
#include "seg/encoders/layer_decay.h"        // IWYU pragma: export
#include "seg/encoders/mit.h"                // IWYU pragma: export
#include "seg/encoders/resnet.h"             // IWYU pragma: export
#include "seg/encoders/vit.h"                // IWYU pragma: export
#include "seg/losses/class_weights.h"        // IWYU pragma: export
#include "seg/losses/segmentation_loss.h"    // IWYU pragma: export
#include "seg/losses/soft_iou_loss.h"        // IWYU pragma: export
#include "seg/metrics/cityscapes_metrics.h"  // IWYU pragma: export
#include "seg/metrics/confusion_matrix.h"    // IWYU pragma: export
#include "seg/metrics/image_scores.h"        // IWYU pragma: export
#include "seg/models/ciss_net.h"             // IWYU pragma: export
#include "seg/models/context_map.h"          // IWYU pragma: export
#include "seg/models/context_rule.h"         // IWYU pragma: export
#include "seg/models/deeplabv3.h"            // IWYU pragma: export
#include "seg/models/fcn.h"                  // IWYU pragma: export
#include "seg/models/latent.h"               // IWYU pragma: export
#include "seg/models/model.h"                // IWYU pragma: export
#include "seg/models/pspnet.h"               // IWYU pragma: export
#include "seg/models/segformer.h"            // IWYU pragma: export
#include "seg/models/segmenter.h"            // IWYU pragma: export
#include "seg/models/semantic_fpn.h"         // IWYU pragma: export
#include "seg/models/setr.h"                 // IWYU pragma: export
#include "seg/models/sfpnext.h"              // IWYU pragma: export
#include "seg/rewards/boundary_f.h"          // IWYU pragma: export
#include "seg/rewards/context_reward.h"      // IWYU pragma: export
#include "seg/rewards/label_batch.h"         // IWYU pragma: export
#include "seg/rewards/mean_iou_reward.h"     // IWYU pragma: export
#include "seg/rewards/pixel_match_reward.h"  // IWYU pragma: export
