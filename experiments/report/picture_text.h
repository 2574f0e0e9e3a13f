#pragma once

#include "absl/strings/string_view.h"
#include "data/formats/image.h"

namespace experiments {

// Small upright letters for legends in pictures: ASCII; other bytes are drawn as '?'. A letter's dot is `scale` ×
// `scale` pixels.

// Pixels from the top of a capital to the bottom of a descender.
int TextHeight(int scale);
int TextWidth(absl::string_view text, int scale);

// With the upper left corner of the first letter at column `x` and row `y` of an RGB image; what lies outside is left
// out.
void DrawText(data::Image& image, int x, int y, absl::string_view text, data::Color color, int scale);

}  // namespace experiments
