// RSS on Cityscapes, from Mapillary Vistas (the paper's section 7 and Table 6). Without flags: the same rows on the
// embedded scenes.

#include "experiments/rss/run.h"

int main(int argc, char** argv) {
  experiments::Experiment<experiments::rss::RssOptions> experiment = experiments::rss::BaseExperiment();
  experiment.name = "rss_cityscapes";
  experiment.usage =
      "trains segmentation networks from rewards (RSS) on Cityscapes, as in the paper's Table 6.\n\n"
      "  rss_cityscapes                                           embedded scenes, minutes on two cores\n"
      "  rss_cityscapes --method=psl --dataset=mapillary --data_root=VISTAS --preset=paper --init_weights=FILE\n"
      "  rss_cityscapes --data_root=DIR --preset=paper --cold_start=runs/…/psl/weights.safetensors";
  experiment.dataset = "cityscapes";
  experiment.default_table = "6";
  experiment.scene_steps = 500;
  return experiments::RunExperiment(argc, argv, experiment);
}
