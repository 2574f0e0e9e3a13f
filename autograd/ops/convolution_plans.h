#pragma once

namespace autograd {

// How cuDNN's plan for a new geometry is chosen, for the whole process: the first that its heuristic names (default),
// or the fastest of its first few, timed when the geometry is first seen. Timing may choose differently in another run,
// whose results then differ by rounding.
enum class ConvolutionPlans { kHeuristic, kMeasured };
void SetConvolutionPlans(ConvolutionPlans plans);
ConvolutionPlans GetConvolutionPlans();

}  // namespace autograd
