#include "autograd/core/launch_cuda.h"
#include "rl/estimators/posterior_credit_kernels.h"

namespace rl::cuda {

using autograd::Array;
using autograd::kFloat64;
using autograd::Stream;
using autograd::cuda::Blocks;
using autograd::cuda::GridIndex;
using autograd::cuda::GridStride;
using autograd::cuda::kBlock;
using autograd::cuda::Launch;
namespace math = autograd::math;

namespace {

constexpr int64_t kChunk = 512;  // positions whose sums one block makes
constexpr int kSharedMaps = 64;  // K⁻¹ of so many maps is read from shared memory

struct Maps {
  const uint8_t* action;
  const double* probability;  // of the actions
  const uint8_t* valid;
  int64_t count, images, positions, pixels;

  __device__ int Shown(int64_t map, int64_t position) const { return action[map * positions + position]; }
  __device__ double Probability(int64_t map, int64_t position) const { return probability[map * positions + position]; }
  __device__ bool Differ(int64_t position) const {
    if (valid != nullptr && valid[position] == 0) return false;
    const int first = Shown(0, position);
    bool differ = false;
    for (int64_t i = 1; i < count; ++i) differ |= Shown(i, position) != first;
    return differ;
  }
};

__global__ void ProbabilityKernel(const float* log_probability, int64_t size, double* probability) {
  for (int64_t i = GridIndex(); i < size; i += GridStride())
    probability[i] = math::Exp(static_cast<double>(log_probability[i]));
}

// Once for each map and position: pairs of maps ask for them again and again, and double precision is slow on most
// cards.
Array Probabilities(const char* operation, Stream& stream, const Array& log_probability) {
  Array probability = Array::Empty(log_probability.shape(), kFloat64);
  Launch(operation, stream, Blocks(log_probability.size()), kBlock, ProbabilityKernel, log_probability.data<float>(),
         log_probability.size(), probability.data<double>());
  return probability;
}

Maps MapsOf(const Array& actions, const Array& probability, const Array& valid) {
  const int64_t count = actions.shape()[0], images = actions.shape()[1], positions = actions.size() / count;
  return {actions.data<uint8_t>(),
          probability.data<double>(),
          valid.defined() ? valid.data<uint8_t>() : nullptr,
          count,
          images,
          positions,
          positions / images};
}

// Block (chunk, image): partial[image, chunk, n, n + 1] are its sums of the covariance, and of the expected scores in
// the last column. A thread owns entries, so that the order of the additions is that of the positions.
__global__ void __launch_bounds__(kBlock) ChunkCovarianceKernel(Maps maps, double* partial) {
  const int64_t n = maps.count, image = blockIdx.y;
  const int64_t first = image * maps.pixels + static_cast<int64_t>(blockIdx.x) * kChunk;
  const int64_t last = min(first + kChunk, (image + 1) * maps.pixels);
  double* const own = partial + (image * gridDim.x + blockIdx.x) * n * (n + 1);
  SHARED_MEMORY(differ, bool[kChunk]);
  for (int64_t p = first + threadIdx.x; p < last; p += kBlock) differ[p - first] = maps.Differ(p);
  __syncthreads();
  for (int64_t entry = threadIdx.x; entry < n * (n + 1); entry += kBlock) {
    const int64_t i = entry / (n + 1), j = entry % (n + 1);
    double sum = 0;
    if (j <= i || j == n) {
      for (int64_t p = first; p < last; ++p) {
        if (!differ[p - first]) continue;
        const double probability = maps.Probability(i, p);
        sum += j == n ? probability
                      : probability * ((maps.Shown(i, p) == maps.Shown(j, p) ? 1.0 : 0.0) - maps.Probability(j, p));
      }
    }
    own[entry] = sum;
  }
}

__global__ void AddChunksKernel(const double* partial, int64_t chunks, int64_t n, int64_t images, double* covariance,
                                double* expected) {
  const int64_t entries = n * (n + 1);
  for (int64_t index = GridIndex(); index < images * entries; index += GridStride()) {
    const int64_t image = index / entries, entry = index % entries, i = entry / (n + 1), j = entry % (n + 1);
    double sum = 0;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) sum += partial[(image * chunks + chunk) * entries + entry];
    if (j == n) {
      expected[image * n + i] = sum;
    } else if (j <= i) {
      covariance[(image * n + i) * n + j] = sum;
    }
  }
}

// One block an image: the statistics by one thread, then Gauss-Jordan without pivoting, as on the CPU, in global
// memory.
__global__ void __launch_bounds__(kBlock)
    InvertKernel(const float* reward, int64_t n, int64_t images, double* covariance, double* residuals,
                 double* expected, double* delta) {
  const int64_t image = blockIdx.x;
  double* const k = covariance + image * n * n;
  double* const mean = expected + image * n;
  double* const residual = residuals + image * n;
  SHARED_MEMORY(found, posterior::Summary);
  if (threadIdx.x == 0) {
    found = posterior::Summarize(reward + image, images, n, k, mean);
    delta[image] = found.delta;
  }
  __syncthreads();
  const double step = found.delta, variance = found.variance;
  if (step == 0) return;
  for (int64_t entry = threadIdx.x; entry < n * n; entry += kBlock) {
    const int64_t i = entry / n, j = entry % n;
    if (j > i) continue;
    double value = step * step * k[entry] + posterior::kFlat * variance;
    if (i == j) value += posterior::kNoise * variance;
    k[i * n + j] = value;
    k[j * n + i] = value;
  }
  for (int64_t i = threadIdx.x; i < n; i += kBlock) {
    residual[i] =
        static_cast<double>(reward[i * images + image]) - found.mean_score - step * (mean[i] - found.mean_expected);
  }
  for (int64_t p = 0; p < n; ++p) {
    __syncthreads();
    const double inverse = 1 / k[p * n + p];
    __syncthreads();
    for (int64_t j = threadIdx.x; j < n; j += kBlock) k[p * n + j] = j == p ? inverse : k[p * n + j] * inverse;
    __syncthreads();
    // Column p is read by all and overwritten after them.
    for (int64_t entry = threadIdx.x; entry < n * n; entry += kBlock) {
      const int64_t i = entry / n, j = entry % n;
      if (i != p && j != p) k[entry] -= k[i * n + p] * k[p * n + j];
    }
    __syncthreads();
    for (int64_t i = threadIdx.x; i < n; i += kBlock) {
      if (i != p) k[i * n + p] *= -inverse;
    }
  }
  __syncthreads();
  for (int64_t i = threadIdx.x; i < n; i += kBlock) {
    double weighted = 0;
    for (int64_t j = 0; j < n; ++j) weighted += k[i * n + j] * residual[j];
    mean[i] = weighted;
  }
}

// One thread a position of the block's image: all pairs of maps once, and once more within each class that is shown.
__global__ void __launch_bounds__(kBlock)
    CreditKernel(Maps maps, const double* inverse, const double* weighted, const double* delta, float* advantages) {
  const int64_t n = maps.count, image = blockIdx.y;
  SHARED_MEMORY(shared, double[kSharedMaps * kSharedMaps]);
  const double* k = inverse + image * n * n;
  if (n <= kSharedMaps) {
    for (int64_t entry = threadIdx.x; entry < n * n; entry += kBlock) shared[entry] = k[entry];
    __syncthreads();
    k = &shared[0];
  }
  const double* const w = weighted + image * n;
  const double step = delta[image];
  for (int64_t pixel = GridIndex(); pixel < maps.pixels; pixel += GridStride()) {
    const int64_t p = image * maps.pixels + pixel;
    if (step == 0 || !maps.Differ(p)) {
      for (int64_t i = 0; i < n; ++i) advantages[i * maps.positions + p] = 0.0f;
      continue;
    }
    double expected = 0, own_square = 0;
    for (int64_t i = 0; i < n; ++i) {
      double product = 0;
      for (int64_t j = 0; j < n; ++j) product += maps.Probability(j, p) * k[j * n + i];
      const double probability = maps.Probability(i, p);
      expected += probability * w[i];
      own_square += probability * product;
    }
    // The factor of a class waits, with its probability, at the first map that shows it.
    double remainder = 1, normalizer = 0;
    for (int64_t i = 0; i < n; ++i) {
      const int a = maps.Shown(i, p);
      bool repeated = false;
      for (int64_t j = 0; j < i; ++j) repeated |= maps.Shown(j, p) == a;
      if (repeated) continue;
      double agree = 0, cross = 0, square = 0;
      for (int64_t l = i; l < n; ++l) {
        if (maps.Shown(l, p) != a) continue;
        agree += w[l];
        double product = 0, within = 0;
        for (int64_t j = 0; j < n; ++j) {
          product += maps.Probability(j, p) * k[j * n + l];
          within += maps.Shown(j, p) == a ? k[j * n + l] : 0.0;
        }
        cross += product;
        square += within;
      }
      const double factor =
          posterior::Factor(step * (agree - expected) - 0.5 * step * step * (square - 2 * cross + own_square));
      const double probability = maps.Probability(i, p);
      remainder -= probability;
      normalizer += probability * factor;
      advantages[i * maps.positions + p] = static_cast<float>(factor);
    }
    if (remainder > 0) normalizer += remainder * posterior::Factor(-step * expected - 0.5 * step * step * own_square);
    for (int64_t i = 0; i < n; ++i) {
      const int a = maps.Shown(i, p);
      int64_t first = i, shown = 0;
      for (int64_t j = n - 1; j >= 0; --j) {
        if (maps.Shown(j, p) != a) continue;
        ++shown;
        first = j;
      }
      float& credit = advantages[i * maps.positions + p];
      if (first < i) {
        credit = advantages[first * maps.positions + p];
      } else {
        credit = static_cast<float>(static_cast<double>(n) / static_cast<double>(shown) * maps.Probability(i, p) *
                                    (static_cast<double>(credit) / normalizer - 1));
      }
    }
  }
}

}  // namespace

void ScoreCovariance(Stream& stream, const Array& actions, const Array& log_probability, const Array& valid,
                     Array& covariance, Array& expected) {
  if (covariance.size() == 0) return;
  if (actions.size() == 0) {
    stream.FillZero(covariance.raw(), covariance.bytes());
    return stream.FillZero(expected.raw(), expected.bytes());
  }
  const Array probability = Probabilities("ScoreCovariance", stream, log_probability);
  const Maps maps = MapsOf(actions, probability, valid);
  const int64_t chunks = (maps.pixels + kChunk - 1) / kChunk, n = maps.count;
  Array partial = Array::Empty({maps.images, chunks, n, n + 1}, kFloat64);
  Launch("ScoreCovariance", stream, dim3(static_cast<unsigned>(chunks), static_cast<unsigned>(maps.images)), kBlock,
         ChunkCovarianceKernel, maps, partial.data<double>());
  Launch("ScoreCovariance", stream, Blocks(maps.images * n * (n + 1)), kBlock, AddChunksKernel, partial.data<double>(),
         chunks, n, maps.images, covariance.data<double>(), expected.data<double>());
}

void InvertScoreCovariance(Stream& stream, const Array& rewards, Array& covariance, Array& expected, Array& delta) {
  if (covariance.size() == 0) return;
  const int64_t n = rewards.shape()[0], images = rewards.shape()[1];
  Array residuals = Array::Empty({images, n}, kFloat64);
  Launch("InvertScoreCovariance", stream, static_cast<unsigned>(images), kBlock, InvertKernel, rewards.data<float>(), n,
         images, covariance.data<double>(), residuals.data<double>(), expected.data<double>(), delta.data<double>());
}

void PosteriorCredit(Stream& stream, const Array& actions, const Array& log_probability, const Array& valid,
                     const Array& inverse, const Array& weighted, const Array& delta, Array& advantages) {
  if (actions.size() == 0) return;
  const Array probability = Probabilities("PosteriorCredit", stream, log_probability);
  const Maps maps = MapsOf(actions, probability, valid);
  Launch("PosteriorCredit", stream, dim3(Blocks(maps.pixels), static_cast<unsigned>(maps.images)), kBlock, CreditKernel,
         maps, inverse.data<double>(), weighted.data<double>(), delta.data<double>(), advantages.data<float>());
}

}  // namespace rl::cuda
