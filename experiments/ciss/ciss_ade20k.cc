// CiSS-Net on ADE20K (the paper's Tables 1 to 6). Without flags: the embedded scenes and a small network. See README.md
// here for claims, commands and costs.

#include "experiments/ciss/run.h"
#include "experiments/ciss/tables.h"

int main(int argc, char** argv) {
  using namespace experiments::ciss;  // NOLINT
  experiments::Experiment<CissOptions> experiment = BaseExperiment();
  experiment.name = "ciss_ade20k";
  experiment.usage =
      "trains segmentation networks whose context is chosen by an actor-critic (CiSS-Net).\n\n"
      "  ciss_ade20k                                              embedded scenes, minutes on two cores\n"
      "  ciss_ade20k --table=controls --seeds=3            what could explain a gain away\n"
      "  ciss_ade20k --table=6 --data_root=DIR --preset=paper --init_weights=FILE";
  experiment.dataset = "ade20k";
  experiment.tables.insert(experiment.tables.begin(), {{"1", TableOne<Quoted::kAde20k>},
                                                       {"2", TableTwo<Quoted::kAde20k>},
                                                       {"3", TableThree<Quoted::kAde20k>},
                                                       {"4", TableFour<Quoted::kAde20k>},
                                                       {"5", TableFive<Quoted::kAde20k>},
                                                       {"6", TableSix}});
  return experiments::RunExperiment(argc, argv, experiment);
}
