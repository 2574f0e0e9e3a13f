#include "autograd/device/device.h"

#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "autograd/core/tape.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/layer_norm.h"
#include "autograd/ops/matmul.h"
#include "autograd/ops/reduce.h"
#include "autograd/testing/cuda_device.h"
#include "autograd/testing/op_contract.h"

namespace autograd {
namespace {

using testing::AllClose;
using testing::RandomArray;

TEST(DeviceTest, NamesAreChecked) {
  EXPECT_TRUE(OpenStream("cpu").ok());
  for (const char* name : {"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0"}) {
    EXPECT_EQ(OpenStream(name).status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
}

TEST(DeviceTest, AMissingDeviceSaysWhy) {
  if (WhyNoCuda().empty()) GTEST_SKIP() << "there is a CUDA device";
  const absl::StatusOr<std::unique_ptr<Stream>> stream = OpenStream("cuda");
  EXPECT_EQ(stream.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(std::string(stream.status().message()).find(WhyNoCuda()), std::string::npos);
}

using Function = std::function<Variable(const std::vector<Variable>&)>;

// Value and gradients of `function` on the CPU and on CUDA.
void Compare(const char* name, const Function& function, const std::vector<Shape>& shapes, DType dtype,
             double tolerance) {
  SCOPED_TRACE(name);
  std::vector<Array> inputs;
  for (size_t i = 0; i < shapes.size(); ++i) inputs.push_back(RandomArray(shapes[i], dtype, RandomKey(i), 0.2, 1.4));
  auto run = [&](Stream& stream) {
    StreamScope scope(stream);
    Tape tape;
    std::vector<Variable> variables;
    for (const Array& input : inputs) variables.push_back(tape.Watch(input.To(stream)));
    const Variable y = function(variables);
    tape.Backward(y, Array::Full(y.shape(), y.dtype(), 0.5));
    std::vector<Array> results = {y.array().To(Stream::Cpu())};
    for (const Variable& variable : variables) results.push_back(tape.Gradient(variable).To(Stream::Cpu()));
    return results;
  };
  absl::StatusOr<std::unique_ptr<Stream>> stream = OpenStream("cuda");
  ASSERT_TRUE(stream.ok()) << stream.status().message();
  const std::vector<Array> expected = run(Stream::Cpu()), measured = run(**stream);
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_TRUE(AllClose(measured[i], expected[i], tolerance)) << "result " << i;
}

TEST(CudaTest, MatchesTheCpu) {
  std::unique_ptr<Stream> stream;
  testing::OpenCudaOrSkip("cuda", stream);
  if (stream == nullptr) return;
  const Function gelu = [](const std::vector<Variable>& x) { return Gelu(x[0]) * x[1] + x[0]; };
  const Function norm = [](const std::vector<Variable>& x) { return LayerNorm(x[0], x[1], x[2], 1e-6); };
  const Function product = [](const std::vector<Variable>& x) { return MatMul(x[0], x[1]); };
  const Function mean = [](const std::vector<Variable>& x) { return Mean(x[0], {0, 1}); };
  for (const auto& [dtype, tolerance] :
       {std::pair<DType, double>{kFloat32, 1e-5}, {kFloat64, 1e-12}, {kBFloat16, 2e-2}}) {
    SCOPED_TRACE(Name(dtype));
    Compare("elementwise", gelu, {{3, 5, 77}, {77}}, dtype, tolerance);
    Compare("layer norm", norm, {{131, 80}, {80}, {80}}, dtype, tolerance);
    Compare("layer norm, odd", norm, {{7, 77}, {77}, {77}}, dtype, tolerance);
    Compare("product", product, {{2, 33, 65}, {65, 17}}, dtype, tolerance);
    Compare("mean", mean, {{9, 31, 24}}, dtype, tolerance);
  }
}

}  // namespace
}  // namespace autograd
