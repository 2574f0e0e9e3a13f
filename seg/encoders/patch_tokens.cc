#include "seg/encoders/patch_tokens.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "autograd/core/dims.h"
#include "autograd/ops/cast.h"
#include "autograd/ops/concatenate.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/resize.h"
#include "autograd/ops/transpose.h"
#include "nn/layers/linear.h"

namespace seg {
namespace {

using autograd::Array;

// The side of the grid that `rows` are, without the class token's; 0 where they are none.
int64_t SideOf(int64_t rows) {
  const int64_t side = std::llround(std::sqrt(static_cast<double>(std::max<int64_t>(rows - 1, 0))));
  return side * side == rows - 1 ? side : 0;
}

}  // namespace

Variable PatchMap(const TokenGrid& grid) {
  const autograd::Shape& shape = grid.tokens.shape();
  return autograd::Reshape(autograd::Slice(grid.tokens, 1, 1, shape[1]), {shape[0], grid.height, grid.width, shape[2]});
}

Variable ResizePositions(const Variable& positions, int64_t height, int64_t width, PositionFilter filter) {
  autograd::Dims dims("ResizePositions");
  dims.Match(positions, "positions: 1 rows c");
  const int64_t rows = dims["rows"], side = SideOf(rows), c = dims["c"];
  if (side == height && side == width) return positions;
  autograd::Require(side > 0, dims.operation(), rows, " rows are not one and a square grid");
  const Variable grid = autograd::Reshape(autograd::Slice(positions, 1, 1, rows), {1, side, side, c});
  const Variable resized = filter == PositionFilter::kBilinear
                               ? autograd::ResizeBilinear(grid, height, width)
                               : autograd::ResizeBicubic(grid, height, width, /*antialias=*/true);
  return autograd::Concatenate(
      {autograd::Slice(positions, 1, 0, 1), autograd::Reshape(resized, {1, height * width, c})}, 1);
}

PatchTokens::PatchTokens(const PatchTokensOptions& options, RandomKey key)
    : projection(3, options.width, options.patch, {.stride = options.patch, .bias = options.bias},
                 key.Split("patch_embed")),
      patch(options.patch),
      position_filter(options.position_filter) {
  const int64_t side = options.image_size / options.patch, width = options.width;
  autograd::Require(side > 0, "PatchTokens", "images of ", options.image_size, " pixels have no patch of ",
                    options.patch);
  const nn::Fans fans;
  class_token.Set(nn::TruncatedNormal(options.class_token_deviation)({1, 1, width}, fans, key.Split("cls_token")));
  positions.Set(nn::TruncatedNormal()({1, 1 + side * side, width}, fans, key.Split("pos_embed")));
}

TokenGrid PatchTokens::operator()(const Variable& images) {
  autograd::Dims dims("PatchTokens");
  dims.Match(images, "images: n h w 3");
  const int64_t n = dims["n"], h = dims["h"], w = dims["w"];
  const Variable padded =
      autograd::Pad(images, {.bottom = (patch - h % patch) % patch, .right = (patch - w % patch) % patch});
  const Variable patches = projection(padded);
  const int64_t rows = patches.shape()[1], columns = patches.shape()[2], width = patches.shape()[3];

  const Variable resized = autograd::Cast(ResizePositions(positions, rows, columns, position_filter), images.dtype());
  const Variable first = nn::InTypeOf(images, class_token) + autograd::Slice(resized, 1, 0, 1);
  const Variable others =
      autograd::Reshape(patches, {n, rows * columns, width}) + autograd::Slice(resized, 1, 1, 1 + rows * columns);
  const Variable repeated = Array::Zeros({n, 1, width}, images.dtype()) + first;
  return {autograd::Concatenate({repeated, others}, 1), rows, columns};
}

void PatchTokens::Fields(nn::FieldVisitor& visitor) {
  visitor.Field("cls_token", class_token);
  visitor.Field("pos_embed", positions);
  visitor.Field("patch_embed.proj", projection);
}

TransformerFeatures RunBlocks(TokenGrid grid, int64_t depth, const std::vector<int64_t>& taps, bool checkpoint,
                              const std::function<Variable(int64_t, const Variable&)>& block) {
  TransformerFeatures features;
  features.taps.resize(taps.size());
  for (int64_t i = 0; i < depth; ++i) {
    if (checkpoint) {
      grid.tokens = autograd::Checkpoint([block, i](std::span<const Variable> inputs) { return block(i, inputs[0]); },
                                         {grid.tokens});
    } else {
      grid.tokens = block(i, grid.tokens);
    }
    for (size_t tap = 0; tap < taps.size(); ++tap) {
      if (taps[tap] == i) features.taps[tap] = PatchMap(grid);
    }
  }
  features.map = PatchMap(grid);
  return features;
}

namespace {

// Puts an empty array of the file's shape in the place of a parameter's value, until Restore. The Parameter stays where
// it is: optimizers may hold it.
class StandIn {
 public:
  StandIn(Parameter& parameter, const autograd::Shape& shape) : parameter_(parameter), value_(parameter.value()) {
    stands_ = !(shape == value_.shape());
    if (stands_) parameter_.Set(Array::Empty(shape, value_.dtype()));
  }
  // The value again; where something was loaded, that, made the value's shape by `resize`.
  template <typename Resize>
  void Restore(bool loaded, const Resize& resize) {
    if (!stands_) return;
    if (loaded) value_.CopyFrom(resize(Variable(parameter_.value())).array());
    parameter_.Set(value_);
  }

 private:
  Parameter& parameter_;
  Array value_;
  bool stands_;
};

bool Contains(const std::vector<std::string>& names, absl::string_view end) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) { return absl::EndsWith(name, end); });
}

}  // namespace

absl::StatusOr<nn::LoadReport> LoadPatchWeights(const std::string& path, const nn::ModuleReference& module,
                                                PatchTokens& tokens, const nn::LoadOptions& options) {
  constexpr char kPositions[] = "pos_embed", kKernel[] = "patch_embed.proj.weight";
  autograd::Shape positions = tokens.positions.shape(), kernel = tokens.projection.weight.shape();
  {
    absl::StatusOr<nn::SafetensorsFile> file = nn::SafetensorsFile::Open(path);
    if (!file.ok()) return file.status();
    for (const nn::TensorInfo& tensor : file->tensors()) {
      const std::string name = options.rename ? options.rename(tensor.name) : tensor.name;
      const std::vector<int64_t>& shape = tensor.shape;
      if (absl::EndsWith(name, kPositions) && shape.size() >= 2 && SideOf(shape[shape.size() - 2]) > 0)
        positions.Set(1, shape[shape.size() - 2]);
      if (absl::EndsWith(name, kKernel) && shape.size() == 4 && shape[2] == shape[3]) {
        kernel.Set(1, shape[2]);
        kernel.Set(2, shape[3]);
      }
    }
  }
  const int64_t side = SideOf(tokens.positions.shape()[1]), patch = tokens.patch;
  const PositionFilter filter = tokens.position_filter;
  StandIn stand_in_positions(tokens.positions, positions), stand_in_kernel(tokens.projection.weight, kernel);
  absl::StatusOr<nn::LoadReport> report = nn::LoadWeights(path, module, options);
  const autograd::PauseTape pause;
  stand_in_positions.Restore(
      report.ok() && Contains(report->loaded, kPositions),
      [side, filter](const Variable& given) { return ResizePositions(given, side, side, filter); });
  stand_in_kernel.Restore(report.ok() && Contains(report->loaded, kKernel),
                          [patch](const Variable& given) { return autograd::ResizeBicubic(given, patch, patch); });
  return report;
}

}  // namespace seg
