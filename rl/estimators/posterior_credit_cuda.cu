#include "autograd/core/launch_cuda.h"
#include "rl/estimators/posterior_credit_kernels.h"

namespace autograd::cuda {
namespace {

constexpr int kOwn = 8;  // maps whose sums a thread keeps in registers

struct Group {
  const float* reward;
  const uint8_t* action;
  const uint8_t* valid;
  int64_t maps, images, positions, pixels;

  __device__ int At(int64_t map, int64_t position) const { return action[map * positions + position]; }
  __device__ bool Counts(int64_t position) const { return valid == nullptr || valid[position] != 0; }
};

Group GroupOf(const Array& rewards, const Array& actions, const Array& valid) {
  const int64_t maps = actions.shape()[0], images = actions.shape()[1];
  const int64_t positions = actions.size() / maps;
  return {rewards.data<float>(),
          actions.data<uint8_t>(),
          valid.defined() ? valid.data<uint8_t>() : nullptr,
          maps,
          images,
          positions,
          positions / images};
}

// differing[image] += ordered pairs of maps that differ, over the positions: integers, so the order does not matter.
__global__ void __launch_bounds__(kBlock) DifferingPairsKernel(Group group, unsigned long long* differing) {
  for (int64_t p = GridIndex(); p < group.positions; p += GridStride()) {
    if (!group.Counts(p)) continue;
    int64_t pairs = 0;
    for (int64_t first = 0; first < group.maps; first += kOwn) {
      int own[kOwn];
      for (int k = 0; k < kOwn; ++k) own[k] = group.At(min(first + k, group.maps - 1), p);
      for (int64_t j = 0; j < group.maps; ++j) {
        const int other = group.At(j, p);
        for (int k = 0; k < kOwn; ++k) pairs += first + k < group.maps && own[k] != other ? 1 : 0;
      }
    }
    if (pairs > 0) atomicAdd(differing + p / group.pixels, static_cast<unsigned long long>(pairs));
  }
}

__global__ void EvidenceKernel(Group group, const unsigned long long* differing, double* evidence) {
  for (int64_t image = GridIndex(); image < group.images; image += GridStride()) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < group.maps; ++i) {
      const double r = group.reward[i * group.images + image];
      sum += r;
      squares += r * r;
    }
    const posterior::Evidence found =
        posterior::EvidenceOf(static_cast<double>(group.maps), sum, squares, static_cast<double>(differing[image]));
    evidence[2 * image] = found.slope;
    evidence[2 * image + 1] = found.offset;
  }
}

// For maps first … first + kOwn − 1 at a position: how many maps show the class of each, the sum of their scores, and whether an earlier map
// shows it too.
struct Sums {
  int own[kOwn];
  double count[kOwn], sum[kOwn];
  bool repeated[kOwn];

  __device__ Sums(const Group& group, int64_t first, int64_t p) {
    for (int k = 0; k < kOwn; ++k) {
      own[k] = group.At(min(first + k, group.maps - 1), p);
      count[k] = sum[k] = 0;
      repeated[k] = false;
    }
    const float* const reward = group.reward + p / group.pixels;
    for (int64_t j = 0; j < group.maps; ++j) {
      const int other = group.At(j, p);
      const double other_reward = static_cast<double>(reward[j * group.images]);
      for (int k = 0; k < kOwn; ++k) {
        const bool same = own[k] == other;
        count[k] += same ? 1.0 : 0.0;
        sum[k] += same ? other_reward : 0.0;
        repeated[k] |= same && j < first + k;
      }
    }
  }
};

// One thread a position, all pairs of maps twice: once for the normaliser, once for the result.
__global__ void __launch_bounds__(kBlock)
    CreditKernel(Group group, const float* log_probability, const double* evidence, float* advantages) {
  for (int64_t p = GridIndex(); p < group.positions; p += GridStride()) {
    const int64_t image = p / group.pixels;
    const posterior::Evidence found = {evidence[2 * image], evidence[2 * image + 1]};
    const auto maps = static_cast<double>(group.maps);
    const int shown = group.At(0, p);
    bool differ = false;
    double total = 0;
    for (int64_t i = 0; i < group.maps; ++i) {
      differ |= group.At(i, p) != shown;
      total += static_cast<double>(group.reward[i * group.images + image]);
    }
    if (!differ || found.offset == 0 || !group.Counts(p)) {
      for (int64_t i = 0; i < group.maps; ++i) advantages[i * group.positions + p] = 0.0f;
      continue;
    }
    double remainder = 1, normalizer = 0;
    for (int64_t first = 0; first < group.maps; first += kOwn) {
      const Sums sums(group, first, p);
      for (int k = 0; k < kOwn && first + k < group.maps; ++k) {
        if (sums.repeated[k]) continue;
        const double probability = math::Exp(static_cast<double>(log_probability[(first + k) * group.positions + p]));
        remainder -= probability;
        normalizer +=
            probability * math::Exp(posterior::LogLikelihoodRatio(found, maps, sums.count[k], sums.sum[k], total));
      }
    }
    if (remainder > 0) normalizer += remainder;
    for (int64_t first = 0; first < group.maps; first += kOwn) {
      const Sums sums(group, first, p);
      for (int k = 0; k < kOwn && first + k < group.maps; ++k) {
        const int64_t entry = (first + k) * group.positions + p;
        const double factor = math::Exp(posterior::LogLikelihoodRatio(found, maps, sums.count[k], sums.sum[k], total));
        const double probability = math::Exp(static_cast<double>(log_probability[entry]));
        advantages[entry] = static_cast<float>(maps / sums.count[k] * probability * (factor / normalizer - 1));
      }
    }
  }
}

}  // namespace

void ImageEvidence(Stream& stream, const Array& rewards, const Array& actions, const Array& valid, Array& evidence) {
  if (evidence.size() == 0) return;
  if (actions.size() == 0) return stream.FillZero(evidence.raw(), evidence.bytes());
  const Group group = GroupOf(rewards, actions, valid);
  Array differing = Array::Zeros({group.images}, kInt64);
  auto* const pairs = reinterpret_cast<unsigned long long*>(differing.data<int64_t>());
  Launch("ImageEvidence", stream, Blocks(group.positions), kBlock, DifferingPairsKernel, group, pairs);
  Launch("ImageEvidence", stream, Blocks(group.images), kBlock, EvidenceKernel, group, pairs, evidence.data<double>());
}

void PosteriorCredit(Stream& stream, const Array& rewards, const Array& actions, const Array& log_probability,
                     const Array& valid, const Array& evidence, Array& advantages) {
  if (actions.size() == 0) return;
  const Group group = GroupOf(rewards, actions, valid);
  Launch("PosteriorCredit", stream, Blocks(group.positions), kBlock, CreditKernel, group, log_probability.data<float>(),
         evidence.data<double>(), advantages.data<float>());
}

}  // namespace autograd::cuda
