#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/resize.h"
#include "seg/continual/local_pod.h"
#include "seg/continual/mib_losses.h"
#include "seg/continual/plop_loss.h"
#include "seg/continual/pseudo_labels.h"
#include "tests/golden/comparison.h"
#include "tests/golden/difference.h"

namespace golden {

using autograd::Array;
using autograd::Variable;

std::vector<Difference> CompareContinual(const File& file, const Arithmetic& arithmetic) {
  std::vector<Difference> differences;
  const auto append = [&](const std::string& name, const Variable& ours) {
    differences.push_back(Between(name, ours.array(), file.Read(name)));
  };
  const auto input = [&](const std::string& name) { return Prepared(file.Read(name), arithmetic, name); };
  const Array label = file.Read("label"), old_logits = input("old.logits");
  const int64_t height = label.shape()[1], width = label.shape()[2], old_classes = old_logits.shape()[3];

  autograd::Tape tape;
  const Variable logits = tape.Watch(input("new.logits"));
  std::vector<Variable> maps;
  std::vector<Array> old_maps;
  for (int m = 0; m < static_cast<int>(NumberOf(file, "maps")); ++m) {
    maps.push_back(tape.Watch(input(absl::StrCat("new.map", m))));
    old_maps.push_back(input(absl::StrCat("old.map", m)));
    append(absl::StrCat("distance.map", m), seg::LocalPod(maps[m], old_maps[m]));
  }
  append("distance.logits", seg::LocalPod(seg::FoldNewLogits(logits, old_classes), old_logits));
  const Variable pod = seg::PlopDistillation(maps, logits, old_maps, old_logits, seg::VocDistillation());
  append("pod", pod);

  Variable loss = pod;
  const Array resized = autograd::ResizeBilinear(Variable(old_logits), height, width).array();
  const struct {
    const char* name;
    seg::EntropyReading reading;
  } readings[] = {{"paper", seg::EntropyReading::kPaper}, {"code", seg::EntropyReading::kReleasedCode}};
  for (const auto& [name, reading] : readings) {
    const seg::PixelEntropies pixels = seg::EntropyOf(resized, reading, static_cast<int>(logits.shape()[3]));
    append(absl::StrCat("entropy.", name), pixels.entropy);
    differences.push_back(SameMap("prediction", pixels.prediction, file.Read("prediction")));
    const seg::PseudoLabels pseudo = seg::PseudoLabel(label, pixels, file.Read(absl::StrCat("thresholds.", name)));
    const std::string labels = absl::StrCat("pseudo.", name);
    differences.push_back(SameMap(labels, pseudo.labels, file.Read(labels)));
    append(absl::StrCat("factor.", name), pseudo.factor);
    const Variable plop = seg::PlopLoss(logits, pseudo.labels, pseudo.factor);
    append(absl::StrCat("plop.", name), plop);
    loss = loss + plop;
  }

  const Variable cross_entropy = seg::UnbiasedCrossEntropy(logits, label, old_classes),
                 distillation = seg::UnbiasedDistillation(logits, old_logits, height, width);
  append("mib.cross_entropy", cross_entropy);
  append("mib.distillation", distillation);
  loss = loss + cross_entropy + 10.0 * distillation;
  append("loss", loss);
  tape.Backward(loss);
  append("gradient.new.logits", tape.Gradient(logits));
  for (size_t m = 0; m < maps.size(); ++m) append(absl::StrCat("gradient.new.map", m), tape.Gradient(maps[m]));
  return differences;
}

}  // namespace golden
