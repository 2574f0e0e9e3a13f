#pragma once

// Modules, layers, optimizers, schedules and weight files: everything of //nn in one include.

#include "nn/blocks/bottleneck.h"                   // IWYU pragma: export
#include "nn/blocks/convnext_v2_block.h"            // IWYU pragma: export
#include "nn/blocks/eva02_block.h"                  // IWYU pragma: export
#include "nn/blocks/mix_transformer_block.h"        // IWYU pragma: export
#include "nn/blocks/multi_head_attention.h"         // IWYU pragma: export
#include "nn/blocks/self_attention.h"               // IWYU pragma: export
#include "nn/blocks/spatial_reduction_attention.h"  // IWYU pragma: export
#include "nn/blocks/transformer_block.h"            // IWYU pragma: export
#include "nn/checkpoints/renamed_module.h"          // IWYU pragma: export
#include "nn/checkpoints/safetensors.h"             // IWYU pragma: export
#include "nn/checkpoints/weights.h"                 // IWYU pragma: export
#include "nn/context.h"                             // IWYU pragma: export
#include "nn/initializers/initializers.h"           // IWYU pragma: export
#include "nn/layers/conv_norm_act.h"                // IWYU pragma: export
#include "nn/layers/convolution.h"                  // IWYU pragma: export
#include "nn/layers/dropout.h"                      // IWYU pragma: export
#include "nn/layers/evaluation_scope.h"             // IWYU pragma: export
#include "nn/layers/linear.h"                       // IWYU pragma: export
#include "nn/layers/normalization.h"                // IWYU pragma: export
#include "nn/module.h"                              // IWYU pragma: export
#include "nn/optimizers/adamw.h"                    // IWYU pragma: export
#include "nn/optimizers/gradient_average.h"         // IWYU pragma: export
#include "nn/optimizers/moving_average.h"           // IWYU pragma: export
#include "nn/optimizers/optimizer.h"                // IWYU pragma: export
#include "nn/optimizers/rmsprop.h"                  // IWYU pragma: export
#include "nn/optimizers/sgd.h"                      // IWYU pragma: export
#include "nn/schedules/schedule.h"                  // IWYU pragma: export
#include "nn/twins.h"                               // IWYU pragma: export
