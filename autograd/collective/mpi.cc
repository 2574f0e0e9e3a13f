#include "autograd/collective/mpi.h"

#include <mpi.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace autograd {
namespace {

using internal::CollectiveCall;

void RequireSuccess(int status, const char* function) {
  if (status == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(status, text, &length);
  Fail(function, text);
}

class MpiRank final : public Collective {
 public:
  MpiRank() {
    int initialized = 0;
    MPI_Initialized(&initialized);
    if (!initialized) {
      int provided = 0;
      RequireSuccess(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided), "MPI_Init_thread");
      owns_mpi_ = true;
    }
    // A communicator of our own: its errors come back to us instead of ending the program, and nobody else's messages
    // mix in.
    RequireSuccess(MPI_Comm_dup(MPI_COMM_WORLD, &world_), "MPI_Comm_dup");
    MPI_Comm_set_errhandler(world_, MPI_ERRORS_RETURN);
    MPI_Comm_rank(world_, &rank_);
    MPI_Comm_size(world_, &world_size_);
  }

  ~MpiRank() override {
    MPI_Comm_free(&world_);
    if (owns_mpi_) MPI_Finalize();
  }

  int rank() const override { return rank_; }
  int world_size() const override { return world_size_; }

  void AllReduceSum(std::span<double> values) override {
    Sum(kFloat64, values.data(), static_cast<int64_t>(values.size()));
  }

  void AllReduceSum(Array& values) override {
    internal::RequireSummable(values);
    internal::OnHost(values, [&](Array& host) { Sum(host.dtype(), host.raw(), host.size()); });
  }

  void Broadcast(Array& values, int root) override {
    internal::RequireBroadcast(values, root, world_size_);
    RequireSameCall({CollectiveCall::Kind::kBroadcast, values.dtype(), values.size(), root});
    Count(values.bytes());
    internal::OnHost(values, [&](Array& host) {
      char* bytes = static_cast<char*>(host.raw());
      for (int64_t done = 0; done < host.bytes(); done += kPieceBytes) {
        const int count = static_cast<int>(std::min(kPieceBytes, host.bytes() - done));
        RequireSuccess(MPI_Bcast(bytes + done, count, MPI_BYTE, root, world_), "MPI_Bcast");
      }
    });
  }

  void Barrier() override {
    RequireSameCall({CollectiveCall::Kind::kBarrier});
    RequireSuccess(MPI_Barrier(world_), "MPI_Barrier");
  }

  void Abort(int exit_code) override {
    MPI_Abort(world_, exit_code);
    std::_Exit(exit_code);
  }

 private:
  // MPI counts are 32-bit; large arrays go in pieces (a multiple of every element size).
  static constexpr int64_t kPieceBytes = 1 << 28;

  void RequireSameCall(const CollectiveCall& call) const {
    const int64_t own[4] = {static_cast<int64_t>(call.kind), static_cast<int64_t>(call.dtype), call.size, call.root};
    int64_t bounds[8];
    for (int i = 0; i < 4; ++i) {
      bounds[i] = own[i];
      bounds[4 + i] = -own[i];
    }
    RequireSuccess(MPI_Allreduce(MPI_IN_PLACE, bounds, 8, MPI_INT64_T, MPI_MAX, world_), "MPI_Allreduce");
    for (int i = 0; i < 4; ++i) {
      Require(bounds[i] == -bounds[4 + i], "Collective", "ranks make different calls; rank ", rank_, " calls ", call);
    }
  }

  void Sum(DType dtype, void* values, int64_t size) {
    RequireSameCall({CollectiveCall::Kind::kSum, dtype, size, 0});
    Count(size * SizeOf(dtype));
    const int64_t element = SizeOf(dtype), piece = kPieceBytes / element;
    for (int64_t done = 0; done < size; done += piece) {
      SumPiece(dtype, static_cast<char*>(values) + done * element, std::min(piece, size - done));
    }
  }

  // Every rank receives its share of the elements from all, sums it in the order of ranks, and sends the sums to all:
  // the traffic of a ring all-reduce, and an order of summation that MPI_Allreduce does not promise.
  void SumPiece(DType dtype, char* values, int64_t size) {
    const int64_t share = (size + world_size_ - 1) / world_size_, bytes = share * SizeOf(dtype);
    outgoing_.assign(bytes * world_size_, 0);
    incoming_.resize(bytes * world_size_);
    std::memcpy(outgoing_.data(), values, size * SizeOf(dtype));
    const int count = static_cast<int>(bytes);
    RequireSuccess(MPI_Alltoall(outgoing_.data(), count, MPI_BYTE, incoming_.data(), count, MPI_BYTE, world_),
                   "MPI_Alltoall");
    std::vector<const void*> parts;
    for (int rank = 0; rank < world_size_; ++rank) parts.push_back(incoming_.data() + rank * bytes);
    internal::SumInOrder(dtype, parts, 0, share, outgoing_.data());
    RequireSuccess(MPI_Allgather(outgoing_.data(), count, MPI_BYTE, incoming_.data(), count, MPI_BYTE, world_),
                   "MPI_Allgather");
    std::memcpy(values, incoming_.data(), size * SizeOf(dtype));
  }

  MPI_Comm world_ = MPI_COMM_NULL;
  bool owns_mpi_ = false;
  int rank_ = 0, world_size_ = 1;
  std::vector<char> outgoing_, incoming_;
};

}  // namespace

std::unique_ptr<Collective> MpiWorld() { return std::make_unique<MpiRank>(); }

}  // namespace autograd
