#pragma once

// What the tests of several networks share.
//
// Learning: steps of AdamW blow rounding up, so a loss after many of them is another one on another machine. What holds
// on all of them is its order of magnitude, far below what labels cost that are guessed by their frequency, whichever
// weights the network begins with.
//
// bfloat16: how far rounding moves the logits is the network's own matter, so it is measured, by rounding the weights
// alone.

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "autograd/core/tape.h"
#include "autograd/ops/cast.h"
#include "nn/nn.h"

namespace seg::testing {

struct Batch {
  autograd::Array images;  // float32 [N, H, W, 3]
  autograd::Array labels;  // uint8
};

// Images of size × size pixels in bright and dark halves, with noise: by turns the left or the right half is bright.
// The labels are 1 where it is bright, 0 elsewhere.
inline Batch BrightHalves(int64_t count, int64_t size, autograd::RandomKey key) {
  std::vector<float> pixels(count * size * size * 3);
  std::vector<uint8_t> labels(count * size * size);
  for (int64_t i = 0; i < count * size * size; ++i) {
    const bool bright = (i % size < size / 2) == (i / (size * size) % 2 == 0);
    labels[i] = bright ? 1 : 0;
    for (int c = 0; c < 3; ++c)
      pixels[i * 3 + c] = (bright ? 1.0f : -1.0f) + 0.3f * autograd::UniformFloat(autograd::Philox(key, i * 3 + c).x);
  }
  return {autograd::Array::From({count, size, size, 3}, pixels), autograd::Array::From({count, size, size}, labels)};
}

// Two images in patches of 8×8 pixels whose three classes differ in colour, and a label for each patch, the first void.
inline Batch ColouredPatches(int64_t size, autograd::RandomKey key) {
  const int64_t side = size / 8;
  std::vector<float> pixels(2 * size * size * 3);
  std::vector<uint8_t> labels(2 * side * side);
  for (int64_t i = 0; i < 2 * size * size; ++i) {
    const int64_t row = i / size / 8, column = i % size / 8;
    const auto label = static_cast<uint8_t>((row + column) % 3);
    labels[row * side + column] = label;
    for (int c = 0; c < 3; ++c) {
      pixels[i * 3 + c] =
          (c == label ? 1.0f : -1.0f) + 0.3f * autograd::UniformFloat(autograd::Philox(key, i * 3 + c).x);
    }
  }
  labels[0] = 255;
  return {autograd::Array::From({2, size, size, 3}, pixels), autograd::Array::From({2, side, side}, labels)};
}

// Several first weights: luck with one is not learning.
inline constexpr uint64_t kFirstWeights[] = {1, 2, 3};

// The cross-entropy of the best map that is the same for every pixel and image: the entropy of the labels (uint8), void
// pixels left out, in nats.
inline double LossOfTheBestGuess(const autograd::Array& labels, uint8_t void_label = 255) {
  std::map<uint8_t, double> counts;
  double total = 0, entropy = 0;
  for (uint8_t label : labels.ToVector<uint8_t>()) {
    if (label == void_label) continue;
    ++counts[label];
    ++total;
  }
  for (const auto& [label, count] : counts) entropy -= count / total * std::log(count / total);
  return entropy;
}

// Trains `network` on loss_of(context): the loss before each step.
template <typename Forward>
std::vector<double> LearnByHeart(nn::ModuleReference network, int steps, double rate, const Forward& loss_of) {
  nn::AdamW optimizer(nn::GroupParameters(network, {.weight_decay = 0.01}));
  std::vector<double> losses;
  for (int step = 0; step < steps; ++step) {
    autograd::Tape tape;
    const autograd::Variable loss = loss_of(nn::Context::Training(autograd::RandomKey(31).Split(step)));
    tape.Backward(loss);
    nn::ClipGradientNorm(optimizer.parameters(), 5);
    optimizer.Step(rate);
    optimizer.ClearGradients();
    losses.push_back(loss.Item());
  }
  return losses;
}

// The norm of a − b over that of b.
inline double RelativeDistance(const autograd::Variable& a, const autograd::Variable& b) {
  const std::vector<float> x = a.array().ToVector<float>(), y = b.array().ToVector<float>();
  double difference = 0, scale = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    difference += std::pow(x[i] - y[i], 2);
    scale += std::pow(y[i], 2);
  }
  return std::sqrt(difference / scale);
}

// Rounds all parameters to bfloat16; they stay float32.
inline void RoundWeights(nn::ModuleReference network) {
  for (const nn::NamedParameter& named : nn::NamedParameters(network)) {
    const autograd::Variable narrow = autograd::Cast(autograd::Variable(named.parameter->value()), autograd::kBFloat16);
    named.parameter->Set(autograd::Cast(narrow, autograd::kFloat32).array());
  }
}

// A network that computes in bfloat16 rounds the weights of a layer once, and its activations after the product, the
// norm, the activation and the addition of a shortcut. Each is one rounding of all numbers of a layer and moves the
// logits about as far as that of the weights does; if all pulled in one direction, five times as far.
inline constexpr double kRoundingsOfALayer = 5;

// A file at `to` with `tensors` and those of the file at `from` under other names, but for those whose name becomes "".
inline void WriteRenamed(const std::string& from, const std::string& to, const nn::Rename& rename,
                         std::vector<nn::TensorSource> tensors = {}) {
  const absl::StatusOr<nn::SafetensorsFile> file = nn::SafetensorsFile::Open(from);
  ASSERT_TRUE(file.ok()) << file.status();
  for (const nn::TensorInfo& tensor : file->tensors()) {
    const std::string name = rename(tensor.name);
    if (!name.empty())
      tensors.push_back({name, tensor.dtype, tensor.shape, [&file, tensor] { return *file->Read(tensor); }});
  }
  ASSERT_TRUE(nn::WriteSafetensors(to, tensors).ok());
}

}  // namespace seg::testing
