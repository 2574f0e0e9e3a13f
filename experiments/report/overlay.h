#pragma once

#include <vector>

#include "absl/types/span.h"
#include "data/formats/image.h"

namespace experiments {

// Pictures of label maps for people to look at. Images are RGB. Sizes that do not fit together, and labels
// that are neither void nor in the palette, throw autograd::Error.

// Each pixel in its class's colour.
data::Image ColorLabels(const data::LabelMap& labels, absl::Span<const data::Color> palette,
                        data::Color void_color = {128, 128, 128});

// The classes' colours laid over the image: (1 − opacity) · image + opacity ·
// colour. Void pixels stay as they are.
data::Image BlendLabels(const data::Image& image, const data::LabelMap& labels, absl::Span<const data::Color> palette,
                        double opacity = 0.6);

// Where the prediction is wrong: the predicted class's colour. Right pixels are white, void ones light grey.
data::Image ErrorPicture(const data::LabelMap& truth, const data::LabelMap& prediction,
                         absl::Span<const data::Color> palette);

// Rows of pictures (image | label | prediction …) with `gap` pixels between them. A column is as
// wide as its widest picture, a row as high as its highest; smaller pictures are centred; short
// rows leave the background free.
data::Image PictureGrid(const std::vector<std::vector<data::Image>>& rows, int gap = 4,
                        data::Color background = {255, 255, 255});

}  // namespace experiments
