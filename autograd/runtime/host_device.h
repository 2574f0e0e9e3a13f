#pragma once

// Marks a function that the CPU kernels and the CUDA kernels both compile: the formula is written once.
#ifdef __CUDACC__
#define HOST_DEVICE __host__ __device__
#else
#define HOST_DEVICE
#endif
