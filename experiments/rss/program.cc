#include "experiments/rss/program.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "autograd/collective/collective.h"
#include "autograd/ops/convolution_plans.h"
#include "experiments/rss/flags.h"
#include "experiments/rss/results.h"
#include "experiments/rss/run.h"
#include "experiments/rss/run_options.h"
#include "experiments/rss/tables.h"
#include "experiments/runner/execution.h"
#include "experiments/runner/interrupt.h"
#include "experiments/runner/output_folder.h"
#include "experiments/runner/program.h"

namespace experiments::rss {
namespace {

// The rows of --method.
absl::StatusOr<Table> MethodRows(const RunOptions& options, const std::string& method) {
  Table table{"Image-level reward beside supervision", {}, ""};
  RunOptions image = options, pixel = options, naive = options;
  image.name = "RSS image";
  pixel.name = "RSS pixel";
  pixel.supervision = Supervision::kPixelReward;
  naive.name = "RSS naive";
  naive.scales = {1};
  naive.advantage = AdvantageKind::kGroupRelative;
  const bool cold = !options.cold_start.empty();
  if (method == "compare" || method == "psl")
    table.rows.push_back({"PSL (labels)", "psl", std::nullopt, cold, SupervisedTwin(options)});
  if (method == "compare" || method == "rss_image")
    table.rows.push_back({"RSS (image-level reward)", "rss_image", std::nullopt, cold, image});
  if (method == "rss_pixel") table.rows.push_back({"RSS (pixel-level reward)", "rss_pixel", std::nullopt, cold, pixel});
  if (method == "rss_naive") table.rows.push_back({"RSS naive", "rss_naive", std::nullopt, cold, naive});
  if (table.rows.empty())
    return absl::InvalidArgumentError(
        absl::StrCat("--method=", method, " is not compare, psl, rss_pixel, rss_image or rss_naive"));
  return table;
}

// A network trained with labels on other scenes (other seed, twice the classes), the tables' "another dataset".
absl::StatusOr<std::string> MakeColdStart(const RunOptions& base, const std::string& output,
                                          autograd::Collective& collective, const InterruptHandler& interrupt) {
  RunOptions options = SupervisedTwin(base);
  options.name = "cold start";
  options.data = DatasetChoice{};
  options.data.crop = base.data.crop;
  options.data.scene_classes = 12;
  options.data.scene_seed = 1000;
  options.training.directory = absl::StrCat(output, "/cold_start_", base.model);
  options.training.resume = true;
  options.training.seed = 1000;
  options.training.loader_threads = 1;
  const std::string weights = absl::StrCat(options.training.directory, "/weights.safetensors");
  if (ReadScores(options).ok()) return weights;
  std::printf("\nThe cold start's network: labels, %d-class scenes that no row sees\n", options.data.scene_classes);
  absl::StatusOr<RunResult> result = Run(options, collective, interrupt);
  if (!result.ok()) return result.status();
  if (result->training.interrupted) return absl::CancelledError("interrupted");
  if (collective.rank() == 0) {
    if (absl::Status status = WriteScores(options.training.directory, *result); !status.ok()) return status;
  }
  collective.Barrier();  // every rank finds the weights
  return weights;
}

absl::Status Experiment(const Program& program, Execution& execution, const std::string& command) {
  autograd::Collective& collective = execution.collective();
  const absl::StatusOr<Flags> flags = ReadFlags(program);
  if (!flags.ok()) return flags.status();
  const RunOptions& options = flags->options;
  if (flags->measure_plans) autograd::SetConvolutionPlans(autograd::ConvolutionPlans::kMeasured);
  absl::StatusOr<Table> table =
      flags->table != 0 ? MakeTable(flags->table, options) : MethodRows(options, flags->method);
  if (!table.ok()) return table.status();
  for (const TableRow& row : table->rows) {
    if (!options.reward_command.empty() && row.options.supervision == Supervision::kPixelReward)
      return absl::InvalidArgumentError(absl::StrCat("--reward scores whole maps, but '", row.name,
                                                     "' learns from a reward at every pixel, which only labels give"));
  }
  const std::vector<std::string>& chosen = flags->rows;
  for (const std::string& row : chosen) {
    bool known = false;
    for (const TableRow& candidate : table->rows) known |= candidate.folder == row;
    if (!known) return absl::InvalidArgumentError(absl::StrCat("--rows: this table has no row ", row));
  }
  // The data is opened once before anything is written, so that a wrong path costs nothing.
  absl::StatusOr<ChosenData> data = OpenChosenData(options.data);
  if (!data.ok()) return data.status();
  absl::StatusOr<std::string> output = FromFirstRank(collective, [&] {
    return ChooseOutputFolder(flags->output, absl::StrCat("runs/", program.name), options.training.resume);
  });
  if (!output.ok()) return output.status();

  std::printf("RSS, %s\n  data    %s\n  preset  %s\n  device  %s\n  output  %s\n", table->title.c_str(),
              data->description.c_str(), flags->preset.c_str(), execution.Description().c_str(), output->c_str());
  std::fflush(stdout);

  const bool first_rank = execution.first_rank();
  InterruptHandler interrupt;
  Results results(*table, options, data->description, *output, command);
  for (int seed = 0; seed < flags->seeds; ++seed) {
    for (size_t i = 0; i < table->rows.size(); ++i) {
      TableRow& row = table->rows[i];
      RunOptions run = row.options;
      run.name = row.name;
      run.training.label = row.name;
      run.training.seed = flags->first_seed + static_cast<uint64_t>(seed);
      run.training.directory = absl::StrCat(
          *output, "/", row.folder,
          flags->seeds > 1 || flags->table != 0 ? absl::StrCat("/seed_", run.training.seed) : std::string());
      const bool wanted = chosen.empty() || std::find(chosen.begin(), chosen.end(), row.folder) != chosen.end();
      if (run.training.resume || !wanted) {
        absl::StatusOr<RunScores> scores = ReadScores(run);
        if (scores.ok()) {
          results.AddScores(i, *scores);
          continue;
        }
        if (wanted && absl::IsInvalidArgument(scores.status())) return scores.status();
      }
      if (!wanted) continue;
      if (row.cold_start && run.cold_start.empty()) {
        if (run.data.name != "scenes" && run.data.name != "camvid") {
          std::printf(
              "%s: skipped, it needs --cold_start=weights.safetensors of a network trained on another dataset\n",
              row.name.c_str());
          continue;
        }
        absl::StatusOr<std::string> weights = MakeColdStart(run, *output, collective, interrupt);
        if (!weights.ok()) return weights.status();
        run.cold_start = *weights;
      } else if (!row.cold_start) {
        run.cold_start.clear();
      }
      std::printf("\n%s, seed %d\n", row.name.c_str(), static_cast<int>(run.training.seed));
      std::fflush(stdout);
      absl::StatusOr<RunResult> result = Run(run, collective, interrupt);
      if (!result.ok()) return result.status();
      if (result->training.interrupted) {
        std::printf("\nStopped after step %lld; everything is saved. Go on with --resume --output=%s\n",
                    static_cast<long long>(result->training.steps), output->c_str());
        return first_rank ? results.Write() : absl::OkStatus();
      }
      results.AddRun(i, *result);
      if (first_rank) {
        if (absl::Status status = WriteScores(run.training.directory, *result); !status.ok()) return status;
        if (absl::Status status = results.Write(); !status.ok()) return status;
      }
      collective.Barrier();  // the next row of every rank finds the scores
    }
  }
  std::printf("\n%s\n", results.Text().c_str());
  return first_rank ? results.Write() : absl::OkStatus();
}

}  // namespace

int RunRss(int argc, char** argv, const Program& program) {
  std::string command = absl::StrCat("bazel run //experiments:", program.name, " --");
  for (int i = 1; i < argc; ++i) absl::StrAppend(&command, " ", argv[i]);
  return RunProgram(argc, argv, program.name, program.usage, [&] {
    const absl::StatusOr<std::unique_ptr<Execution>> execution = Execution::FromFlags();
    if (!execution.ok()) return execution.status();
    return (*execution)->Run([&] { return Experiment(program, **execution, command); });
  });
}

}  // namespace experiments::rss
