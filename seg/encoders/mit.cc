#include "seg/encoders/mit.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "autograd/core/tape.h"
#include "autograd/runtime/ceil_divide.h"
#include "nn/checkpoints/prefixes.h"

namespace seg {
namespace {

constexpr int64_t kStrides[] = {4, 8, 16, 32};

// 7×7 of stride 4 in front of the first stage, 3×3 of stride 2 in front of the others: of h pixels ⌈h/4⌉ and ⌈h/2⌉.
nn::Conv2d PatchEmbedding(int stage, int64_t inputs, int64_t outputs, RandomKey key) {
  const int64_t kernel = stage == 0 ? 7 : 3;
  return nn::Conv2d(inputs, outputs, kernel,
                    {.stride = stage == 0 ? 4 : 2,
                     .padding = kernel / 2,
                     .weight_initializer = nn::KaimingNormal(),
                     .bias_initializer = nn::Zeros()},
                    key);
}

// The name behind what packages put in front of the encoder's; "" for heads and classifiers.
std::string EncoderName(const std::string& name) {
  absl::string_view rest = name;
  nn::DropPrefixes({"module.", "model.", "backbone.", "backbone_net.", "segformer.", "encoder."}, rest);
  if (nn::BeginsWithAny(rest, {"head.", "classifier.", "decode_head.", "auxiliary_head.", "convs.", "decoder."}))
    return "";
  return std::string(rest);
}

}  // namespace

absl::StatusOr<MiTConfig> ConfigureMiT(absl::string_view size) {
  MiTConfig config;
  absl::string_view name = size;
  if (absl::ConsumeSuffix(&name, MiTSuffix(MiTPackage::kNvidia))) {
    config.epsilons = MiTEpsilons::Of(MiTPackage::kNvidia);
  } else if (absl::ConsumeSuffix(&name, MiTSuffix(MiTPackage::kMmseg))) {
    config.epsilons = MiTEpsilons::Of(MiTPackage::kMmseg);
  }
  if (name == "mit_b0") {
    config.dims = {32, 64, 160, 256};
  } else if (name == "mit_b1") {
    config.depths = {2, 2, 2, 2};
  } else if (name == "mit_b2") {
    config.depths = {3, 4, 6, 3};
  } else if (name == "mit_b3") {
    config.depths = {3, 4, 18, 3};
  } else if (name == "mit_b4") {
    config.depths = {3, 8, 27, 3};
  } else if (name == "mit_b5") {
    config.depths = {3, 6, 40, 3};
  } else if (name == "micro") {
    config.dims = {16, 32, 40, 64};
    config.depths = {1, 1, 1, 1};
    config.drop_path = 0;
  } else {
    return absl::NotFoundError(absl::StrCat(
        "no MiT is called '", size,
        "': there are micro, mit_b0, mit_b1, mit_b2, mit_b3, mit_b4 and mit_b5, and the same with _nvidia and _mmseg"));
  }
  return config;
}

MiT::MiT(const MiTConfig& given, RandomKey key) : config(given) {
  const int64_t count = std::accumulate(config.depths.begin(), config.depths.end(), int64_t{0});
  int64_t inputs = 3, index = 0;
  for (int s = 0; s < 4; ++s) {
    const RandomKey stage_key = key.Split("stages").Split(s);
    MiTStage stage{PatchEmbedding(s, inputs, config.dims[s], stage_key.Split("projection")),
                   nn::LayerNorm(config.dims[s], config.epsilons.patch_embed),
                   {},
                   nn::LayerNorm(config.dims[s], config.epsilons.stage)};
    for (int64_t b = 0; b < config.depths[s]; ++b) {
      stage.blocks.emplace_back(
          config.dims[s],
          nn::MixTransformerBlockOptions{.heads = config.heads[s],
                                         .reduction = config.reductions[s],
                                         .epsilon = config.epsilons.block,
                                         .reduction_epsilon = config.epsilons.reduction,
                                         .drop_path = nn::DropPathRate(config.drop_path, index++, count)},
          stage_key.Split(b));
    }
    stages.push_back(std::move(stage));
    inputs = config.dims[s];
  }
}

std::array<Variable, 4> MiT::operator()(const Variable& images, const nn::Context& context) {
  Variable x = images;
  std::array<Variable, 4> taps;
  uint64_t index = 0;
  for (int s = 0; s < 4; ++s) {
    MiTStage& stage = stages[s];
    x = stage.projection_norm(stage.projection(x));
    for (nn::MixTransformerBlock& block : stage.blocks) {
      const nn::Context block_context = context.Split(index++);
      x = config.checkpoint_blocks
              ? autograd::Checkpoint([&block, block_context](
                                         std::span<const Variable> inputs) { return block(inputs[0], block_context); },
                                     {x})
              : block(x, block_context);
    }
    x = taps[s] = stage.norm(x);
  }
  return taps;
}

void MiT::Fields(nn::FieldVisitor& visitor) {
  for (size_t s = 0; s < stages.size(); ++s) {
    visitor.Field(absl::StrCat("patch_embeddings.", s, ".proj"), stages[s].projection);
    visitor.Field(absl::StrCat("patch_embeddings.", s, ".layer_norm"), stages[s].projection_norm);
  }
  for (size_t s = 0; s < stages.size(); ++s) visitor.Field(absl::StrCat("block.", s), stages[s].blocks);
  for (size_t s = 0; s < stages.size(); ++s) visitor.Field(absl::StrCat("layer_norm.", s), stages[s].norm);
}

bool MiT::Fits(int64_t height, int64_t width) const {
  for (int s = 0; s < 4; ++s) {
    if (autograd::CeilDivide(std::min(height, width), kStrides[s]) < config.reductions[s]) return false;
  }
  return true;
}

std::array<int64_t, 4> MiT::TapPixels(int64_t height, int64_t width) {
  std::array<int64_t, 4> pixels;
  for (int s = 0; s < 4; ++s)
    pixels[s] = autograd::CeilDivide(height, kStrides[s]) * autograd::CeilDivide(width, kStrides[s]);
  return pixels;
}

absl::StatusOr<nn::LoadReport> LoadMiT(const std::string& path, MiT& encoder) {
  MiTOrigin origin;
  {
    const absl::StatusOr<nn::SafetensorsFile> file = nn::SafetensorsFile::Open(path);
    if (!file.ok()) return file.status();
    origin = MiTOriginOf(*file);
  }
  const nn::LoadOptions options{.rename = EncoderName};
  if (!origin.package.has_value()) return nn::LoadWeights(path, encoder, options);
  const MiTPackage package = *origin.package;
  if (const std::vector<std::string> differences = EpsilonDifferences(package, encoder.config.epsilons);
      !differences.empty()) {
    const std::string suffix = MiTSuffix(package);
    return absl::FailedPreconditionError(
        absl::StrCat("'", path, "' is of ", Owner(package), " MiT, which ", absl::StrJoin(differences, " and "),
                     ", unlike this encoder; a size of ConfigureMiT ",
                     suffix.empty() ? "without a suffix" : absl::StrCat("with '", suffix, "'"), " is like it"));
  }
  const MiTPackage names = origin.own_names ? MiTPackage::kHuggingFace : package;
  nn::RenamedModule theirs(encoder, [names](const std::string& field) { return MiTPublicName(names, field); });
  absl::StatusOr<nn::LoadReport> report = nn::LoadWeights(path, theirs, options);
  if (report.ok()) theirs.Split();
  return report;
}

}  // namespace seg
