#include <algorithm>
#include <vector>

#include "autograd/runtime/parallel.h"
#include "rl/estimators/posterior_credit_kernels.h"

namespace autograd::cpu {
namespace {

struct Group {
  int64_t maps, images, positions, pixels;  // positions: of all images
  const float* reward;
  const uint8_t* action;
  const uint8_t* valid;

  Group(const Array& rewards, const Array& actions, const Array& mask)
      : maps(actions.shape()[0]),
        images(actions.shape()[1]),
        positions(maps == 0 ? 0 : actions.size() / maps),
        pixels(images == 0 ? 0 : positions / images),
        reward(rewards.data<float>()),
        action(actions.data<uint8_t>()),
        valid(mask.defined() ? mask.data<uint8_t>() : nullptr) {}
  uint8_t At(int64_t map, int64_t position) const { return action[map * positions + position]; }
  bool Differ(int64_t position) const {
    if (valid != nullptr && valid[position] == 0) return false;
    const uint8_t first = action[position];
    bool differ = false;
    for (int64_t i = 1; i < maps; ++i) differ |= At(i, position) != first;
    return differ;
  }
};

}  // namespace

void ImageEvidence(Stream&, const Array& rewards, const Array& actions, const Array& valid, Array& evidence) {
  const Group group(rewards, actions, valid);
  double* const out = evidence.data<double>();
  ParallelFor(group.images, 1, [&](int64_t begin, int64_t end) {
    int64_t count[256] = {};
    for (int64_t image = begin; image < end; ++image) {
      int64_t differing = 0;
      for (int64_t p = image * group.pixels; p < (image + 1) * group.pixels; ++p) {
        if (!group.Differ(p)) continue;
        differing += group.maps * group.maps;
        for (int64_t i = 0; i < group.maps; ++i) differing -= 2 * count[group.At(i, p)]++ + 1;  // Σ n_a²
        for (int64_t i = 0; i < group.maps; ++i) count[group.At(i, p)] = 0;
      }
      double sum = 0, squares = 0;
      for (int64_t i = 0; i < group.maps; ++i) {
        const double r = group.reward[i * group.images + image];
        sum += r;
        squares += r * r;
      }
      const posterior::Evidence found =
          posterior::EvidenceOf(static_cast<double>(group.maps), sum, squares, static_cast<double>(differing));
      out[2 * image] = found.slope;
      out[2 * image + 1] = found.offset;
    }
  });
}

void PosteriorCredit(Stream&, const Array& rewards, const Array& actions, const Array& log_probability,
                     const Array& valid, const Array& evidence, Array& advantages) {
  const Group group(rewards, actions, valid);
  const float* const log_probabilities = log_probability.data<float>();
  const double* const numbers = evidence.data<double>();
  float* const out = advantages.data<float>();
  const auto maps = static_cast<double>(group.maps);
  ParallelFor(group.positions, 1 << 10, [&](int64_t begin, int64_t end) {
    // By class: how many maps show it here, the sum of their scores, and exp of its log-likelihood ratio.
    double count[256] = {}, sum[256] = {}, factor[256] = {};
    std::vector<double> own(group.maps);
    double total = 0;
    int64_t loaded_image = -1;
    posterior::Evidence found = {0, 0};
    for (int64_t p = begin; p < end; ++p) {
      const int64_t image = p / group.pixels;
      if (image != loaded_image) {
        total = 0;
        for (int64_t i = 0; i < group.maps; ++i) total += own[i] = group.reward[i * group.images + image];
        found = {numbers[2 * image], numbers[2 * image + 1]};
        loaded_image = image;
      }
      if (found.offset == 0 || !group.Differ(p)) {
        for (int64_t i = 0; i < group.maps; ++i) out[i * group.positions + p] = 0.0f;
        continue;
      }
      for (int64_t i = 0; i < group.maps; ++i) {
        const uint8_t a = group.At(i, p);
        count[a] += 1;
        sum[a] += own[i];
      }
      double remainder = 1, normalizer = 0;
      for (int64_t i = 0; i < group.maps; ++i) {
        const uint8_t a = group.At(i, p);
        if (factor[a] != 0) continue;
        factor[a] = math::Exp(posterior::LogLikelihoodRatio(found, maps, count[a], sum[a], total));
        const double probability = math::Exp(static_cast<double>(log_probabilities[i * group.positions + p]));
        remainder -= probability;
        normalizer += probability * factor[a];
      }
      if (remainder > 0) normalizer += remainder;
      for (int64_t i = 0; i < group.maps; ++i) {
        const uint8_t a = group.At(i, p);
        const int64_t entry = i * group.positions + p;
        const double probability = math::Exp(static_cast<double>(log_probabilities[entry]));
        out[entry] = static_cast<float>(maps / count[a] * probability * (factor[a] / normalizer - 1));
      }
      for (int64_t i = 0; i < group.maps; ++i) {
        const uint8_t a = group.At(i, p);
        count[a] = sum[a] = factor[a] = 0;
      }
    }
  });
}

}  // namespace autograd::cpu
