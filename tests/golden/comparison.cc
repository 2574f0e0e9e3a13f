#include "tests/golden/comparison.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/reduce.h"
#include "autograd/runtime/error.h"
#include "seg/encoders/convnext_v2.h"
#include "seg/models/sfpnext.h"
#include "tests/golden/step_comparison.h"

namespace golden {
namespace {

using autograd::Array;
using autograd::Variable;

const std::vector<std::string> kEncoderParts = {"stem.", "stages."};

seg::ConvNeXtV2Config EncoderConfig(const File& file, const std::string& prefix) {
  seg::ConvNeXtV2Config config;
  config.drop_path = 0;
  for (int s = 0; s < 4; ++s) {
    const std::string blocks = absl::StrCat(prefix, "stages.", s, ".blocks.");
    config.dims[s] = file.Shape(absl::StrCat(blocks, "0.conv_dw.weight"))[0];
    config.depths[s] = 0;
    while (file.Has(absl::StrCat(blocks, config.depths[s], ".conv_dw.weight"))) ++config.depths[s];
  }
  const bool matrices = file.Shape(absl::StrCat(prefix, "stages.0.blocks.0.mlp.fc1.weight")).size() == 2;
  config.mlp_layout = matrices ? nn::Layout::kLinear : nn::Layout::kPointwiseConv2d;
  return config;
}

seg::SFPNeXtConfig NetworkConfig(const File& file) {
  seg::SFPNeXtConfig config;
  config.encoder = EncoderConfig(file, "encoder.");
  config.classes = file.Shape("decoder.classifier.weight")[0];
  config.decoder = SemanticFpnConfigOf(file);
  config.decoder.norm = {.epsilon = NumberOf(file, "norm_eps"), .momentum = NumberOf(file, "norm_momentum")};
  return config;
}

}  // namespace

std::vector<Difference> CompareConvNeXtV2(const File& file, const Arithmetic& arithmetic) {
  const seg::ConvNeXtV2Config config = EncoderConfig(file, "");
  seg::ConvNeXtV2 encoder(config, autograd::RandomKey(1)), gradients(config, autograd::RandomKey(2));
  const size_t parameters = nn::NamedParameters(encoder).size();
  file.Load("", kEncoderParts, nn::ModuleReference(encoder), parameters);
  file.Load("gradient.", kEncoderParts, nn::ModuleReference(gradients), parameters);
  Prepare(encoder, arithmetic);

  std::vector<Difference> differences;
  autograd::Tape tape;
  const Variable input = tape.Watch(Prepared(file.Read("input"), arithmetic, "input"));
  const std::array<Variable, 4> stages = encoder(input, {});
  Variable loss;
  for (int s = 0; s < 4; ++s) {
    const std::string name = absl::StrCat("stage", s);
    differences.push_back(Between(name, stages[s].array(), file.Read(name)));
    const Variable part = 0.5 * autograd::Mean(autograd::Square(stages[s]));
    loss = loss.defined() ? loss + part : part;
  }
  differences.push_back(Between("loss", loss.array(), file.Read("loss")));
  tape.Backward(loss);
  differences.push_back(Between("gradient.input", tape.Gradient(input), file.Read("gradient.input")));
  AppendGradients(encoder, gradients, differences);
  return differences;
}

std::vector<Difference> CompareSFPNeXt(const File& file, const Arithmetic& arithmetic) {
  return CompareSemanticFpnSegmentor<seg::SFPNeXt>(file, NetworkConfig(file), arithmetic);
}

void SaveConvNeXtV2(const File& file, const std::string& folder) {
  seg::ConvNeXtV2 encoder(EncoderConfig(file, ""), kOurs);
  Perturb(encoder);
  std::vector<std::pair<std::string, Array>> outputs;
  for (const Variable& stage : encoder(file.Read("input"), {}))
    outputs.emplace_back(absl::StrCat("stage", outputs.size()), stage.array());
  SaveNetwork(folder, encoder, std::move(outputs));
}

void SaveSFPNeXt(const File& file, const std::string& folder) {
  SaveLogits<seg::SFPNeXt>(file, NetworkConfig(file), folder);
}

namespace {

struct Family {
  const char* name;  // in the file's metadata
  std::vector<Difference> (*compare)(const File&, const Arithmetic&);
  void (*save)(const File&, const std::string& folder);  // null where no public class has the network
};

constexpr Family kFamilies[] = {{"convnext_v2", CompareConvNeXtV2, SaveConvNeXtV2},
                                {"sfpnext", CompareSFPNeXt, SaveSFPNeXt},
                                {"resnet", CompareResNet, SaveResNet},
                                {"resnet_segmentor", CompareResNetSegmentor, SaveResNetSegmentor},
                                {"semantic_fpn", CompareSemanticFpn, SaveSemanticFpn},
                                {"vit", CompareViT, SaveViT},
                                {"eva02", CompareEva02, SaveEva02},
                                {"segmenter", CompareSegmenter, SaveSegmenter},
                                {"segformer", CompareSegFormer, SaveSegFormer},
                                {"setr", CompareSetr, SaveSetr},
                                {"ciss_net", CompareCissNet, nullptr},
                                {"latent", CompareLatent, nullptr},
                                {"continual", CompareContinual, nullptr}};

const Family& FamilyOf(const File& file) {
  std::string name = file.Metadata("family");
  if (name.empty()) name = file.Has("decoder.classifier.weight") ? "sfpnext" : "convnext_v2";
  const auto found = std::find_if(std::begin(kFamilies), std::end(kFamilies),
                                  [&](const Family& family) { return name == family.name; });
  autograd::Require(found != std::end(kFamilies), "golden::File", "there is no family '", name, "'");
  return *found;
}

}  // namespace

std::vector<Difference> Compare(const File& file, const Arithmetic& arithmetic) {
  return FamilyOf(file).compare(file, arithmetic);
}

std::vector<Excess> ExcessesInFloat32(const File& file) {
  std::vector<double> moved;
  for (uint64_t draw = 0; draw < 3; ++draw) {
    const std::vector<Difference> differences =
        Compare(file, {autograd::kFloat64, kUnitRoundoff, autograd::RandomKey(draw)});
    moved.resize(differences.size());
    for (size_t i = 0; i < differences.size(); ++i) moved[i] = std::max(moved[i], differences[i].value);
  }
  const std::vector<Difference> differences = Compare(file);
  std::vector<Excess> excesses;
  for (size_t i = 0; i < differences.size(); ++i) {
    const double bound = kRoundings * (moved[i] + kUnitRoundoff);
    if (!(differences[i].value <= bound)) excesses.push_back({differences[i].name, differences[i].value, bound});
  }
  return excesses;
}

void SaveOurs(const File& file, const std::string& folder) {
  const Family& family = FamilyOf(file);
  autograd::Require(family.save != nullptr, "golden::SaveOurs", "no public class has a ", family.name);
  family.save(file, folder);
}

}  // namespace golden
