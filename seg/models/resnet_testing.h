#pragma once

// What the tests of the networks on ResNets share.

#include <cstdint>

#include "autograd/testing/op_contract.h"
#include "nn/nn.h"
#include "seg/models/deeplabv3.h"
#include "seg/models/fcn.h"
#include "seg/models/pspnet.h"
#include "seg/models/semantic_fpn.h"

namespace seg::testing {

inline const RandomKey kKey(51);

// Of a head on so many channels.
template <typename Head, typename Config>
int64_t HeadParameters(int64_t inputs, Config config, int64_t classes = 21) {
  config.initializers = {nn::Zeros(), nn::Zeros(), nn::Zeros()};
  Head head(inputs, classes, config, kKey);
  return nn::ParameterCount(head);
}

inline autograd::Array Images(int64_t count, int64_t height, int64_t width) {
  return autograd::testing::RandomArray({count, height, width, 3}, autograd::kFloat32, kKey, -2, 2);
}

// Three classes, few channels, with an auxiliary head where the network has one.
inline DeepLabV3Config SmallDeepLab() {
  DeepLabV3Config config = *ConfigureDeepLabV3("micro", 3);
  config.encoder.widths = {2, 3, 4, 4};
  config.encoder.stem_width = 4;
  config.head.aspp.width = 8;
  config.auxiliary = true;
  config.auxiliary_head.width = 4;
  return config;
}

inline FcnConfig SmallFcn() {
  FcnConfig config = *ConfigureFcn("micro", 3);
  config.encoder.widths = {2, 3, 4, 4};
  config.encoder.stem_width = 4;
  config.head = FcnHeadConfig::Mmseg();
  config.head.width = 8;
  config.auxiliary = true;
  config.auxiliary_head.width = 4;
  return config;
}

inline PspNetConfig SmallPspNet() {
  PspNetConfig config = *ConfigurePspNet("micro", 3);
  config.encoder.widths = {2, 3, 4, 4};
  config.encoder.stem_width = 4;
  config.head.width = 8;
  config.auxiliary = true;
  config.auxiliary_head.width = 4;
  return config;
}

inline ResNetSemanticFpnConfig SmallSemanticFpn() {
  ResNetSemanticFpnConfig config = *ConfigureResNetSemanticFpn("micro", 3);
  config.encoder.widths = {2, 3, 4, 4};
  config.encoder.stem_width = 4;
  config.decoder.width = 8;
  config.decoder.pyramid_width = 8;
  return config;
}

}  // namespace seg::testing
