// Continual segmentation with a latent policy on ADE20K (the paper's Table 3: 100-50, 100-10 and 100-5). Without flags:
// the things of the embedded scenes and a small network. See README.md here for claims, commands and costs.

#include "experiments/continual/run.h"
#include "experiments/continual/tables.h"

int main(int argc, char** argv) {
  using namespace experiments::continual;  // NOLINT
  experiments::Experiment<ContinualOptions> experiment = BaseExperiment();
  experiment.name = "latent_continual_ade20k";
  experiment.usage =
      "teaches a segmentation network its classes task by task, with PLOP and a latent policy.\n\n"
      "  latent_continual_ade20k                          embedded scenes, minutes on two cores\n"
      "  latent_continual_ade20k --table=100-10 --seeds=3   one protocol of Table 3, or its twin on the scenes\n"
      "  latent_continual_ade20k --table=100-10 --data_root=DIR --preset=paper --init_weights=FILE";
  experiment.dataset = "ade20k";
  experiment.tables = {{"100-50", TableThree<Quoted::kAde20k, 0>},
                       {"100-10", TableThree<Quoted::kAde20k, 1>},
                       {"100-5", TableThree<Quoted::kAde20k, 2>}};
  return experiments::RunExperiment(argc, argv, experiment);
}
