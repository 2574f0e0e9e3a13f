#pragma once

// CiSS-Net (Zhou et al., "Context-reinforced semantic segmentation", CVPR 2019): a segmentation net that reads which of
// its own earlier labels can be relied on, and a context net, trained by reinforcement, that decides which. With domain
// features X of a pre-trained ResNet, label maps Y (p-maps) and context maps K (seg/models/context_map.h), all on X's
// grid:
//
//   S-Net   logits = Base(X), without context;  Base(X) + Bias([X, F_e(K)])         equation 1
//   C-Net   policy Q = softmax(C([X, F_e(Y)])), value V, which shares all but the last layer
//   step    Y^t = argmax logits;  B^t ~ Q;  K^t = (Y^t + 1)∘B^t;  logits^{t+1} of K^t       equation 2
//
//   Domain domain = net.Read(net.Encode(images, context).back(), context);
//   Array y = autograd::ArgMax(domain.base.array(), autograd::kUInt8);                      // Y^0
//   const nn::Context step = context.Split(t);
//   CissNet::Judgement judgement = net.Judge(domain, y, step);                              // Q^0, V(Y^0)
//   Array actions = ContextActions(judgement.policy.array(), key);
//   Variable logits = net.Segment(domain, ContextMap(y, actions), step);                    // argmax: Y^1

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nn/layers/convolution.h"
#include "nn/layers/linear.h"
#include "nn/layers/normalization.h"
#include "seg/encoders/label_encoder.h"
#include "seg/encoders/resnet.h"
#include "seg/models/context_rule.h"
#include "seg/models/model.h"

namespace seg {

struct CissNetConfig {
  int64_t classes = 150;  // at most 254: a context map has one value more, in a byte
  ResNetConfig encoder = {};
  int64_t stage = 4;  // of the encoder, whose output is X: 1 to 4; later stages are not there
  int64_t base_width = 512;
  int64_t trunk_width = 512;          // of the context and the bias net
  int64_t label_width = 512;          // C_e, of an encoded label map
  int64_t label_branch_width = 128;   // of each branch of F_e
  int64_t group_channels = 16;        // of every GroupNorm; all widths but label_width are multiples of it
  double dropout = 0.1;               // of elements, before each last layer
  int64_t extra_latent_channels = 0;  // of X, that Decode finds behind the encoder's (seg/models/model.h)
  // The paper's X is a constant: the encoder's parameters do not train, its batch norms use their running statistics in
  // training, too, and nothing is kept for its backward pass. With `true` it trains with the rest.
  bool train_features = false;
  // Of the activations: float32 or bfloat16. Weights, statistics, logits and values stay float32.
  autograd::DType compute = autograd::kFloat32;

  int64_t size_multiple() const;  // the stride of X
  // The finest pools of F_e have as many rows and columns. Smaller grids of X work, with pools that share pixels.
  int64_t smallest_extent() const;
};

// The first four of five 3×3 convolutions over [X, E] for encoded labels E: (convolution without bias, GroupNorm, ReLU)
// four times, dropout. The last layer is its owner's. The first convolution is linear in X and E, so it is kept as two
// whose outputs are added, with the initial weights of one over both: the part of X is computed once a rollout.
struct ContextTrunk {
  struct Config {
    int64_t features, encoded, width, group_channels;  // channels of X, of E, of each layer, of a group
    double dropout;
  };
  ContextTrunk(const Config& config, RandomKey key);

  // x [n, h, w, features] → the first convolution's part of X, [n, h, w, width].
  Variable ReadFeatures(const Variable& x);
  // encoded [n, h, w, encoded] → [n, h, w, width].
  Variable operator()(const Variable& features_part, const Variable& encoded, const nn::Context& context);
  // conv1.{features,encoded}, norm1, conv2, norm2, conv3, norm3, conv4, norm4
  void Fields(nn::FieldVisitor& visitor);

  double dropout;
  nn::Conv2d from_features, from_encoded;
  std::vector<nn::Conv2d> convolutions;  // three
  std::vector<nn::GroupNorm> norms;      // four
};

struct CissNet {
  // Of a policy over X: five 3×3 convolutions. The window of ContextReward.
  static constexpr int64_t kReceptiveField = 11;

  CissNet(const CissNetConfig& config, RandomKey key);

  // What no step of a rollout changes. All are maps of X's size.
  struct Domain {
    Variable x;
    Variable base;                     // Base(X): logits [n, h, w, classes] in float32
    Variable bias_part, context_part;  // of the first convolutions of Bias and C-Net
  };
  struct Judgement {
    Variable policy;  // logits [n, h, w, 2] in float32; 1 adopts the label as context
    Variable value;   // V(Y), float32 [n, h, w]
  };

  // images [n, h, w, 3], normalised → the encoder's taps up to `stage`, of which the last is X.
  Features Encode(const Variable& images, const nn::Context& context);
  // x as Encode returns it, last.
  Domain Read(const Variable& x, const nn::Context& context);
  // context_map uint8 [n, h, w], on X's grid, values up to `classes` → Base + Bias, logits [n, h, w, classes] in
  // float32. An all-zero map is a context in which everything is uncertain; without context there is domain.base.
  Variable Segment(const Domain& domain, const Array& context_map, const nn::Context& context);
  // p_map uint8 [n, h, w], on X's grid, values below `classes`.
  Judgement Judge(const Domain& domain, const Array& p_map, const nn::Context& context);

  // features → logits [n, h, w, classes] in float32 at X's size, after `inference.steps` steps, of which only the last
  // can be differentiated: argmax and actions let no gradient through. With no steps, Base alone.
  Variable Decode(const Features& features, const nn::Context& context);
  // images → logits as Decode returns them.
  Variable operator()(const Variable& images, const nn::Context& context) {
    return Decode(Encode(images, context), context);
  }

  // K by `choice` of the p-map that `logits` [n, h, w, classes] are largest for, uint8 [n, h, w]; what is drawn is
  // drawn with context.key. Nothing is recorded.
  Array Context(const Domain& domain, const Variable& logits, const ContextChoice& choice, const nn::Context& context);

  // How Decode takes its steps; no part of a checkpoint.
  ContextInference inference;

  // backbone (torchvision's names); base.{conv1,norm1,conv2,norm2,classifier}; bias.{encoder,trunk,classifier};
  // context.{encoder,trunk,policy,value}
  void Fields(nn::FieldVisitor& visitor);
  // LoadResNet: stages behind `stage` are left out.
  absl::StatusOr<nn::LoadReport> LoadEncoder(const std::string& path) { return LoadResNet(path, backbone); }

  int64_t classes() const { return config.classes; }
  int64_t size_multiple() const { return config.size_multiple(); }
  size_t latent_tap() const { return static_cast<size_t>(config.stage - 1); }  // X
  static int64_t LatentChannels(const CissNetConfig& config);
  std::string last_layer() const { return "base.classifier"; }
  // Only the encoder has batch norms, and only where it trains.
  std::optional<NormExtent> SmallestNorm(int64_t height, int64_t width) const;

  struct BaseNet {
    BaseNet(int64_t features, const CissNetConfig& config, RandomKey key);
    Variable operator()(const Variable& x, const nn::Context& context);
    void Fields(nn::FieldVisitor& visitor);
    double dropout;
    nn::Conv2d conv1;
    nn::GroupNorm norm1;
    nn::Conv2d conv2;
    nn::GroupNorm norm2;
    nn::Linear classifier;
  };
  struct BiasNet {
    BiasNet(int64_t features, const CissNetConfig& config, RandomKey key);
    void Fields(nn::FieldVisitor& visitor);
    LabelEncoder encoder;  // of classes + 1 values
    ContextTrunk trunk;
    nn::Conv2d classifier;
  };
  struct ContextNet {
    ContextNet(int64_t features, const CissNetConfig& config, RandomKey key);
    void Fields(nn::FieldVisitor& visitor);
    LabelEncoder encoder;  // of `classes` values
    ContextTrunk trunk;
    nn::Conv2d policy, value;
  };

  CissNetConfig config;
  ResNet backbone;
  BaseNet base_net;
  BiasNet bias_net;
  ContextNet context_net;
};

// A CiSS-Net on the encoder of that `size` (ConfigureResNet; NotFound for others), at the widths of the paper, X being
// the last stage's output at stride 8. "micro" has X at an early stage, the second, at stride 4, where context tells
// more than the features do at that scale (docs/ciss_context.md), and widths of 32 (branches of F_e 16).
absl::StatusOr<CissNetConfig> ConfigureCissNet(absl::string_view size, int64_t classes);

}  // namespace seg
