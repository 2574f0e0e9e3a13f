// CiSS-Net on Cityscapes (the paper's Tables 1 to 5 and 8). Without flags: the embedded scenes and a small network. See
// README.md here for claims, commands and costs.

#include "experiments/ciss/run.h"
#include "experiments/ciss/tables.h"

int main(int argc, char** argv) {
  using namespace experiments::ciss;  // NOLINT
  experiments::Experiment<CissOptions> experiment = BaseExperiment();
  experiment.name = "ciss_cityscapes";
  experiment.usage =
      "trains segmentation networks whose context is chosen by an actor-critic (CiSS-Net).\n\n"
      "  ciss_cityscapes                                          embedded scenes, minutes on two cores\n"
      "  ciss_cityscapes --table=controls --seeds=3            what could explain a gain away\n"
      "  ciss_cityscapes --table=8 --data_root=DIR --preset=paper --init_weights=FILE";
  experiment.dataset = "cityscapes";
  experiment.tables.insert(experiment.tables.begin(), {{"1", TableOne<Quoted::kCityscapes>},
                                                       {"2", TableTwo<Quoted::kCityscapes>},
                                                       {"3", TableThree<Quoted::kCityscapes>},
                                                       {"4", TableFour<Quoted::kCityscapes>},
                                                       {"5", TableFive<Quoted::kCityscapes>},
                                                       {"8", TableEight}});
  return experiments::RunExperiment(argc, argv, experiment);
}
