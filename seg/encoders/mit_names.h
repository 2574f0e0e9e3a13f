#pragma once

// How the packages that publish weights of MiT and SegFormer call its tensors, and the ε of their LayerNorms, which no
// shape tells:
//
//                          Hugging Face   NVlabs/SegFormer   mmseg, SSSegmentation
//   patch embeddings           1e-5             1e-5                1e-6
//   blocks (both norms)        1e-5             1e-6                1e-6
//   behind the reduction       1e-5             1e-5                1e-6
//   outputs of the stages      1e-5             1e-6                1e-6
//   query, key, value       3 matrices         q, kv              one matrix

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "nn/checkpoints/renamed_module.h"
#include "nn/checkpoints/safetensors.h"

namespace seg {

enum class MiTPackage : uint8_t { kHuggingFace, kNvidia, kMmseg, kSssegmentation };

// "Hugging Face's", "NVlabs'", …, for people.
const char* Owner(MiTPackage package);

// What stands behind "mit_b0" in the names of ConfigureMiT for the package's MiT: "", "_nvidia" or "_mmseg".
const char* MiTSuffix(MiTPackage package);

// ε of the LayerNorms of a MiT.
struct MiTEpsilons {
  double patch_embed, block, reduction, stage;

  static MiTEpsilons Of(MiTPackage package);
  bool operator==(const MiTEpsilons&) const = default;
};

// In what a MiT of the package's differs from one with `epsilons`: "has ε 1e-05 in the norms of the blocks".
std::vector<std::string> EpsilonDifferences(MiTPackage package, const MiTEpsilons& epsilons);

// The package's name of a field of MiT ("block.0.1.attention.self.key.bias" is "block1.1.attn.kv.bias" in NVlabs'),
// for nn::RenamedModule; without what its files have in front.
nn::RenamedField MiTPublicName(MiTPackage package, absl::string_view field);

// Whose a file is.
struct MiTOrigin {
  // Whose MiT made the weights, hence the ε; nothing for files without a MiT that is known.
  std::optional<MiTPackage> package;
  // Written by nn::SaveWeights of a SegFormer here that is not Hugging Face's network ("backbone.block.0.…").
  bool own_names = false;
};

// By the names of the tensors, behind whatever wrappers. Names of the encoder alone without any prefix are Hugging
// Face's.
MiTOrigin MiTOriginOf(const nn::SafetensorsFile& file);

}  // namespace seg
