// Latent-space RL from one domain to others (the paper's Table 4): trained on one dataset, tested on others as it is.
// Without flags: the embedded scenes by day, and by night, in haze and in another style. See README.md here for claims,
// commands and costs.

#include "experiments/latent/run.h"
#include "experiments/latent/tables.h"

namespace experiments::latent {
namespace {

absl::Status CheckTargets(const std::string& row, const LatentOptions& options) {
  if (options.targets.empty())
    return WrongFlag(
        "--target is missing: what the trained networks are tested on, such as "
        "--target=dark_zurich=DIR,nighttime_driving=DIR");
  return BaseExperiment().check(row, options);
}

}  // namespace
}  // namespace experiments::latent

int main(int argc, char** argv) {
  using namespace experiments::latent;  // NOLINT
  experiments::Experiment<LatentOptions> experiment = BaseExperiment();
  experiment.name = "latent_cross_domain";
  experiment.usage =
      "trains segmentation networks with and without a latent policy, and tests them on data that they were not "
      "trained "
      "on.\n\n"
      "  latent_cross_domain                                    embedded scenes, minutes on two cores\n"
      "  latent_cross_domain --data_root=DIR                    CamVid by day, tested at dusk\n"
      "  latent_cross_domain --preset=paper --dataset=cityscapes --data_root=DIR "
      "--target=dark_zurich=DIR,nighttime_driving=DIR\n"
      "  latent_cross_domain --preset=paper --dataset=lip --data_root=DIR --target=cihp=DIR";
  experiment.dataset = "camvid_day";
  experiment.preset = CrossDomainPreset;
  experiment.methods = TableFour;
  experiment.tables.insert(experiment.tables.begin(), {{"4", TableFour}});
  experiment.check = CheckTargets;
  return experiments::RunExperiment(argc, argv, experiment);
}
