#pragma once

// NCCL, opened at run time: one binary starts on machines with and without it. The table is typed by the library's
// header.

#include <nccl.h>

#include <string>

namespace autograd {

struct Nccl {
  decltype(&::ncclGetUniqueId) GetUniqueId = nullptr;
  decltype(&::ncclCommInitRank) CommInitRank = nullptr;
  decltype(&::ncclCommSplit) CommSplit = nullptr;
  decltype(&::ncclCommDestroy) CommDestroy = nullptr;
  decltype(&::ncclCommAbort) CommAbort = nullptr;
  decltype(&::ncclCommGetAsyncError) CommGetAsyncError = nullptr;
  decltype(&::ncclAllReduce) AllReduce = nullptr;
  decltype(&::ncclBroadcast) Broadcast = nullptr;
  decltype(&::ncclGetErrorString) GetErrorString = nullptr;

  // Empty when every function was found.
  std::string missing;

  // Opened once for the process.
  static const Nccl& Library();
};

}  // namespace autograd
