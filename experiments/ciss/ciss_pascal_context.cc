// CiSS-Net on Pascal Context with 60 classes (the paper's Table 7). Without flags: the embedded scenes and a small
// network. See README.md here for claims, commands and costs.

#include "experiments/ciss/run.h"
#include "experiments/ciss/tables.h"

int main(int argc, char** argv) {
  using namespace experiments::ciss;  // NOLINT
  experiments::Experiment<CissOptions> experiment = BaseExperiment();
  experiment.name = "ciss_pascal_context";
  experiment.usage =
      "trains segmentation networks whose context is chosen by an actor-critic (CiSS-Net).\n\n"
      "  ciss_pascal_context                                      embedded scenes, minutes on two cores\n"
      "  ciss_pascal_context --table=controls --seeds=3            what could explain a gain away\n"
      "  ciss_pascal_context --table=7 --data_root=DIR --preset=paper --init_weights=FILE";
  experiment.dataset = "pascal_context_60";
  experiment.tables.insert(experiment.tables.begin(), {{"7", TableSeven}});
  return experiments::RunExperiment(argc, argv, experiment);
}
