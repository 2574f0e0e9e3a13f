#include "experiments/latent/targets.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "autograd/runtime/atomic_file.h"
#include "data/datasets/open_dataset.h"
#include "experiments/runner/evaluation.h"
#include "experiments/runner/examples.h"

namespace experiments::latent {
namespace {

absl::StatusOr<Target> ParseTarget(const std::string& text, const DataOptions& source) {
  const size_t end = text.find_first_of(":=");
  const std::string name = text.substr(0, end), rest = end == std::string::npos ? "" : text.substr(end + 1);
  const auto wrong = [&text](const auto&... parts) {
    return WrongFlag(absl::StrCat("--target=", text, ": ", parts...));
  };
  Target target;
  target.options = source;
  target.options.name = name;
  const std::vector<std::string> names = data::DatasetNames();
  if (std::find(names.begin(), names.end(), name) == names.end())
    return wrong("there is no dataset '", name, "'; choose one of ", absl::StrJoin(names, ", "));
  if (name == "scenes") {
    std::string error;
    if (!ParseSceneLight(rest, target.options.scene_light, error)) return wrong("the light of the scenes: ", error);
    target.name = rest;
    target.options.root.clear();
    return target;
  }
  target.name = name;
  if (name == "camvid_dusk" && source.name == "camvid")
    return wrong("those images are among camvid's training images; train on camvid_day");
  if (!rest.empty()) target.options.root = ResolvePath(rest);
  if (target.options.root.empty()) return wrong("say where its files are: --target=", name, "=DIR");
  return target;
}

bool IsHumanParsing(const data::DatasetInfo& info) { return info.name == "lip" || info.name == "cihp"; }

absl::Status CheckClasses(const std::string& target, const data::DatasetInfo& source, const data::DatasetInfo& info) {
  const auto wrong = [&](const auto&... parts) {
    return WrongFlag(absl::StrCat("--target: ", target, " has ", parts...));
  };
  if (info.num_classes() != source.num_classes())
    return wrong(info.num_classes(), " classes, and ", source.name, ", which is trained on, ", source.num_classes());
  if (IsHumanParsing(source) && IsHumanParsing(info)) return absl::OkStatus();
  for (int k = 0; k < info.num_classes(); ++k) {
    if (info.class_names[k] != source.class_names[k])
      return wrong("'", info.class_names[k], "' as class ", k, ", and ", source.name, ", which is trained on, '",
                   source.class_names[k], "'");
  }
  return absl::OkStatus();
}

TargetRecord RecordOf(const Target& target, const Evaluation& evaluation) {
  TargetRecord record;
  record.name = target.name;
  record.dataset = target.data.dataset->info();
  record.class_iou = evaluation.confusion.ClassIou();
  for (const seg::ClassCounts& counts : evaluation.confusion.ByClass()) record.label_pixels.push_back(counts.truth);
  return record;
}

// What a person should know at once: few images may lack whole classes.
std::string Summary(const TargetRecord& target, const std::vector<Score>& scores, int64_t images) {
  std::vector<std::string> absent, texts;
  for (size_t k = 0; k < target.label_pixels.size(); ++k) {
    if (target.label_pixels[k] == 0) absent.push_back(target.dataset.class_names[k]);
  }
  for (const Score& score : scores) texts.push_back(absl::StrFormat("%s %.2f %%", score.name, 100 * score.value));
  return absl::StrCat("    ", target.name, ", ", images, " images: ", absl::StrJoin(texts, ", "),
                      absent.empty() ? "" : absl::StrCat("; no label pixel of ", absl::StrJoin(absent, ", ")), "\n");
}

absl::Status WriteClasses(const std::vector<TargetRecord>& targets, const std::string& path) {
  std::string text = "target,class,label pixels,IoU %\n";
  for (const TargetRecord& target : targets) {
    for (size_t k = 0; k < target.class_iou.size(); ++k) {
      const std::string iou = std::isnan(target.class_iou[k]) ? "" : absl::StrFormat("%.4f", 100 * target.class_iou[k]);
      absl::StrAppend(&text, target.name, ",\"", target.dataset.class_names[k], "\",", target.label_pixels[k], ",", iou,
                      "\n");
    }
  }
  return autograd::WriteFileAtomically(path, text);
}

}  // namespace

absl::StatusOr<std::vector<Target>> ParseTargets(const LatentOptions& options) {
  std::vector<Target> targets;
  for (const std::string& text : options.targets) {
    absl::StatusOr<Target> target = ParseTarget(text, options.data);
    if (!target.ok()) return target.status();
    for (const Target& other : targets) {
      if (other.name == target->name)
        return WrongFlag(absl::StrCat("--target: two targets would be called ", target->name, " in the scores"));
    }
    targets.push_back(*std::move(target));
  }
  return targets;
}

std::vector<std::string> TargetColumns(const LatentOptions& options) {
  std::vector<std::string> columns;
  const absl::StatusOr<std::vector<Target>> targets = ParseTargets(options);
  if (!targets.ok()) return columns;
  for (const Target& target : *targets) {
    columns.push_back(absl::StrCat(target.name, " mIoU"));
    if (target.name == "cihp") columns.push_back("cihp mIoU without class 10");
  }
  return columns;
}

absl::StatusOr<std::vector<Target>> OpenTargets(const LatentOptions& options, const data::DatasetInfo& source) {
  absl::StatusOr<std::vector<Target>> targets = ParseTargets(options);
  if (!targets.ok()) return targets.status();
  for (Target& target : *targets) {
    const auto of_target = [&target](const absl::Status& status) {
      return absl::Status(status.code(), absl::StrCat("--target, ", target.name, ": ", status.message()));
    };
    absl::StatusOr<EvaluationData> data = OpenEvaluationData(target.options, ScoredSplit(target.options.name));
    if (!data.ok()) return IsWrongFlag(data.status()) ? data.status() : of_target(data.status());
    if (absl::Status status = CheckClasses(target.name, source, data->dataset->info()); !status.ok()) return status;
    if (absl::Status status = data->dataset->CheckFiles(); !status.ok()) return of_target(status);
    absl::StatusOr<InferenceOptions> inference = options.windows.Override(std::move(data->inference));
    if (!inference.ok()) return inference.status();
    data->inference = *std::move(inference);
    target.data = *std::move(data);
  }
  return targets;
}

absl::Status ScoreTargets(Network& network, const std::vector<Target>& targets, const TrainingOptions& training,
                          const RunContext& context, RunRecord& record) {
  for (const Target& target : targets) {
    const data::Dataset& dataset = *target.data.dataset;
    const std::unique_ptr<Scorer> scorer = MakeScorer(dataset.info(), target.options.root);
    const absl::StatusOr<Evaluation> evaluation =
        Evaluate(network, dataset, target.data.inference, *scorer,
                 {.reader_threads = training.loader_threads,
                  .collective = &context.collective,
                  // Ranks are stopped together, between steps.
                  .stop = context.collective.world_size() > 1 ? std::function<bool()>() : [&context] {
                    return context.interrupt.stop_requested();
                  }});
    if (absl::IsCancelled(evaluation.status())) {
      record.interrupted = true;
      return absl::OkStatus();
    }
    if (!evaluation.ok()) return evaluation.status();
    for (const Score& score : evaluation->scores)
      record.scores.push_back({absl::StrCat(target.name, " ", score.name), score.value});
    TargetRecord scored = RecordOf(target, *evaluation);
    if (context.first_rank()) {
      absl::StatusOr<std::vector<Example>> examples = WriteExamples(
          network, dataset, target.data.inference, {}, absl::StrCat(context.folder, "/pictures"), target.name);
      if (!examples.ok()) return examples.status();
      scored.examples = *std::move(examples);
      std::printf("%s", Summary(scored, evaluation->scores, evaluation->images).c_str());
      for (const std::string& note : scorer->Notes()) std::printf("    note: %s\n", note.c_str());
      std::fflush(stdout);
    }
    record.targets.push_back(std::move(scored));
  }
  if (targets.empty() || !context.first_rank()) return absl::OkStatus();
  return WriteClasses(record.targets, absl::StrCat(context.folder, "/targets.csv"));
}

}  // namespace experiments::latent
