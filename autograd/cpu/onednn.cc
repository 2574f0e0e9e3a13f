#include "autograd/cpu/onednn.h"

#include <oneapi/dnnl/dnnl_debug.h>

#include <list>
#include <map>
#include <mutex>
#include <unordered_map>

// From libgomp. <omp.h> is not included, as OpenMP is used nowhere else.
extern "C" void omp_set_num_threads(int);

#ifdef __SANITIZE_THREAD__
// The thread sanitizer asks the program for this by name. oneDNN's library is not instrumented: the atomics by which
// its threads agree, such as the guards of its static variables, are invisible, and what they guard looks like races.
// Only reports with a frame of that library are left out; it never calls back into this program.
extern "C" const char* __tsan_default_suppressions() { return "race:libdnnl.so\n"; }
#endif

namespace autograd::cpu {
namespace {

constexpr size_t kMostPrimitives = 1024;

class PrimitiveCache {
 public:
  using Entry = std::shared_ptr<const OneDnnPrimitive>;

  Entry FindOrMake(const std::vector<int64_t>& key, const std::function<OneDnnPrimitive()>& make) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (auto found = entries_.find(key); found != entries_.end()) {
        order_.splice(order_.begin(), order_, found->second.position);
        return found->second.entry;
      }
    }
    // Made outside the lock: it compiles code. Two threads may make the same one; the first to finish stays.
    Entry made = std::make_shared<const OneDnnPrimitive>(make());
    std::lock_guard<std::mutex> lock(mutex_);
    if (auto found = entries_.find(key); found != entries_.end()) return found->second.entry;
    order_.push_front(key);
    entries_[key] = {made, order_.begin()};
    if (entries_.size() > kMostPrimitives) {
      entries_.erase(order_.back());
      order_.pop_back();
    }
    return made;
  }

 private:
  using Order = std::list<std::vector<int64_t>>;
  struct Slot {
    Entry entry;
    Order::iterator position;
  };
  std::mutex mutex_;
  Order order_;  // most recently used first
  std::map<std::vector<int64_t>, Slot> entries_;
};

// Each instruction set is the bits of those that it contains, and its own.
bool MayUse(dnnl::cpu_isa wanted) {
  const auto bits = static_cast<unsigned>(wanted);
  return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & bits) == bits;
}

dnnl::stream& ThreadStream() {
  thread_local dnnl::stream stream(OneDnnEngine());
  return stream;
}

}  // namespace

void UseOneOpenMpThread() {
  thread_local const bool done = [] {
    omp_set_num_threads(1);
    return true;
  }();
  static_cast<void>(done);
}

void CheckOneDnn(const char* operation, dnnl_status_t status) {
  Require(status == dnnl_success, operation, "oneDNN says ", dnnl_status2str(status));
}

const dnnl::engine& OneDnnEngine() {
  static const auto* engine = new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return *engine;
}

dnnl::primitive_attr UserScratchpad() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

std::shared_ptr<const OneDnnPrimitive> FindOrMakePrimitive(const std::vector<int64_t>& key,
                                                           const std::function<OneDnnPrimitive()>& make) {
  static auto* cache = new PrimitiveCache();
  UseOneOpenMpThread();  // before making: a primitive is planned for the threads it sees
  try {
    return cache->FindOrMake(key, make);
  } catch (const dnnl::error& error) {
    Fail("oneDNN", "cannot make a primitive: ", error.what());
  }
}

void Execute(const OneDnnPrimitive& primitive, std::initializer_list<OneDnnArgument> arguments) {
  UseOneOpenMpThread();
  StreamScope on_the_cpu(Stream::Cpu());
  Array scratch;
  std::unordered_map<int, dnnl::memory> map;
  for (const OneDnnArgument& argument : arguments) {
    map.emplace(argument.index, dnnl::memory(argument.description, OneDnnEngine(), const_cast<void*>(argument.data)));
  }
  if (const auto bytes = static_cast<int64_t>(primitive.scratchpad.get_size()); bytes > 0) {
    scratch = Array::Empty({bytes}, kUInt8);
    map.emplace(DNNL_ARG_SCRATCHPAD, dnnl::memory(primitive.scratchpad, OneDnnEngine(), scratch.raw()));
  }
  try {
    primitive.primitive.execute(ThreadStream(), map);
    ThreadStream().wait();
  } catch (const dnnl::error& error) {
    Fail("oneDNN", primitive.implementation, ": ", error.what());
  }
}

void AppendFormat(const dnnl::memory::desc& format, std::vector<int64_t>& key) {
  const dnnl_memory_desc_t& data = format.data;
  const dnnl_blocking_desc_t& blocks = data.format_desc.blocking;
  key.insert(key.end(), data.padded_dims, data.padded_dims + data.ndims);
  key.insert(key.end(), blocks.strides, blocks.strides + data.ndims);
  key.insert(key.end(), blocks.inner_blks, blocks.inner_blks + blocks.inner_nblks);
  key.insert(key.end(), blocks.inner_idxs, blocks.inner_idxs + blocks.inner_nblks);
}

Array Reordered(const dnnl::memory::desc& from, const void* data, const dnnl::memory::desc& to,
                std::vector<int64_t> key) {
  StreamScope on_the_cpu(Stream::Cpu());
  Array copy = Array::Empty({static_cast<int64_t>(to.get_size())}, kUInt8);
  key.insert(key.begin(), static_cast<int64_t>(OneDnnOperation::kReorder));
  AppendFormat(to, key);
  const auto reorder = FindOrMakePrimitive(key, [&] {
    const dnnl::reorder::primitive_desc description(OneDnnEngine(), from, OneDnnEngine(), to, UserScratchpad());
    return OneDnnPrimitive{dnnl::reorder(description), {}, description.scratchpad_desc(), description.impl_info_str()};
  });
  Execute(*reorder, {{DNNL_ARG_FROM, from, data}, {DNNL_ARG_TO, to, copy.raw()}});
  return copy;
}

bool OneDnnHasAvx512() {
  static const bool has = MayUse(dnnl::cpu_isa::avx512_core);
  return has;
}

bool OneDnnHasBFloat16() {
  static const bool has = MayUse(dnnl::cpu_isa::avx512_core_bf16);
  return has;
}

bool IsReferenceImplementation(const std::string& implementation) {
  return implementation.find("ref") != std::string::npos;
}

}  // namespace autograd::cpu
