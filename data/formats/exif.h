// The orientation that cameras write beside the pixels (EXIF 2.32, tag 0x0112 of IFD 0; the values are those of TIFF
// 6.0, section 8): how the stored raster is to be turned before it is shown.
//
//   1 as stored        3 half a turn         5 transposed            7 transposed along the other diagonal
//   2 mirrored left    4 mirrored up         6 a quarter turn        8 a quarter turn
//     and right          and down              clockwise               counter-clockwise
#pragma once

#include "absl/strings/string_view.h"
#include "data/formats/image.h"

namespace data {

// The orientation in a TIFF structure (what follows "Exif\0\0" in a JPEG's APP1, the whole of a PNG's eXIf), of either
// byte order. 1 if there is none, or one that is not 1..8, or the structure is damaged: a bad remark never costs a
// picture.
int ExifOrientation(absl::string_view tiff);

// True where height and width change places.
inline bool SwapsSides(int orientation) { return orientation >= 5; }

// Turns the stored raster into the shown one. Throws autograd::Error if `orientation` is not 1..8.
void Reorient(int orientation, Image& image);
void Reorient(int orientation, LabelMap& labels);
void Reorient(int orientation, IndexMap& map);

}  // namespace data
