#pragma once

// Two modules of one structure, "twins": the same Fields in the same order with the same names, shapes, dtypes and
// devices, each with storage of its own. A worker of asynchronous training computes gradients on a twin of the network
// that the optimizer moves (V. Mnih et al., "Asynchronous methods for deep reinforcement learning", 2016, algorithm
// S3):
//
//   nn::CopyState(network, twin);                           // θ′ ← θ, under the lock of the network
//   {
//     Tape tape;
//     tape.Backward(Loss(twin, batch));
//   }
//   nn::MoveGradients(twin, network);                       // dθ ← ∇θ′, under the lock of the network
//   optimizer.Step(rate);                                   // likewise
//
// Modules that are no twins are an Error that names the first field that differs.

#include "nn/module.h"

namespace nn {

// Overwrites the parameters' values and the buffers of `to` with those of `from`, in place: nothing is allocated, and
// copies that are made from the values (bfloat16) are made anew at their next use. Gradients stay as they are.
void CopyState(const ModuleReference& from, const ModuleReference& to);

// Gives the gradients of `from` to the parameters of `to`, whose own gradients are forgotten, and leaves zeros in
// `from`. A parameter that no backward pass has reached in `from` gets zeros in `to`, or stays without a gradient where
// it has none. On the CPU the array itself changes hands. On a device the elements are copied, as a recorded
// step (CapturedStep) writes to the addresses of its recording.
void MoveGradients(const ModuleReference& from, const ModuleReference& to);

}  // namespace nn
