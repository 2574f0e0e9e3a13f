#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "autograd/ops/cast.h"
#include "autograd/ops/concatenate.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/gather.h"
#include "rl/rl.h"
#include "seg/losses/segmentation_loss.h"
#include "seg/models/ciss_net.h"
#include "seg/models/context_map.h"
#include "seg/rewards/context_reward.h"
#include "seg/rewards/label_batch.h"
#include "tests/golden/comparison.h"
#include "tests/golden/difference.h"

namespace golden {
namespace {

using autograd::Array;
using autograd::Variable;

// What the files have of a CissNet: all but the encoder.
struct Nets {
  explicit Nets(const seg::CissNetConfig& config, uint64_t seed) : whole(config, autograd::RandomKey(seed)) {}
  void Fields(nn::FieldVisitor& visitor) {
    visitor.Field("base", whole.base_net);
    visitor.Field("bias", whole.bias_net);
    visitor.Field("context", whole.context_net);
  }
  seg::CissNet whole;
};

seg::CissNetConfig ConfigOf(const File& file) {
  seg::CissNetConfig config;
  config.classes = file.Shape("base.classifier.weight")[0];
  config.base_width = file.Shape("base.conv1.weight")[0];
  config.trunk_width = file.Shape("bias.trunk.conv2.weight")[0];
  config.label_width = file.Shape("bias.encoder.projection.weight")[0];
  config.label_branch_width = file.Shape("bias.encoder.branches.0.conv.weight")[0];
  config.group_channels = static_cast<int64_t>(NumberOf(file, "group_channels"));
  config.dropout = 0;
  // An encoder whose first stage has as many channels as X, which stands in for what it would make.
  config.stage = 1;
  config.encoder.depths = {1, 1, 1, 1};
  config.encoder.stem_width = 1;
  config.encoder.widths = {file.Shape("x")[1] / nn::Bottleneck::kExpansion, 1, 1, 1};
  return config;
}

seg::ContextRewardOptions RewardOptionsOf(const File& file) {
  return {.window_height = static_cast<int64_t>(NumberOf(file, "window_height")),
          .window_width = static_cast<int64_t>(NumberOf(file, "window_width")),
          .right_context = NumberOf(file, "right_context"),
          .uncertain = NumberOf(file, "uncertain")};
}

// Entry t of a uint8 tensor [T, …].
Array At(const Array& maps, int64_t t) {
  const autograd::Shape& shape = maps.shape();
  return maps.Slice(t, t + 1).Reshape({shape[1], shape[2], shape[3]});
}

// The loss of float32 logits in the comparison's arithmetic: in float64 the gradients behind F_e's group norms, which
// cancel, would show the roundings of a loss in float32.
Variable Loss(const Variable& logits, const Array& label, const Arithmetic& arithmetic) {
  return autograd::Cast(seg::SegmentationLoss(autograd::Cast(logits, arithmetic.compute), label), autograd::kFloat32);
}

Array NotVoid(const Array& labels) {
  std::vector<uint8_t> valid = labels.ToVector<uint8_t>();
  for (uint8_t& label : valid) label = label != 255 ? 1 : 0;
  return Array::From(labels.shape(), valid);
}

}  // namespace

std::vector<Difference> CompareCissNet(const File& file, const Arithmetic& arithmetic) {
  seg::CissNetConfig config = ConfigOf(file);
  config.compute = arithmetic.compute;
  Nets nets(config, 1), gradients(config, 2);
  const size_t parameters = nn::NamedParameters(nets).size();
  const std::vector<std::string> parts = {"base.", "bias.", "context."};
  file.Load("", parts, nn::ModuleReference(nets), parameters);
  file.Load("gradient.", parts, nn::ModuleReference(gradients), parameters);
  Prepare(nn::ModuleReference(nets), arithmetic);
  seg::CissNet& net = nets.whole;
  const Array label = file.Read("label"), actions = file.Read("action"), p_maps = file.Read("p_map"),
              context_maps = file.Read("context_map");

  std::vector<Difference> differences;
  const auto append = [&](const std::string& name, const Variable& ours) {
    differences.push_back(Between(name, ours.array(), file.Read(name)));
  };
  const nn::Context context = nn::Context::Training(autograd::RandomKey(4));
  append("small.encoded", net.context_net.encoder(file.Read("small.map"), context));

  constexpr int64_t kSteps = 2;
  autograd::Tape tape;
  const Variable x = tape.Watch(Prepared(file.Read("x"), arithmetic, "x"));
  const seg::CissNet::Domain domain = net.Read(x, context);
  const Array truth = seg::LabelsAt(label, x.shape()[1], x.shape()[2]), valid = NotVoid(truth);
  Variable logits = domain.base, segmentation = Loss(logits, label, arithmetic);
  append("logits.0", logits);
  Array y = autograd::ArgMax(logits.array(), autograd::kUInt8);
  differences.push_back(SameMap("p_map.0", y, At(p_maps, 0)));
  std::vector<seg::CissNet::Judgement> judgements;
  std::vector<Variable> rewards;
  for (int64_t t = 0; t < kSteps; ++t) {
    judgements.push_back(net.Judge(domain, y, context));
    append(absl::StrCat("policy.", t), judgements[t].policy);
    append(absl::StrCat("value.", t), judgements[t].value);
    const Array k = seg::ContextMap(y, At(actions, t));
    differences.push_back(SameMap(absl::StrCat("context_map.", t), k, At(context_maps, t)));
    if (t == 0) {
      append("encoded.p_map", net.context_net.encoder(y, context));
      append("encoded.context", net.bias_net.encoder(k, context));
    }
    logits = net.Segment(domain, k, context);
    append(absl::StrCat("logits.", t + 1), logits);
    segmentation = segmentation + Loss(logits, label, arithmetic);
    const Array next = autograd::ArgMax(logits.array(), autograd::kUInt8);
    differences.push_back(SameMap(absl::StrCat("p_map.", t + 1), next, At(p_maps, t + 1)));
    rewards.push_back(seg::ContextReward(y, next, k, truth, RewardOptionsOf(file)));
    append(absl::StrCat("reward.", t), rewards[t]);
    y = next;
  }
  const Array bootstrap = net.Judge(domain, y, context).value.array();
  append("value.2", bootstrap);

  const Array returns = rl::NStepReturns(autograd::Stack(rewards, 0).array(), bootstrap, NumberOf(file, "discount"));
  Variable actor_critic;
  for (int64_t t = 0; t < kSteps; ++t) {
    const Variable& value = judgements[t].value;
    const rl::Categorical policy(judgements[t].policy);
    const Array own = returns.Slice(t, t + 1).Reshape(value.shape());
    const Array advantage = (Variable(own) - value.Detach()).array();
    const Variable entries = rl::PolicyGradient(policy.LogProbability(At(actions, t)), advantage, policy.Entropy(),
                                                NumberOf(file, "entropy_weight")) +
                             rl::ValueLoss(value, own);
    const Variable step = (1.0 / kSteps) * rl::MaskedMean(entries, valid);
    actor_critic = actor_critic.defined() ? actor_critic + step : step;
  }
  segmentation = (1.0 / (kSteps + 1)) * segmentation;
  const Variable loss = actor_critic + segmentation;
  append("loss.actor_critic", actor_critic);
  append("loss.segmentation", segmentation);
  append("loss", loss);
  tape.Backward(loss);
  append("gradient.x", tape.Gradient(x));
  AppendGradients(nn::ModuleReference(nets), nn::ModuleReference(gradients), differences);
  return differences;
}

}  // namespace golden
