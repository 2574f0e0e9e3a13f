#include "seg/encoders/layer_decay.h"

#include <cmath>

#include "absl/strings/str_cat.h"

namespace seg {

std::vector<nn::RateFactor> TransformerLayerDecay(const std::string& prefix, int64_t depth, double rate) {
  const std::string parent = prefix.empty() ? "" : absl::StrCat(prefix, ".");
  const double embeddings = std::pow(rate, static_cast<double>(depth + 1));
  std::vector<nn::RateFactor> factors = {{absl::StrCat(parent, "cls_token"), embeddings},
                                         {absl::StrCat(parent, "pos_embed"), embeddings},
                                         {absl::StrCat(parent, "patch_embed"), embeddings}};
  for (int64_t i = 0; i < depth; ++i)
    factors.push_back({absl::StrCat(parent, "blocks.", i), std::pow(rate, static_cast<double>(depth - i))});
  return factors;
}

}  // namespace seg
