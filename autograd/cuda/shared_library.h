#pragma once

#include <dlfcn.h>

#include <string>

namespace autograd::cuda {

// A library of the CUDA toolkit, found by the dynamic linker or in the toolkit's usual folder. It stays open.
class SharedLibrary {
 public:
  explicit SharedLibrary(const std::string& name) : name_(name) {
    handle_ = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_ == nullptr) handle_ = dlopen(("/usr/local/cuda/lib64/" + name).c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_ == nullptr) missing_ = name + " cannot be opened (LD_LIBRARY_PATH may name its folder)";
  }

  template <typename Function>
  void Get(Function& function, const char* symbol) const {
    function = handle_ == nullptr ? nullptr : reinterpret_cast<Function>(dlsym(handle_, symbol));
    if (function == nullptr && missing_.empty()) missing_ = name_ + " has no " + symbol;
  }

  // What was not found first, or "".
  const std::string& missing() const { return missing_; }

 private:
  std::string name_;
  void* handle_ = nullptr;
  mutable std::string missing_;
};

}  // namespace autograd::cuda
