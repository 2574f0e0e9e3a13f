// What gemm.cc tells cuBLASLt, by one that computes from it (fake_cublaslt.h): no device is needed.

#include "autograd/cuda/gemm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "autograd/cuda/fake_cublaslt.h"
#include "autograd/testing/op_contract.h"
#include "autograd/testing/tolerance.h"

namespace autograd::cuda {
namespace {

using autograd::testing::AllClose;
using autograd::testing::ExpectError;
using autograd::testing::RandomArray;
using autograd::testing::UnitRoundoff;

std::vector<double> Doubles(const Array& array) {
  return VisitFloating("Doubles", array.dtype(), [&]<typename T>(T) {
    std::vector<double> values;
    for (const T value : array.ToVector<T>()) values.push_back(static_cast<double>(value));
    return values;
  });
}

// op(a[image])[row, column] of a matrix that is stored [columns, rows] where it is transposed.
double At(const std::vector<double>& values, bool transposed, int64_t image, int64_t rows, int64_t columns, int64_t row,
          int64_t column) {
  const int64_t place = transposed ? column * rows + row : row * columns + column;
  return values[image * rows * columns + place];
}

// gemm.h's formula.
struct Expected {
  Array y, vector;
};
Expected Formula(const GemmShape& shape, const Array& a, const Array& b, GemmEpilogue epilogue, const Array& vector) {
  const std::vector<double> left = Doubles(a), right = Doubles(b);
  const std::vector<double> bias = vector.defined() ? Doubles(vector) : std::vector<double>(shape.n);
  std::vector<double> y, sums(shape.m);
  for (int64_t image = 0; image < shape.batch; ++image) {
    for (int64_t row = 0; row < shape.m; ++row) {
      for (int64_t column = 0; column < shape.n; ++column) {
        double sum = 0;
        for (int64_t i = 0; i < shape.k; ++i) {
          sum += At(left, shape.transpose_a, image, shape.m, shape.k, row, i) *
                 At(right, shape.transpose_b, shape.b_shared ? 0 : image, shape.k, shape.n, i, column);
        }
        if (epilogue == GemmEpilogue::kBias || epilogue == GemmEpilogue::kBiasRelu) sum += bias[column];
        y.push_back(epilogue == GemmEpilogue::kBiasRelu ? std::max(sum, 0.0) : sum);
      }
      for (int64_t i = 0; i < shape.k; ++i) sums[row] += At(left, shape.transpose_a, image, shape.m, shape.k, row, i);
    }
  }
  return {Array::From<double>({shape.batch, shape.m, shape.n}, y), Array::From<double>({shape.m}, sums)};
}

constexpr DType kDTypes[] = {kFloat64, kFloat32, kBFloat16};

TEST(GemmTest, TheDescriptorsSayTheFormula) {
  for (const DType dtype : kDTypes) {
    for (int variant = 0; variant < 16; ++variant) {
      const bool batched = (variant & 4) != 0, shared = (variant & 8) != 0;
      const GemmShape shape{batched ? 3 : 1, 5, 7, 11, (variant & 1) != 0, (variant & 2) != 0, shared};
      const Array a = RandomArray({shape.batch, shape.m * shape.k}, dtype, RandomKey(variant));
      const Array b = RandomArray({shared ? 1 : shape.batch, shape.k * shape.n}, dtype, RandomKey(variant).Split(1));
      Array y = Array::Empty({shape.batch, shape.m, shape.n}, dtype);
      ASSERT_TRUE(Gemm("Test", Stream::Cpu(), shape, a, b, GemmEpilogue::kNone, Array(), y));
      EXPECT_TRUE(AllClose(y, Formula(shape, a, b, GemmEpilogue::kNone, Array()).y, UnitRoundoff(dtype)))
          << dtype << ", variant " << variant;
    }
  }
  EXPECT_EQ(fake_cublaslt::LiveDescriptors(), 0);
}

TEST(GemmTest, TheEpiloguesToo) {
  for (const DType dtype : kDTypes) {
    for (const GemmEpilogue epilogue : {GemmEpilogue::kBias, GemmEpilogue::kBiasRelu, GemmEpilogue::kBiasGradient}) {
      const bool gradient = epilogue == GemmEpilogue::kBiasGradient;
      // As linear_cuda.cc: x · weightᵀ, and dyᵀ · x.
      const GemmShape shape{1, 6, 9, 13, gradient, !gradient, false};
      const Array a = RandomArray({shape.m * shape.k}, dtype, RandomKey(1)),
                  b = RandomArray({shape.k * shape.n}, dtype, RandomKey(2)),
                  vector = RandomArray({gradient ? shape.m : shape.n}, dtype, RandomKey(3));
      const Expected expected = Formula(shape, a, b, epilogue, gradient ? Array() : vector);
      Array y = Array::Empty({shape.batch, shape.m, shape.n}, dtype);
      ASSERT_TRUE(Gemm("Test", Stream::Cpu(), shape, a, b, epilogue, vector, y));
      EXPECT_TRUE(AllClose(y, expected.y, UnitRoundoff(dtype))) << dtype << ", epilogue " << static_cast<int>(epilogue);
      if (gradient) {
        EXPECT_TRUE(AllClose(vector, expected.vector, UnitRoundoff(dtype))) << dtype;
      }
    }
  }
}

// The halves of the sum are 257 and -256, of which bfloat16, with eight bits, has the second alone: where parts of a
// sum are rounded to the result's dtype, nothing is left of it.
TEST(GemmTest, PartsOfALongSumAreNotRounded) {
  const int64_t half = 257, k = 2 * half;
  ASSERT_GT(k, fake_cublaslt::kSplit);
  std::vector<float> row(k);
  std::fill_n(row.begin(), half, 1.0f);
  std::fill_n(row.begin() + half, half - 1, -1.0f);
  for (const DType dtype : kDTypes) {
    Array a = Array::Empty({1, k}, dtype), y = Array::Empty({1, 1}, dtype);
    VisitFloating("Test", dtype, [&]<typename T>(T) {
      for (int64_t i = 0; i < k; ++i) a.data<T>()[i] = static_cast<T>(row[i]);
    });
    ASSERT_TRUE(Gemm("Test", Stream::Cpu(), {1, 1, 1, k, false, false, false}, a, Array::Full({k, 1}, dtype, 1),
                     GemmEpilogue::kNone, Array(), y));
    EXPECT_EQ(Doubles(y)[0], 1) << dtype;
  }
}

// An algorithm that was chosen for a bias at a multiple of 64 bytes must not run on one that lies between two floats'.
TEST(GemmTest, AnAlgorithmIsChosenAnewForABiasAtAnotherAlignment) {
  const GemmShape shape{1, 2, 3, 4, false, true, false};
  const Array a = RandomArray({2, 4}, kFloat32, RandomKey(1)), b = RandomArray({3, 4}, kFloat32, RandomKey(2)),
              biases = RandomArray({7}, kFloat32, RandomKey(3));
  Array y = Array::Empty({1, 2, 3}, kFloat32);
  for (const int64_t begin : {0, 1, 0, 2, 4}) {
    const Array bias = biases.Slice(begin, begin + 3);
    ASSERT_TRUE(Gemm("Test", Stream::Cpu(), shape, a, b, GemmEpilogue::kBias, bias, y)) << "from " << begin;
    EXPECT_TRUE(AllClose(y, Formula(shape, a, b, GemmEpilogue::kBias, bias).y, UnitRoundoff(kFloat32)));
  }
}

TEST(GemmTest, TheHeuristicIsAskedOnceAProduct) {
  const GemmShape shape{1, 4, 5, 6, false, false, false};
  const Array a = RandomArray({4, 6}, kFloat32, RandomKey(1)), b = RandomArray({6, 5}, kFloat32, RandomKey(2));
  Array y = Array::Empty({1, 4, 5}, kFloat32);
  const int64_t before = fake_cublaslt::Heuristics();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Gemm("Test", Stream::Cpu(), shape, a, b, GemmEpilogue::kNone, Array(), y));
  EXPECT_EQ(fake_cublaslt::Heuristics() - before, 1);
}

// What the library says of a product is an answer, and stays; that memory was short is none.
TEST(GemmTest, OnlyAnAnswerIsRemembered) {
  const Array a = RandomArray({40}, kFloat32, RandomKey(1)), b = RandomArray({50}, kFloat32, RandomKey(2));
  Array y = Array::Empty({1, 4, 5}, kFloat32);
  const auto multiply = [&](int64_t k) {
    return Gemm("Test", Stream::Cpu(), {1, 4, 5, k, false, false, false}, a, b, GemmEpilogue::kNone, Array(), y);
  };
  int64_t k = 7;
  for (const cublasStatus_t answer : {CUBLAS_STATUS_NOT_SUPPORTED, CUBLAS_STATUS_INVALID_VALUE}) {
    fake_cublaslt::FailNextHeuristic(answer);
    EXPECT_FALSE(multiply(k));
    EXPECT_FALSE(multiply(k));
    ++k;
  }
  fake_cublaslt::FailNextHeuristic(CUBLAS_STATUS_ALLOC_FAILED);
  ExpectError([&] { multiply(k); }, "out of memory");
  EXPECT_TRUE(multiply(k));
  EXPECT_EQ(fake_cublaslt::LiveDescriptors(), 0);
}

}  // namespace
}  // namespace autograd::cuda
