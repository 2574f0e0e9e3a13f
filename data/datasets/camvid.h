// CamVid with 11 classes, in the edition of SegNet (Badrinarayanan et al., PAMI 2017): 367 / 101 / 233 images
// of 480 x 360, label files of 8-bit grey with the class, 11 = unlabelled = void.
//
//   <root>/{train,val,test}.txt       lines "image annotation"
//   <root>/{train,val,test}[annot]/
//
// Its sequences are 0006R0, 0016E5, Seq05VD by day and 0001TP at dusk (Brostow et al., Pattern Recognition Letters
// 2009), which file names begin with. As camvid_day the splits are without the dusk: of the 367 images in train 305,
// the val of this edition has none. camvid_dusk has one split, test: the images at dusk of all three lists, of those
// that are there.
//
// The original lists carry the absolute prefix /SegNet/CamVid/, which is cut off; a copy may hold JPEG images
// where the list says .png. Names with blanks in them stand in double quotes, or tabs between the two.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "data/datasets/dataset.h"

namespace data {

enum class CamVidPart { kAll, kDay, kDusk };

// `data_root`: the folder of the lists, or one that holds it as CamVid/ or camvid/. `split`: train, val or
// test; of the dusk, test. NotFound where the part has no image in the split.
absl::StatusOr<std::unique_ptr<Dataset>> OpenCamVid(const std::string& data_root, const std::string& split,
                                                    const FileOptions& options = {},
                                                    CamVidPart part = CamVidPart::kAll);

}  // namespace data
