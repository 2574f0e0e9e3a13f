#pragma once

// A step that is the same every time, recorded once and replayed: on CUDA as one graph, so that the host starts a whole
// training step with one call where it would start a thousand kernels.
//
//   // What changes from step to step lies in arrays that stay.
//   Array images = Array::Zeros({n, h, w, 3}, kFloat32), labels = …;
//   CapturedStep step([&](const RandomKey& key) {
//     Tape tape;
//     loss = Loss(model(images, nn::Context::Training(key)), labels);
//     tape.Backward(loss);
//     optimizer.Update();
//     optimizer.ClearGradients();
//   });
//   for (int64_t i = 0; i < steps; ++i) {
//     images.CopyFrom(…);
//     optimizer.SetLearningRate(schedule(i));
//     step.Run(key, i);            // key.Split(i) in effect
//   }
//
// The work must queue the same kernels each time, wait for nothing and read nothing back; numbers of the host are
// frozen as they were at the recording (the key's last split is not: RandomKey::SplitLater), and what it does on the
// host is done once, unless by OnEachRun. What it leaves in variables, such as `loss` above, is valid after every Run,
// lies in memory of the recording, and must not outlive the stream. Parameters, gradients, running statistics and
// everything else that the work writes in place are written at each Run as usual.

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "autograd/core/array.h"
#include "autograd/runtime/random.h"

namespace autograd {

// What a step does on the host besides queueing kernels, such as counting batches: done now, or, where the calling
// thread records a CapturedStep, at each of its Runs, after the kernels have been queued.
void OnEachRun(std::function<void()> work);
// What a recorded step takes for granted: done at each of its Runs, before the kernels are queued. Needs a recording.
void BeforeEachRun(std::function<void()> work);
// The number of the recording that the calling thread makes, each its own; 0 where it makes none. What is queued in a
// recording does not run now and runs many times later, so nothing may be left out because it has been done before.
uint64_t CurrentRecording();

class CapturedStep {
 public:
  using Work = std::function<void(const RandomKey& key)>;

  // For the current stream. The first `eager_runs` Runs call `work` directly: what is made at first use (plans of
  // convolutions, gradient buffers, workspaces) is then there when the step is recorded, at the next one.
  explicit CapturedStep(Work work, int eager_runs = 1);
  ~CapturedStep();

  // Does the work with key.Split(index). All Runs must have the same key.
  void Run(const RandomKey& key, uint64_t index);
  bool recorded() const { return recording_ != nullptr; }

 private:
  Work work_;
  int eager_runs_;
  Stream& stream_;
  Array index_;  // uint64, held as int64 [1] on the device
  RandomKey key_;
  std::unique_ptr<Recording> recording_;
  bool records_ = false;  // the work, now
  std::vector<std::function<void()>> work_before_, work_after_;
};

}  // namespace autograd
