#include "nn/checkpoints/names.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"

namespace nn {
namespace {

struct Wrapper {
  const char* prefix;
  // One of several copies of a network: it must not be picked out beside another.
  bool alone;
};

constexpr Wrapper kWrappers[] = {
    {"_orig_mod.", false},  // torch.compile
    {"module.", false},     // DataParallel, DistributedDataParallel, AveragedModel
    {"_fsdp_wrapped_module.", false},
    {"_forward_module.", false},
    {"model.", false},  // Lightning, mmengine, Hugging Face
    {"state_dict.", false},
    {"model_state_dict.", false},
    {"model_state.", false},
    {"net.", false},
    {"network.", false},
    {"student.", true},
    {"teacher.", true},
    {"ema.", true},
    {"ema_model.", true},
    {"model_ema.", true},
};

// What torch.compile and others put between the names of a part and its parts, where no module of ours has such a name.
constexpr absl::string_view kInside[] = {"_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."};

UnwrappedNames WithoutPrefix(const UnwrappedNames& from, absl::string_view prefix) {
  UnwrappedNames result = {from.names, absl::StrCat(from.wrappers, prefix)};
  for (std::string& name : result.names) {
    if (absl::StartsWith(name, prefix)) name.erase(0, prefix.size());
  }
  return result;
}

UnwrappedNames WithoutInside(const UnwrappedNames& from, absl::string_view part) {
  const std::string inside = absl::StrCat(".", part);
  UnwrappedNames result = {from.names, absl::StrCat(from.wrappers, "…", inside)};
  for (std::string& name : result.names) name = absl::StrReplaceAll(name, {{inside, "."}});
  return result;
}

// All names from which one or several more wrappers can be taken.
std::vector<UnwrappedNames> Unwrap(const UnwrappedNames& from) {
  std::vector<UnwrappedNames> results;
  for (const Wrapper& wrapper : kWrappers) {
    const auto has = [&](const std::string& name) { return absl::StartsWith(name, wrapper.prefix); };
    const bool found = wrapper.alone ? std::all_of(from.names.begin(), from.names.end(), has)
                                     : std::any_of(from.names.begin(), from.names.end(), has);
    if (found && !from.names.empty()) results.push_back(WithoutPrefix(from, wrapper.prefix));
  }
  for (const absl::string_view part : kInside) {
    const std::string inside = absl::StrCat(".", part);
    const auto has = [&](const std::string& name) { return absl::StrContains(name, inside); };
    if (std::any_of(from.names.begin(), from.names.end(), has)) results.push_back(WithoutInside(from, part));
  }
  // DataParallel around a part.
  const auto has_module = [](const std::string& name) { return absl::StrContains(name, ".module."); };
  if (std::any_of(from.names.begin(), from.names.end(), has_module)) results.push_back(WithoutInside(from, "module."));
  return results;
}

}  // namespace

UnwrappedNames UnwrapNames(const std::vector<std::string>& names, const CountMatches& count, int wanted) {
  constexpr size_t kMostTried = 64;
  UnwrappedNames best = {names, ""};
  int best_count = count(names);
  std::vector<UnwrappedNames> tried = {best};
  std::set<std::vector<std::string>> seen = {names};
  // By the number of wrappers, so that the fewest win.
  for (size_t i = 0; i < tried.size() && best_count < wanted; ++i) {
    for (UnwrappedNames& candidate : Unwrap(tried[i])) {
      if (tried.size() >= kMostTried || !seen.insert(candidate.names).second) continue;
      const int matches = count(candidate.names);
      if (matches > best_count) {
        best = candidate;
        best_count = matches;
      }
      tried.push_back(std::move(candidate));
    }
  }
  return best;
}

std::string UnknownPrefix(const std::vector<std::string>& names, const CountMatches& count, int wanted) {
  constexpr int kDeepest = 4, kMostTried = 32;
  std::map<std::string, int> prefixes;
  for (const std::string& name : names) {
    size_t dot = name.find('.');
    for (int depth = 0; depth < kDeepest && dot != std::string::npos; ++depth, dot = name.find('.', dot + 1))
      ++prefixes[name.substr(0, dot + 1)];
  }
  int tried = 0;
  for (const auto& [prefix, covered] : prefixes) {
    if (covered < wanted || ++tried > kMostTried) continue;
    std::vector<std::string> below;
    for (const std::string& name : names) {
      if (absl::StartsWith(name, prefix)) below.push_back(name.substr(prefix.size()));
    }
    if (count(below) >= wanted) return prefix;
  }
  return "";
}

std::string LackingPrefix(const std::vector<std::string>& names, const std::vector<std::string>& model) {
  if (names.empty()) return "";
  const std::set<std::string> all(model.begin(), model.end());
  const std::string end = absl::StrCat(".", names[0]);
  for (const std::string& name : model) {
    if (!absl::EndsWith(name, end)) continue;
    const std::string prefix = name.substr(0, name.size() - names[0].size());
    if (std::all_of(names.begin(), names.end(),
                    [&](const std::string& other) { return all.count(absl::StrCat(prefix, other)) > 0; }))
      return prefix;
  }
  return "";
}

}  // namespace nn
