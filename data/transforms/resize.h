// Resizing of images and label maps, with half-pixel centres: output pixel i lies at
// (i + 0.5) * in / out - 0.5 of the input, as in torch.nn.functional.interpolate(align_corners=False) and
// OpenCV's INTER_LINEAR. No smoothing when shrinking, as in both.
#pragma once

#include "data/formats/image.h"

namespace data {

// Rows [top, top + height) and columns [left, left + width) of an image.
struct Window {
  int top = 0, left = 0, height = 0, width = 0;
};

// Bilinear; borders are repeated, results rounded to the nearest.
Image ResizeImage(const Image& image, int height, int width);

// `window` of ResizeImage(image, height, width), to the bit, without computing the rest.
Image ResizeImageWindow(const Image& image, int height, int width, const Window& window);

// Nearest neighbour by the same centres: index floor((i + 0.5) * in / out), in integers. Labels are never
// mixed.
LabelMap ResizeLabel(const LabelMap& label, int height, int width);

Image CropImage(const Image& image, const Window& window);
LabelMap CropLabel(const LabelMap& label, const Window& window);

}  // namespace data
