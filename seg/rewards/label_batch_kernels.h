#pragma once

// Scores of maps against the labels of a batch, where both lie. labels uint8 [b, height, width], below `classes` or
// kVoid: anything else is an Error on the CPU and counts as void elsewhere. maps uint8 [n, b, grid_height, grid_width],
// shown at the labels' size as mean_iou_reward.h describes. An image has fewer than 2^31 pixels.

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"
#include "seg/metrics/class_counts.h"

namespace seg {

// histograms int32 [b, grid_height, grid_width, classes + 1]: how often each class occurs under each cell and, last,
// their sum.
KERNEL(CountCellClasses, void(autograd::Stream&, const autograd::Array& labels, autograd::Array& histograms));

// truth int32 [b, classes]: how often each class occurs in each image.
KERNEL(CountImageClasses, void(autograd::Stream&, const autograd::Array& labels, autograd::Array& truth));

// mean_iou and mean_dice float32 [n, b], over the classes of `set`.
KERNEL(ScoreCells,
       void(autograd::Stream&, const autograd::Array& maps, const autograd::Array& histograms,
            const autograd::Array& truth, ClassSet set, autograd::Array& mean_iou, autograd::Array& mean_dice));

// The same for maps of the labels' own size, where a histogram would be longer than the pixels.
KERNEL(ScorePixels,
       void(autograd::Stream&, const autograd::Array& maps, const autograd::Array& labels, const autograd::Array& truth,
            ClassSet set, autograd::Array& mean_iou, autograd::Array& mean_dice));

// rewards float32 [n, b, height, width] of actions uint8 of that shape, and valid uint8 [b, height, width]:
// pixel_match_reward.h.
KERNEL(PixelMatch, void(autograd::Stream&, const autograd::Array& labels, const autograd::Array& actions,
                        autograd::Array& rewards, autograd::Array& valid));

}  // namespace seg
