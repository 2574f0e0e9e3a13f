#include "autograd/ops/convolution_plans.h"

#include <atomic>

namespace autograd {
namespace {
std::atomic<ConvolutionPlans> current = ConvolutionPlans::kHeuristic;
}  // namespace

void SetConvolutionPlans(ConvolutionPlans plans) { current = plans; }
ConvolutionPlans GetConvolutionPlans() { return current; }

}  // namespace autograd
