// RSS: Reward in Semantic Segmentation. Without flags: the embedded scenes, a small SFPNeXt that learns from one score
// per sampled label map, beside its supervised twin. See README.md here for claims, commands and costs.

#include "experiments/rss/run.h"

int main(int argc, char** argv) {
  experiments::Experiment<experiments::rss::RssOptions> experiment = experiments::rss::BaseExperiment();
  experiment.name = "rss_pascal_context";
  experiment.usage =
      "trains segmentation networks from rewards (RSS) and shows them beside supervised ones.\n\n"
      "  rss_pascal_context                                       embedded scenes, minutes on two cores\n"
      "  rss_pascal_context --table=2 --seeds=3                   the rows of Table 2\n"
      "  rss_pascal_context --dataset=camvid --data_root=DIR      real photographs\n"
      "  rss_pascal_context --data_root=DIR --preset=paper --init_weights=FILE      Pascal Context";
  experiment.dataset = "pascal_context";
  return experiments::RunExperiment(argc, argv, experiment);
}
