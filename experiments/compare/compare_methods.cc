// One network taught in five ways. See README.md here.

#include "experiments/compare/run.h"

int main(int argc, char** argv) {
  return experiments::RunExperiment(argc, argv, experiments::compare::TheExperiment());
}
