#pragma once

// The networks of the experiments, by name.

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "autograd/runtime/dtype.h"
#include "autograd/runtime/random.h"
#include "experiments/runner/network.h"

namespace experiments {

struct NetworkOptions {
  autograd::DType precision = autograd::kFloat32;  // of the activations
  // Of stochastic depth in the encoder's last block (0 in the first); unset: what the encoder was published with.
  std::optional<double> drop_path = {};
  bool auxiliary_head = false;  // for training: Network::Auxiliary gives its logits
};

// DECODER_ENCODER, such as
//
//   sfpnext_nano            SFPNeXt on a ConvNeXt-V2: micro, atto, femto, pico, nano, tiny; "nano" alone means the same
//   deeplabv3_resnet101     DeepLabv3, fcn_… FCN, semantic_fpn_… SemanticFPN on a ResNet: micro, resnet50, resnet101,
//                           resnet152, …_v1c
//   segmenter_eva02_large_patch14   Segmenter on a vision transformer (seg/models/segmenter.h): segmenter_micro, …
//
// DECODER names a family, which is one row of a table in networks.cc.
//
// The micro ones are for demonstrations on a CPU. InvalidArgument, with the names there are, for others, for a
// drop_path where the encoder has none, and for an auxiliary head where the family has none: deeplabv3_… and fcn_… do.
absl::StatusOr<std::unique_ptr<Network>> MakeNetwork(const std::string& name, int classes, autograd::RandomKey key,
                                                     const NetworkOptions& options = {});

// For people: "SFPNeXt, ConvNeXt-V2 nano".
std::string DescribeNetwork(const std::string& name);

}  // namespace experiments
