#include "seg/decoders/mask_transformer.h"

#include <algorithm>
#include <cmath>

#include "autograd/core/dims.h"
#include "autograd/ops/cast.h"
#include "autograd/ops/concatenate.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/matmul.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/transpose.h"

namespace seg {
namespace {

using autograd::Array;

nn::LinearOptions Affine() { return {.weight_initializer = nn::TruncatedNormal(), .bias_initializer = nn::Zeros()}; }

int64_t Width(int64_t inputs, const MaskTransformerConfig& config) { return config.width > 0 ? config.width : inputs; }

// The length of each row, [..., 1].
Variable Length(const Variable& x) {
  return autograd::SquareRoot(autograd::Sum(autograd::Square(x), {-1}, /*keep_axes=*/true));
}

}  // namespace

MaskTransformer::MaskTransformer(int64_t inputs, int64_t classes, const MaskTransformerConfig& config, RandomKey key)
    : projection(inputs, Width(inputs, config), Affine(), key.Split("proj_dec")),
      norm(Width(inputs, config), config.epsilon),
      mask_norm(classes, config.epsilon) {
  const int64_t width = Width(inputs, config),
                heads = config.heads > 0 ? config.heads : std::max<int64_t>(1, width / 64);
  const nn::Fans fans;
  const nn::Initializer square = nn::Normal(1 / std::sqrt(static_cast<double>(width)));
  class_embedding.Set(nn::TruncatedNormal()({1, classes, width}, fans, key.Split("cls_emb")));
  proj_patch.Set(square({width, width}, fans, key.Split("proj_patch")));
  proj_classes.Set(square({width, width}, fans, key.Split("proj_classes")));
  for (int64_t i = 0; i < config.depth; ++i) {
    blocks.emplace_back(width,
                        nn::TransformerBlockOptions{.heads = heads,
                                                    .epsilon = config.epsilon,
                                                    .drop_path = nn::DropPathRate(config.drop_path, i, config.depth),
                                                    .dropout = config.dropout},
                        key.Split("blocks").Split(i));
  }
}

Variable MaskTransformer::operator()(const Variable& map, const nn::Context& context) {
  autograd::Dims dims("MaskTransformer");
  dims.Match(map, "map: n h w c");
  const int64_t n = dims["n"], h = dims["h"], w = dims["w"], pixels = h * w;
  const int64_t classes = class_embedding.shape()[1], width = class_embedding.shape()[2];

  const Variable patches = autograd::Reshape(projection(map), {n, pixels, width});
  const Variable embeddings = Array::Zeros({n, classes, width}, map.dtype()) + nn::InTypeOf(map, class_embedding);
  Variable x = autograd::Concatenate({patches, embeddings}, 1);
  for (size_t i = 0; i < blocks.size(); ++i) x = blocks[i](x, context.Split(i));
  x = norm(x);

  const auto projected = [&](int64_t begin, int64_t end, Parameter& matrix) {
    return autograd::Cast(autograd::MatMul(autograd::Slice(x, 1, begin, end), nn::InTypeOf(x, matrix)),
                          autograd::kFloat32);
  };
  const Variable patch = projected(0, pixels, proj_patch), of_class = projected(pixels, pixels + classes, proj_classes);
  // The patches' lengths divide the products: there are fewer classes than channels.
  const Variable masks = autograd::MatMul(patch, of_class / Length(of_class), false, true) / Length(patch);
  return autograd::Reshape(mask_norm(masks), {n, h, w, classes});
}

void MaskTransformer::Fields(nn::FieldVisitor& visitor) {
  visitor.Field("cls_emb", class_embedding);
  visitor.Field("proj_dec", projection);
  visitor.Field("proj_patch", proj_patch, nn::Layout::kLinear);
  visitor.Field("proj_classes", proj_classes, nn::Layout::kLinear);
  visitor.Field("blocks", blocks);
  visitor.Field("decoder_norm", norm);
  visitor.Field("mask_norm", mask_norm);
}

LinearDecoder::LinearDecoder(int64_t inputs, int64_t classes, RandomKey key)
    : head(inputs, classes, Affine(), key.Split("head")) {}

Variable LinearDecoder::operator()(const Variable& map) { return autograd::Cast(head(map), autograd::kFloat32); }

void LinearDecoder::Fields(nn::FieldVisitor& visitor) { visitor.Field("head", head); }

}  // namespace seg
