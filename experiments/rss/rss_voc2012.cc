// RSS on VOC2012 (the paper's Table 5). Without flags: the same rows on the embedded scenes.

#include "experiments/rss/run.h"

int main(int argc, char** argv) {
  experiments::Experiment<experiments::rss::RssOptions> experiment = experiments::rss::BaseExperiment();
  experiment.name = "rss_voc2012";
  experiment.usage =
      "trains segmentation networks from rewards (RSS) on VOC2012, as in the paper's Table 5.\n\n"
      "  rss_voc2012                                              embedded scenes, minutes on two cores\n"
      "  rss_voc2012 --data_root=DIR                              VOC2012 with the augmented list, a small network\n"
      "  rss_voc2012 --data_root=DIR --preset=paper --init_weights=FILE";
  experiment.dataset = "voc2012_aug";
  experiment.default_table = "5";
  experiment.scene_steps = 1000;
  return experiments::RunExperiment(argc, argv, experiment);
}
