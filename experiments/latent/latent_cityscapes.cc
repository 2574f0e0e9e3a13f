// Latent-space RL on Cityscapes (the paper's Table 2). Without flags: the embedded scenes and a small network.
// See README.md here for claims, commands and costs.

#include "experiments/latent/run.h"
#include "experiments/latent/tables.h"

int main(int argc, char** argv) {
  using namespace experiments::latent;  // NOLINT
  experiments::Experiment<LatentOptions> experiment = BaseExperiment();
  experiment.name = "latent_cityscapes";
  experiment.usage =
      "trains segmentation networks whose latent features a Gaussian policy modulates.\n\n"
      "  latent_cityscapes                                    embedded scenes, minutes on two cores\n"
      "  latent_cityscapes --table=controls --seeds=5         what could explain a gain away\n"
      "  latent_cityscapes --table=2 --data_root=DIR --preset=paper --init_weights=FILE";
  experiment.dataset = "cityscapes";
  experiment.tables.insert(experiment.tables.begin(), {{"2", TableTwo<Quoted::kCityscapes>}});
  return experiments::RunExperiment(argc, argv, experiment);
}
