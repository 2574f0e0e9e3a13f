#pragma once

// The networks of the experiments, by name.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "autograd/runtime/dtype.h"
#include "autograd/runtime/random.h"
#include "experiments/runner/network.h"
#include "seg/models/latent.h"

namespace experiments {

struct NetworkOptions {
  autograd::DType precision = autograd::kFloat32;  // of the activations
  // Of stochastic depth in the encoder's last block (0 in the first); unset: what the encoder was published with.
  std::optional<double> drop_path = {};
  bool auxiliary_head = false;                   // or several, for training: Network::Auxiliary gives their logits
  std::optional<seg::LatentConfig> latent = {};  // the network around which a latent policy is put; unset: none
  bool checkpoint_blocks = false;  // keeps the inputs of the encoder's blocks alone, and computes the rest again
};

// DECODER_ENCODER, such as
//
//   sfpnext_nano            SFPNeXt on a ConvNeXt-V2: micro, atto, femto, pico, nano, tiny; "nano" alone means the same
//   deeplabv3_resnet101     DeepLabv3, fcn_… FCN, pspnet_… PSPNet, semantic_fpn_… SemanticFPN on a ResNet: micro,
//                           resnet50, resnet101, resnet152, …_v1c, …_semseg; fcn_resnet50_sss and fcn_resnet101_sss
//                           are SSSegmentation's, deeplabv3_resnet50_plop and …101_plop PLOP's
//   segformer_mit_b1        SegFormer on a MiT (seg/models/segformer.h): micro, mit_b0 … mit_b5, …_nvidia, …_mmseg
//   segmenter_eva02_large_patch14   Segmenter on a vision transformer (seg/models/segmenter.h): segmenter_micro, …
//   setr_vit_large_patch16  SETR-Naive on a ViT: micro, vit_large_patch16 and its variants (seg/models/setr.h)
//   ciss_resnet50           CiSS-Net on a ResNet as above, which --init_weights fills and nothing trains
//
// DECODER names a family, which is one row of a table in networks.cc, and every family has a micro encoder.
//
// The micro ones are for demonstrations on a CPU. InvalidArgument, with the names there are, for others, for a
// drop_path where the encoder has none, and for an auxiliary head where the family has none: deeplabv3_…, fcn_…,
// pspnet_… and setr_… do.
absl::StatusOr<std::unique_ptr<Network>> MakeNetwork(const std::string& name, int classes, autograd::RandomKey key,
                                                     const NetworkOptions& options = {});

// What the names of each family's networks begin with: "sfpnext_", …, in the table's order.
std::vector<std::string> NetworkFamilies();

// Channels of the latent representation of the network of that name, without making it. InvalidArgument, with the names
// there are, for others.
absl::StatusOr<int64_t> LatentChannels(const std::string& name);

// For people: "SFPNeXt, ConvNeXt-V2 nano".
std::string DescribeNetwork(const std::string& name);

}  // namespace experiments
