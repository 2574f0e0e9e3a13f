#pragma once

// Layer-wise decay of the learning rate, for fine-tuning transformers (Clark et al., "ELECTRA", ICLR 2020; here in the
// form of BEiT and mmseg).

#include <cstdint>
#include <string>
#include <vector>

#include "nn/optimizers/optimizer.h"

namespace seg {

// For nn::GroupParameters, over the names of ViT and Eva02 behind `prefix` ("encoder"; "" for none): the token,
// position and patch embeddings learn at rate^(depth + 1) of the learning rate, block i at rate^(depth − i), and
// everything else, the final norm among it, at all of it.
std::vector<nn::RateFactor> TransformerLayerDecay(const std::string& prefix, int64_t depth, double rate);

}  // namespace seg
