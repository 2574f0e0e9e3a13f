#pragma once

// The models of //seg beside the values in a golden file, whatever its size: the configuration is read from the
// tensors' shapes and the metadata.

#include <string>
#include <vector>

#include "tests/golden/difference.h"
#include "tests/golden/golden_file.h"

namespace golden {

// Files of convnextv2.py: stages, loss, every gradient.
std::vector<Difference> CompareConvNeXtV2(const File& file, const Arithmetic& arithmetic = {});

// Files of sfpnext.py: evaluation, a training step with every gradient, running statistics.
std::vector<Difference> CompareSFPNeXt(const File& file, const Arithmetic& arithmetic = {});

// Files of resnet.py: evaluation and a training step.
std::vector<Difference> CompareResNet(const File& file, const Arithmetic& arithmetic = {});

// Files of deeplabv3.py, fcn.py and pspnet.py: DeepLabV3, FCN and PSPNet, evaluation and a training step.
std::vector<Difference> CompareResNetSegmentor(const File& file, const Arithmetic& arithmetic = {});

// Files of semantic_fpn.py: evaluation and a training step.
std::vector<Difference> CompareSemanticFpn(const File& file, const Arithmetic& arithmetic = {});

// Files of vit.py and eva02.py: taps, the map, loss, every gradient; the same at another size.
std::vector<Difference> CompareViT(const File& file, const Arithmetic& arithmetic = {});
std::vector<Difference> CompareEva02(const File& file, const Arithmetic& arithmetic = {});

// Files of segmenter.py: logits, loss, every gradient; the same at another size.
std::vector<Difference> CompareSegmenter(const File& file, const Arithmetic& arithmetic = {});

// Files of setr.py: evaluation, a training step with every gradient, running statistics; evaluation at another size.
std::vector<Difference> CompareSetr(const File& file, const Arithmetic& arithmetic = {});

// Files of segformer.py: evaluation and a training step.
std::vector<Difference> CompareSegFormer(const File& file, const Arithmetic& arithmetic = {});

// Files of ciss_net.py: a rollout, its loss, every gradient.
std::vector<Difference> CompareCissNet(const File& file, const Arithmetic& arithmetic = {});

// Files of latent.py: the policy, four modulations, the loss, every gradient.
std::vector<Difference> CompareLatent(const File& file, const Arithmetic& arithmetic = {});

// Files of continual.py: distances, pseudo-labels, losses of PLOP and MiB, every gradient.
std::vector<Difference> CompareContinual(const File& file, const Arithmetic& arithmetic = {});

// By what is in the file.
std::vector<Difference> Compare(const File& file, const Arithmetic& arithmetic = {});

// The tensors of a file to which float32 does not come as close as rounding lets it (kRoundings): what they differ by,
// and what they may. What moved weights make is measured beside the file, too, so that its numbers are the formulas' is
// for the comparison in float64 to say.
struct Excess {
  std::string name;
  double value = 0, bound = 0;
};
std::vector<Excess> ExcessesInFloat32(const File& file);

// The other direction: a network of the file's shapes with weights of our own making, after a training forward pass
// (for the running statistics) where it has batch norms, and what it makes of the file's input, by SaveNetwork.
void SaveConvNeXtV2(const File& file, const std::string& folder);       // stage0 … stage3
void SaveSFPNeXt(const File& file, const std::string& folder);          // logits
void SaveResNet(const File& file, const std::string& folder);           // stage0 … stage3
void SaveResNetSegmentor(const File& file, const std::string& folder);  // logits, auxiliary
void SaveSemanticFpn(const File& file, const std::string& folder);      // logits
void SaveViT(const File& file, const std::string& folder);              // tap0, …, map
void SaveEva02(const File& file, const std::string& folder);            // tap0, …, map
void SaveSegmenter(const File& file, const std::string& folder);        // logits
void SaveSetr(const File& file, const std::string& folder);             // logits, auxiliary0 … auxiliary2
void SaveSegFormer(const File& file, const std::string& folder);        // logits, under the names of the file's package

// By what is in the file; an Error where no public class has the network.
void SaveOurs(const File& file, const std::string& folder);

}  // namespace golden
