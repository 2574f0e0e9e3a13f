#include "seg/models/resnet_segmentor.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "nn/checkpoints/prefixes.h"

namespace seg {

nn::Rename ResNetSegmentorRename(nn::Rename head, int64_t auxiliary_convolutions) {
  return [head = std::move(head), auxiliary_convolutions](const std::string& name) -> std::string {
    absl::string_view rest = name;
    nn::DropPrefixes({"module.", "model."}, rest);
    if (absl::StartsWith(rest, "backbone.") || absl::StartsWith(rest, "backbone_net."))
      return absl::StrCat("backbone.", ResNetTorchvisionName(std::string(rest)));
    if (absl::StartsWith(rest, "aux")) {
      if (auxiliary_convolutions == 0) return "";
      // SSSegmentation's auxiliary head is a sequence as its main one.
      if (absl::ConsumePrefix(&rest, "auxiliary_decoder."))
        return absl::StrCat("aux_classifier.", FcnHeadName(absl::StrCat("decoder.", rest), auxiliary_convolutions));
      if (absl::ConsumePrefix(&rest, "auxiliary_head."))
        return absl::StrCat("aux_classifier.", FcnHeadName(rest, auxiliary_convolutions));
      return std::string(rest);
    }
    if (absl::ConsumePrefix(&rest, "decode_head.") || absl::StartsWith(rest, "decoder.") ||
        absl::StartsWith(rest, "aspp_net.") || absl::StartsWith(rest, "ppm_net."))
      return absl::StrCat("classifier.", head(std::string(rest)));
    return std::string(rest);
  };
}

}  // namespace seg
