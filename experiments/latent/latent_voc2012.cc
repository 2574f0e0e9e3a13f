// Latent-space RL on Pascal VOC 2012 (the paper's Tables 1, 2 and 5 to 8). Without flags: the embedded scenes and a
// small network. See README.md here for claims, commands and costs.

#include "experiments/latent/run.h"
#include "experiments/latent/tables.h"

int main(int argc, char** argv) {
  using namespace experiments::latent;  // NOLINT
  experiments::Experiment<LatentOptions> experiment = BaseExperiment();
  experiment.name = "latent_voc2012";
  experiment.usage =
      "trains segmentation networks whose latent features a Gaussian policy modulates.\n\n"
      "  latent_voc2012                                    embedded scenes, minutes on two cores\n"
      "  latent_voc2012 --table=controls --seeds=5         what could explain a gain away\n"
      "  latent_voc2012 --table=6 --data_root=DIR --preset=paper --init_weights=FILE";
  experiment.dataset = "voc2012";
  experiment.tables.insert(experiment.tables.begin(), {{"1", TableOne},
                                                       {"2", TableTwo<Quoted::kVoc2012>},
                                                       {"5a", TableFiveA},
                                                       {"5b", TableFiveB},
                                                       {"6", TableSix},
                                                       {"7", TableSeven},
                                                       {"8", TableEight}});
  return experiments::RunExperiment(argc, argv, experiment);
}
