#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "autograd/runtime/error.h"
#include "seg/losses/segmentation_loss.h"
#include "seg/models/segformer.h"
#include "tests/golden/comparison.h"
#include "tests/golden/step_comparison.h"

namespace golden {
namespace {

using autograd::Array;
using autograd::Variable;

// What batch norms take out of the biases in front of them is left as terms that cancel.
constexpr double kCancelling = 0.1;

const std::vector<std::string> kParts = {"segformer.", "backbone.", "decode_head."};

seg::MiTPackage PackageOf(const File& file) {
  const std::string form = file.Metadata("form");
  if (form == "hugging_face") return seg::MiTPackage::kHuggingFace;
  if (form == "nvidia") return seg::MiTPackage::kNvidia;
  autograd::Require(form == "mmseg", "golden::File", "there is no SegFormer of the form '", form, "'");
  return seg::MiTPackage::kMmseg;
}

// Without dropout and stochastic depth.
seg::SegFormerConfig ConfigOf(const File& file) {
  const seg::MiTPackage package = PackageOf(file);
  const nn::FieldNames names = seg::SegFormerPublicNames(package);
  const auto encoder_name = [&](const std::string& field) { return names(absl::StrCat("backbone.", field)).name; };
  seg::SegFormerConfig config;
  config.encoder.drop_path = 0;
  config.encoder.epsilons = seg::MiTEpsilons::Of(package);
  const std::vector<int64_t> heads = IntegersOf(file, "heads");
  autograd::Require(heads.size() == 4, "golden::File", "metadata 'heads' has not four numbers");
  for (int s = 0; s < 4; ++s) {
    config.encoder.dims[s] = file.Shape(encoder_name(absl::StrCat("layer_norm.", s, ".bias")))[0];
    config.encoder.heads[s] = heads[s];
    const auto block_has = [&](int64_t block, const char* field) {
      return file.Has(encoder_name(absl::StrCat("block.", s, ".", block, ".", field)));
    };
    config.encoder.depths[s] = 0;
    while (block_has(config.encoder.depths[s], "layer_norm_1.bias")) ++config.encoder.depths[s];
    const char* const reduction = "attention.self.sr.weight";
    config.encoder.reductions[s] =
        block_has(0, reduction) ? file.Shape(encoder_name(absl::StrCat("block.", s, ".0.", reduction)))[2] : 1;
  }
  config.head =
      package == seg::MiTPackage::kMmseg ? seg::SegFormerHeadConfig::Mmseg() : seg::SegFormerHeadConfig::HuggingFace(0);
  config.head.dropout = 0;
  const bool linear = config.head.levels == seg::SegFormerHeadConfig::Levels::kLinear;
  const std::vector<int64_t>& classifier =
      file.Shape(names(linear ? "decode_head.classifier.weight" : "decode_head.conv_seg.weight").name);
  config.classes = classifier[0];
  config.head.width = classifier[1];
  return config;
}

}  // namespace

std::vector<Difference> CompareSegFormer(const File& file, const Arithmetic& arithmetic) {
  seg::SegFormerConfig config = ConfigOf(file);
  config.compute = arithmetic.compute;
  Comparison<seg::SegFormer> comparison(file, kParts, config, arithmetic, seg::SegFormerPublicNames(PackageOf(file)));
  seg::SegFormer& network = comparison.network;
  const Array images = Prepared(file.Read("input"), arithmetic, "input"), label = file.Read("label");
  const seg::Features features = network.Encode(images, {});
  for (size_t s = 0; s < features.size(); ++s) comparison.Append(absl::StrCat("evaluation.stage", s), features[s]);
  const Variable evaluated = network.Decode(features, {});
  comparison.Append("evaluation.logits", evaluated);
  comparison.Append("evaluation.loss", seg::SegmentationLoss(evaluated, label));

  autograd::Tape tape;
  const Variable input = tape.Watch(images);
  const Variable logits = network(input, nn::Context::Training(autograd::RandomKey(4)));
  comparison.Append("train.logits", logits);
  const Variable loss = seg::SegmentationLoss(logits, label);
  comparison.Append("train.loss", loss);
  tape.Backward(loss);
  comparison.Append("gradient.input", tape.Gradient(input));
  comparison.AppendStep(kCancelling);
  return std::move(comparison.differences);
}

void SaveSegFormer(const File& file, const std::string& folder) {
  seg::SegFormer network(ConfigOf(file), kOurs);
  Perturb(network);
  const Array input = file.Read("input");
  network(input, nn::Context::Training(kOurs));
  nn::RenamedModule theirs(network, seg::SegFormerPublicNames(PackageOf(file)));
  SaveNetwork(folder, theirs, {{"logits", network(input, {}).array()}});
}

}  // namespace golden
