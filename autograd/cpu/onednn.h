#pragma once

// oneDNN under the engine's own threads. Every thread that calls it asks OpenMP for one thread first, so a primitive
// runs where it is called, without a team of libgomp whose idle workers spin; kernels spread their work with
// ParallelPieces.
//
// Primitives are kept by a key of numbers (operation, types, shapes, flags) and shared by all threads: their scratch
// memory is passed by the caller, so one primitive may run on several threads at once.

#include <cstdint>
#include <functional>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <vector>

#include "autograd/core/array.h"
#include "autograd/runtime/dtype.h"

namespace autograd::cpu {

// Cheap after the first call of a thread. Needed before dnnl_sgemm; the functions below call it.
void UseOneOpenMpThread();

// Throws Error naming `operation` unless status is success.
void CheckOneDnn(const char* operation, dnnl_status_t status);

const dnnl::engine& OneDnnEngine();

struct OneDnnPrimitive {
  dnnl::primitive primitive;
  dnnl::memory::desc weights;     // the format oneDNN chose for a convolution's filter (or its gradient)
  dnnl::memory::desc scratchpad;  // user-mode
  std::string implementation;     // impl_info_str
};

// The first number of a key.
enum class OneDnnOperation : int64_t { kConv2dForward, kConv2dInputGradient, kReorder, kMatMul, kKeptMatMul };

// The primitive for `key`, made by `make` when it is not there (the least recently used of 1024 is dropped).
std::shared_ptr<const OneDnnPrimitive> FindOrMakePrimitive(const std::vector<int64_t>& key,
                                                           const std::function<OneDnnPrimitive()>& make);

// Attributes every primitive of the cache must be made with.
dnnl::primitive_attr UserScratchpad();

// Runs on the calling thread and returns when done. Arguments map DNNL_ARG_… to memory; the scratchpad is added.
struct OneDnnArgument {
  int index;
  dnnl::memory::desc description;
  const void* data;
};
void Execute(const OneDnnPrimitive& primitive, std::initializer_list<OneDnnArgument> arguments);

// The numbers in which the formats of arrays of one shape and type differ.
void AppendFormat(const dnnl::memory::desc& format, std::vector<int64_t>& key);

// A copy of `data` in another format, for as long as the Array lives. `key` tells `from` apart, format and all.
Array Reordered(const dnnl::memory::desc& from, const void* data, const dnnl::memory::desc& to,
                std::vector<int64_t> key);

// What oneDNN calls T: float or BFloat16.
template <typename T>
constexpr dnnl::memory::data_type OneDnnType() {
  return DTypeOf<T>::value == kFloat32 ? dnnl::memory::data_type::f32 : dnnl::memory::data_type::bf16;
}

// True when oneDNN may use AVX-512 here.
bool OneDnnHasAvx512();

// True when oneDNN may multiply bfloat16 by instructions made for it (AVX512-BF16 or AMX), which are about twice as
// fast as those for float32. Elsewhere bfloat16 operands are copied to float32 first: they save memory, not time.
bool OneDnnHasBFloat16();

// True for oneDNN's plain loops, which no product of a network should meet.
bool IsReferenceImplementation(const std::string& implementation);

}  // namespace autograd::cpu
