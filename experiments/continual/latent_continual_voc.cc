// Continual segmentation with a latent policy on Pascal VOC 2012 (the paper's Table 3: 15-5, 15-1 and 10-1). Without
// flags: the things of the embedded scenes and a small network. See README.md here for claims, commands and costs.

#include "experiments/continual/run.h"
#include "experiments/continual/tables.h"

int main(int argc, char** argv) {
  using namespace experiments::continual;  // NOLINT
  experiments::Experiment<ContinualOptions> experiment = BaseExperiment();
  experiment.name = "latent_continual_voc";
  experiment.usage =
      "teaches a segmentation network its classes task by task, with PLOP and a latent policy.\n\n"
      "  latent_continual_voc                          embedded scenes, minutes on two cores\n"
      "  latent_continual_voc --table=15-1 --seeds=3   one protocol of Table 3, or its twin on the scenes\n"
      "  latent_continual_voc --table=15-1 --data_root=DIR --preset=paper --init_weights=FILE";
  experiment.dataset = "voc2012_aug";
  experiment.tables = {{"15-5", TableThree<Quoted::kVoc2012, 0>},
                       {"15-1", TableThree<Quoted::kVoc2012, 1>},
                       {"10-1", TableThree<Quoted::kVoc2012, 2>}};
  return experiments::RunExperiment(argc, argv, experiment);
}
