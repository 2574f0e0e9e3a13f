#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/reduce.h"
#include "rl/rl.h"
#include "seg/models/latent.h"
#include "tests/golden/comparison.h"
#include "tests/golden/difference.h"

namespace golden {
namespace {

using autograd::Array;
using autograd::Variable;

constexpr const char* kKinds[] = {"attention", "addition", "multiplication", "concatenation"};

struct Parts {
  Parts(int64_t channels, const seg::LatentPolicyConfig& config, int64_t heads, uint64_t seed)
      : policy(channels, config, autograd::RandomKey(seed)) {
    for (int kind = 0; kind < 4; ++kind)
      modulations.emplace_back(channels,
                               seg::LatentModulationConfig{.kind = static_cast<seg::Modulation>(kind), .heads = heads},
                               autograd::RandomKey(seed).Split(static_cast<uint64_t>(kind)));
  }
  void Fields(nn::FieldVisitor& visitor) {
    visitor.Field("latent_policy", policy);
    for (int kind = 0; kind < 4; ++kind) visitor.Field(kKinds[kind], modulations[kind]);
  }
  seg::LatentPolicy policy;
  std::vector<seg::LatentModulation> modulations;
};

seg::LatentPolicyConfig ConfigOf(const File& file) {
  seg::LatentPolicyConfig config;
  config.blocks = 0;
  while (file.Has(absl::StrCat("latent_policy.blocks.", config.blocks, ".conv.weight"))) ++config.blocks;
  config.width = file.Shape("latent_policy.blocks.0.conv.weight")[0];
  config.pool_height = static_cast<int64_t>(NumberOf(file, "pool_height"));
  config.pool_width = static_cast<int64_t>(NumberOf(file, "pool_width"));
  return config;
}

}  // namespace

std::vector<Difference> CompareLatent(const File& file, const Arithmetic& arithmetic) {
  const int64_t channels = file.Shape("z")[1], heads = static_cast<int64_t>(NumberOf(file, "heads"));
  Parts parts(channels, ConfigOf(file), heads, 1), gradients(channels, ConfigOf(file), heads, 2);
  const size_t parameters = nn::NamedParameters(parts).size();
  std::vector<std::string> prefixes = {"latent_policy."};
  for (const char* kind : kKinds) prefixes.push_back(absl::StrCat(kind, "."));
  file.Load("", prefixes, nn::ModuleReference(parts), parameters);
  file.Load("gradient.", prefixes, nn::ModuleReference(gradients), parameters);
  Prepare(nn::ModuleReference(parts), arithmetic);

  std::vector<Difference> differences;
  const auto append = [&](const std::string& name, const Variable& ours) {
    differences.push_back(Between(name, ours.array(), file.Read(name)));
  };
  const auto input = [&](const std::string& name) { return Prepared(file.Read(name), arithmetic, name); };
  const nn::Context context = nn::Context::Training(autograd::RandomKey(4));

  autograd::Tape tape;
  const Variable z = tape.Watch(input("z"));
  const seg::LatentDistribution distribution = parts.policy(z, context);
  append("mean", distribution.mean);
  append("log_deviation", distribution.log_deviation);
  const Variable noise(input("noise"));
  const Variable s = seg::LatentHead::AsMap(distribution.mean) +
                     seg::LatentHead::AsMap(autograd::Exponential(distribution.log_deviation)) * noise;
  Variable segmentation;
  for (int kind = 0; kind < 4; ++kind) {
    const Variable decoded = parts.modulations[kind](z, s, context);
    append(absl::StrCat("decoded.", kKinds[kind]), decoded);
    const Variable term = autograd::Mean(decoded * Variable(input(absl::StrCat("weight.", kKinds[kind]))));
    segmentation = segmentation.defined() ? segmentation + term : term;
  }

  const std::vector<int64_t> positions = {z.shape()[1], z.shape()[2]};
  const rl::DiagonalGaussian policy(distribution.mean, distribution.log_deviation, positions),
      old(Variable(input("old.mean")), Variable(input("old.log_deviation")), positions);
  const Variable log_probability = policy.LogProbability(s.array(), rl::Reduction::kMean);
  const Array old_log_probability = old.LogProbability(s.array(), rl::Reduction::kMean).array();
  append("ratio", autograd::Exponential(log_probability - Variable(old_log_probability)));
  const Variable surrogate = autograd::Mean(
      rl::ClippedSurrogate(log_probability, old_log_probability, input("advantage"), {.clip = NumberOf(file, "clip")}));
  const Variable divergence = autograd::Mean(old.Divergence(policy, rl::Reduction::kMean));
  const Variable loss =
      segmentation + NumberOf(file, "policy_weight") * surrogate + NumberOf(file, "divergence_weight") * divergence;
  append("loss.segmentation", segmentation);
  append("loss.policy", surrogate);
  append("loss.divergence", divergence);
  append("loss", loss);
  tape.Backward(loss);
  append("gradient.z", tape.Gradient(z));
  // A key's bias moves all scores of a query alike.
  AppendGradients(nn::ModuleReference(parts), nn::ModuleReference(gradients), differences, 1e-6);
  return differences;
}

}  // namespace golden
