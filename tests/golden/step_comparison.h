#pragma once

// What the comparisons of networks that train with batch norms share.

#include <string>
#include <utility>
#include <vector>

#include "autograd/core/tape.h"
#include "autograd/core/variable.h"
#include "nn/checkpoints/renamed_module.h"
#include "seg/decoders/semantic_fpn.h"
#include "seg/losses/segmentation_loss.h"
#include "tests/golden/difference.h"
#include "tests/golden/golden_file.h"

namespace golden {

inline nn::RenamedField OwnNames(const std::string& name) { return {name}; }

// A network with the file's weights, two of its shape for gradients and running statistics, and what differs.
template <typename Network>
struct Comparison {
  // With `names` the file has another package's (nn::RenamedModule).
  template <typename Config>
  Comparison(const File& given, const std::vector<std::string>& parts, const Config& config,
             const Arithmetic& arithmetic, const nn::FieldNames& names = OwnNames)
      : file(given),
        network(config, autograd::RandomKey(1)),
        gradients(config, autograd::RandomKey(2)),
        updated(config, autograd::RandomKey(3)) {
    const auto load = [&](const std::string& prefix, Network& into, bool parameters, bool buffers) {
      nn::RenamedModule theirs(into, names);
      const size_t count =
          (parameters ? nn::NamedParameters(theirs).size() : 0) + (buffers ? nn::NamedBuffers(theirs).size() : 0);
      file.Load(prefix, parts, nn::ModuleReference(theirs), count);
      theirs.Split();
    };
    load("", network, true, true);
    load("gradient.", gradients, true, false);
    load("updated.", updated, false, true);
    Prepare(network, arithmetic);
  }
  void Append(const std::string& name, const autograd::Variable& ours) {
    differences.push_back(Between(name, ours.array(), file.Read(name)));
  }
  // What the training step left in the network.
  void AppendStep(double cancelling = 0) {
    AppendGradients(network, gradients, differences, cancelling);
    AppendStatistics(network, updated, differences);
  }

  const File& file;
  Network network, gradients, updated;
  std::vector<Difference> differences;
};

// The decoder of a file of sfpnext.py or semantic_fpn.py, but for its norms.
inline seg::SemanticFpnConfig SemanticFpnConfigOf(const File& file) {
  seg::SemanticFpnConfig config;
  config.width = file.Shape("decoder.top.conv.weight")[0];
  config.pyramid_width = file.Shape("decoder.fuse.conv.weight")[0];
  config.attention = file.Has("decoder.attention.key.weight");
  if (config.attention) {
    config.attention_options.key_width = file.Shape("decoder.attention.key.weight")[0];
    config.attention_options.scale = file.Metadata("scale_attention") == "True";
  }
  return config;
}

// A network whose Decode fills a SemanticFpnTrace: evaluation and a training step.
template <typename Network>
std::vector<Difference> CompareSemanticFpnSegmentor(const File& file, typename Network::Config config,
                                                    const Arithmetic& arithmetic, double cancelling = 0) {
  config.compute = arithmetic.compute;
  Comparison<Network> comparison(file, {"encoder.", "decoder."}, config, arithmetic);
  Network& network = comparison.network;
  const autograd::Array input = Prepared(file.Read("input"), arithmetic, "input"), label = file.Read("label");
  seg::SemanticFpnTrace trace;
  const autograd::Variable evaluated = network.Decode(network.Encode(input, {}), {}, &trace);
  comparison.Append("evaluation.top", trace.top);
  if (config.decoder.attention) comparison.Append("evaluation.attention", trace.attention);
  comparison.Append("evaluation.pyramid2", trace.pyramid2);
  comparison.Append("evaluation.fused", trace.fused);
  comparison.Append("evaluation.logits", evaluated);
  comparison.Append("evaluation.loss", seg::SegmentationLoss(evaluated, label));

  autograd::Tape tape;
  const autograd::Variable logits = network(input, nn::Context::Training(autograd::RandomKey(4)));
  comparison.Append("train.logits", logits);
  const autograd::Variable loss = seg::SegmentationLoss(logits, label);
  comparison.Append("train.loss", loss);
  tape.Backward(loss);
  comparison.AppendStep(cancelling);
  return std::move(comparison.differences);
}

// Of a network that makes logits: its weights, and its logits for the file's input.
template <typename Network>
void SaveLogits(const File& file, const typename Network::Config& config, const std::string& folder) {
  Network network(config, kOurs);
  Perturb(network);
  const autograd::Array input = file.Read("input");
  network(input, nn::Context::Training(kOurs));
  SaveNetwork(folder, network, {{"logits", network(input, {}).array()}});
}

}  // namespace golden
