#include "experiments/continual/run.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "autograd/runtime/atomic_file.h"
#include "data/datasets/center_crop_view.h"
#include "data/formats/png.h"
#include "data/transforms/transform.h"
#include "experiments/continual/class_history.h"
#include "experiments/continual/distillation.h"
#include "experiments/continual/growth.h"
#include "experiments/continual/scorer.h"
#include "experiments/continual/tables.h"
#include "experiments/continual/task_data.h"
#include "experiments/latent/objective.h"
#include "experiments/latent/run.h"
#include "experiments/report/overlay.h"
#include "experiments/runner/evaluation.h"
#include "experiments/runner/gradient_learner.h"
#include "experiments/runner/network_settings.h"
#include "experiments/runner/networks.h"
#include "experiments/runner/supervised.h"
#include "experiments/runner/training.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace experiments::continual {
namespace {

constexpr int kShownTasks = 6;  // in the pictures of one image after every task

// Protocols are found by the number of classes, so that one without a background of its own asks for the dataset's.
absl::StatusOr<seg::ContinualProtocol> ProtocolOf(const ContinualOptions& options, const data::DatasetInfo& info) {
  absl::StatusOr<seg::ContinualProtocol> protocol = seg::FindProtocol(options.protocol, info.num_classes());
  if (!protocol.ok()) return WrongFlag(absl::StrCat("--protocol: ", protocol.status().message()));
  if (!protocol->background_added && info.class_names[0] != "background")
    return WrongFlag(absl::StrCat("--protocol=", options.protocol, " takes class 0 for the background, and that of ",
                                  info.name, " is '", info.class_names[0], "'"));
  return protocol;
}

seg::ContinualProtocol AtOnce(const seg::ContinualProtocol& protocol) {
  seg::ContinualProtocol at_once = protocol;
  at_once.tasks = {{}};
  for (const std::vector<int>& task : protocol.tasks)
    at_once.tasks[0].insert(at_once.tasks[0].end(), task.begin(), task.end());
  return at_once;
}

std::vector<int> FirstClasses(const seg::ContinualProtocol& protocol) {
  std::vector<int> first = {0};
  for (const std::vector<int>& task : protocol.tasks) first.push_back(first.back() + static_cast<int>(task.size()));
  first.pop_back();
  return first;
}

// A run of the tasks, one after the other.
class Sequence {
 public:
  Sequence(const ContinualOptions& options, const RunContext& context) : options_(options), context_(context) {}

  // Opens the data and sorts the images. Cancelled where the user stops it.
  absl::Status Open();
  absl::StatusOr<RunRecord> Run();

 private:
  RunContext PartOf(int task) const { return context_.Part(absl::StrCat("task_", task + 1)); }
  std::string ClassIouPath(int task) const { return absl::StrCat(PartOf(task).folder, "/class_iou.txt"); }
  // The network that has learnt the first task, where the run begins with one.
  std::string Start() const {
    if (options_.method == Method::kJoint || options_.first_task_alone) return "";
    return context_.start_weights.empty() ? options_.network.cold_start : context_.start_weights;
  }
  // Asks for the user's signal where there is one rank; several are stopped together, between steps.
  std::function<bool()> Stop() const {
    if (context_.collective.world_size() > 1) return nullptr;
    return [this] { return context_.interrupt.stop_requested(); };
  }
  // A network of an earlier task, with the signal that this run is evaluated with.
  absl::StatusOr<SavedNetwork> Load(const std::string& path) const;
  // The network that has learnt the tasks up to `task`.
  std::string WeightsAfter(int task) const {
    return task == 0 && !Start().empty() ? Start() : absl::StrCat(PartOf(task).folder, "/weights.safetensors");
  }
  OpenedData DataOf(int task) const;
  // With the length and the learning rate of that task.
  ContinualOptions OptionsOf(int task) const;
  absl::StatusOr<std::unique_ptr<Supervision>> SupervisionOf(const ContinualOptions& options, int task,
                                                             Network& network, const OpenedData& data,
                                                             const RunContext& part) const;
  absl::StatusOr<RunRecord> RunTask(int task);
  absl::StatusOr<RunRecord> Train(int task, const RunContext& part);
  // The first task's record of a network that begins with it.
  absl::StatusOr<RunRecord> EvaluateStart(const RunContext& part);
  absl::Status EvaluateWholeImages(RunRecord& record);
  absl::Status AddEarlierPredictions(RunRecord& record);
  absl::Status Keep(RunRecord& record, const ClassHistory& history);

  const ContinualOptions& options_;
  const RunContext& context_;
  OpenedData opened_;
  std::optional<TaskData> tasks_;
  int count_ = 0;  // of the tasks that are run
  int tasks_of_protocol_ = 0, first_task_classes_ = 0;
};

absl::Status Sequence::Open() {
  absl::StatusOr<OpenedData> opened = OpenData(options_.data);
  if (!opened.ok()) return opened.status();
  opened_ = *std::move(opened);
  absl::StatusOr<InferenceOptions> inference = options_.windows.Override(opened_.inference);
  if (!inference.ok()) return inference.status();
  opened_.inference = *std::move(inference);
  if (options_.area_crops)
    opened_.augmentation = {data::RandomResizedCrop({.height = opened_.crop_height, .width = opened_.crop_width}),
                            data::HorizontalFlip(0.5f)};
  absl::StatusOr<seg::ContinualProtocol> protocol = ProtocolOf(options_, opened_.training->info());
  if (!protocol.ok()) return protocol.status();
  first_task_classes_ = static_cast<int>(protocol->tasks[0].size());
  tasks_of_protocol_ = protocol->steps();
  if (options_.method == Method::kJoint) *protocol = AtOnce(*protocol);
  count_ = options_.first_task_alone ? 1 : protocol->steps();
  absl::StatusOr<TaskData> sorted = TaskData::Create(*protocol, *opened_.training, *opened_.validation, options_.images,
                                                     std::max(options_.training.loader_threads, 1), Stop());
  if (!sorted.ok()) return sorted.status();
  tasks_ = *std::move(sorted);
  if (tasks_of_protocol_ > 1 && options_.method != Method::kJoint) {
    const auto make = [&](int task) {
      return MakeNetwork(options_.network.model, protocol->Seen(task), autograd::RandomKey(0),
                         {.latent = options_.modulated ? std::optional(options_.latent.config) : std::nullopt});
    };
    const absl::StatusOr<std::unique_ptr<Network>> first = make(0), second = make(1);
    if (!first.ok()) return WrongFlag(absl::StrCat("--model: ", first.status().message()));
    if (absl::Status status = second.ok() ? GrowFrom(**first, **second) : second.status(); !status.ok())
      return WrongFlag(absl::StrCat("--model=", options_.network.model, ": ", status.message()));
  }
  if (context_.first_rank()) std::printf("  %s\n", tasks_->Description().c_str());
  std::fflush(stdout);
  return absl::OkStatus();
}

absl::StatusOr<SavedNetwork> Sequence::Load(const std::string& path) const {
  absl::StatusOr<SavedNetwork> loaded = LoadNetwork(path);
  if (loaded.ok() && loaded->network->latent() != nullptr)
    loaded->network->latent()->inference = options_.latent.inference;
  return loaded;
}

OpenedData Sequence::DataOf(int task) const {
  OpenedData data;
  data.training =
      tasks_->Training(task, options_.method == Method::kMib ? seg::VoidPixels::kBackground : seg::VoidPixels::kVoid);
  data.validation = tasks_->Validation(task);
  if (options_.evaluation_crop > 0)
    data.validation = std::make_unique<data::CenterCropView>(std::move(data.validation), options_.evaluation_crop);
  data.augmentation = opened_.augmentation;
  data.crop_height = opened_.crop_height;
  data.crop_width = opened_.crop_width;
  data.inference = opened_.inference;
  data.root = opened_.root;
  data.description = opened_.description;
  const int classes = data.validation->info().num_classes(), first = first_task_classes_;
  data.scorer = [classes, first] { return std::make_unique<ContinualScorer>(classes, first); };
  return data;
}

ContinualOptions Sequence::OptionsOf(int task) const {
  ContinualOptions options = options_;
  options.network.cold_start.clear();  // Start() says what it is here
  if (task > 0) {
    options.training.steps = options_.later_steps;
    options.gradient.learning_rate = options_.later_rate;
    options.gradient.last_layer_factor = options_.later_last_layer_factor;
    options.network.init_weights.clear();
  } else if (options_.method == Method::kJoint) {
    options.training.steps += (tasks_of_protocol_ - 1) * options_.later_steps;
  }
  const double epochs = task > 0 ? options_.later_epochs : options_.epochs;
  if (epochs > 0) {
    const int64_t batches =
        tasks_->TrainingImages(task) / (options.training.batch_size * context_.collective.world_size());
    options.training.steps = std::max<int64_t>(std::llround(epochs * static_cast<double>(batches)), 1);
  }
  if (task > 0) options.gradient.warm_up_steps = std::min(options.gradient.warm_up_steps, options.training.steps / 10);
  return options;
}

absl::StatusOr<std::unique_ptr<Supervision>> Sequence::SupervisionOf(const ContinualOptions& options, int task,
                                                                     Network& network, const OpenedData& data,
                                                                     const RunContext& part) const {
  if (task == 0) return std::make_unique<LabelSupervision>();
  absl::StatusOr<SavedNetwork> old = Load(WeightsAfter(task - 1));
  if (!old.ok()) return old.status();
  if (absl::Status status = GrowFrom(*old->network, network); !status.ok())
    return absl::Status(status.code(), absl::StrCat(WeightsAfter(task - 1), ": ", status.message()));
  switch (options.method) {
    case Method::kFineTuning:
    case Method::kJoint:
      return std::make_unique<LabelSupervision>();
    case Method::kMib:
      return std::make_unique<MibSupervision>(options, std::move(old->network));
    case Method::kPlop:
      return std::make_unique<PlopSupervision>(options, network, std::move(old->network), data, part);
  }
  return absl::InternalError("a continual method without a supervision");
}

absl::StatusOr<RunRecord> Sequence::Train(int task, const RunContext& part) {
  const ContinualOptions options = OptionsOf(task);
  const OpenedData data = DataOf(task);
  const std::optional<LatentSettings> latent =
      options.modulated ? std::optional(options.latent) : std::optional<LatentSettings>();
  absl::StatusOr<std::unique_ptr<Network>> network =
      StartNetwork(options.network, data.validation->info(), part, /*auxiliary_head=*/false, latent);
  if (!network.ok()) return network.status();
  if (absl::Status status = CheckTrainingShape(**network, options.training, data, part.collective); !status.ok())
    return status;
  absl::StatusOr<std::unique_ptr<Supervision>> supervision = SupervisionOf(options, task, **network, data, part);
  if (!supervision.ok()) return supervision.status();
  std::unique_ptr<Objective> objective;
  if (options.modulated) {
    objective = std::make_unique<latent::LatentObjective>(options, **network, *std::move(supervision));
  } else {
    objective = std::make_unique<Supervised>(**network, 0, *std::move(supervision));
  }
  const GradientOptions gradient = latent::GradientOf(options, **network);
  const absl::StatusOr<std::unique_ptr<GradientLearner>> learner =
      GradientLearner::Create(options.training, gradient, *objective, data, part);
  if (!learner.ok()) return learner.status();
  NetworkDescription description = Describe(options.network, options.data, data);
  description.latent = latent;
  absl::StatusOr<RunRecord> record =
      experiments::Train(options.training, **learner, **network, data, description, part);
  if (!record.ok() || record->interrupted) return record;
  std::optional<nn::AverageScope> averaged;
  if ((*learner)->average() != nullptr) averaged.emplace(*(*learner)->average());
  if (absl::Status status = KeepNetwork(**network, description, part, *record); !status.ok()) return status;
  return record;
}

absl::StatusOr<RunRecord> Sequence::EvaluateStart(const RunContext& part) {
  const OpenedData data = DataOf(0);
  absl::StatusOr<SavedNetwork> start = Load(Start());
  if (!start.ok()) return start.status();
  if (start->description.info.class_names != data.validation->info().class_names)
    return absl::InvalidArgumentError(absl::StrCat(
        Start(), ": is a network of ", absl::StrJoin(start->description.info.class_names, ", "), "; the first task of ",
        options_.protocol, " teaches ", absl::StrJoin(data.validation->info().class_names, ", ")));
  if (start->description.precision != options_.network.precision)
    return absl::InvalidArgumentError(absl::StrCat(Start(), ": is a network of another --precision"));
  const std::unique_ptr<Scorer> scorer = data.NewScorer();
  const absl::StatusOr<Evaluation> evaluation = Evaluate(
      *start->network, *data.validation, data.inference, *scorer,
      {.reader_threads = options_.training.loader_threads, .collective = &context_.collective, .stop = Stop()});
  if (!evaluation.ok()) return evaluation.status();
  RunRecord record;
  record.scores = evaluation->scores;
  record.class_iou = evaluation->confusion.ClassIou();
  for (const seg::ClassCounts& counts : evaluation->confusion.ByClass()) record.label_pixels.push_back(counts.truth);
  record.dataset = data.validation->info();
  if (part.first_rank()) {
    std::error_code error;
    std::filesystem::create_directories(part.folder, error);  // what is written there says what is wrong
    std::printf("  the first task's network is that of %s\n", Start().c_str());
  }
  return record;
}

absl::StatusOr<RunRecord> Sequence::RunTask(int task) {
  RunContext part = PartOf(task);
  part.start_weights.clear();
  absl::StatusOr<RunRecord> record = context_.resume ? ReadRecord(part) : absl::NotFoundError("");
  if (record.ok()) {
    if (part.accepted != nullptr) {
      if (absl::Status status = part.accepted(); !status.ok()) return status;
    }
    record->dataset = DataOf(task).validation->info();
    absl::StatusOr<std::vector<double>> iou = ReadClassIou(ClassIouPath(task), record->dataset.class_names.size());
    if (!iou.ok()) return iou.status();
    record->class_iou = *std::move(iou);
    if (context_.first_rank()) std::printf("  task %d of %d is finished\n", task + 1, count_);
    return record;
  }
  // A single task may go on, as any run; in a sequence the next one has been taught after it.
  if (absl::IsOutOfRange(record.status()) && count_ > 1)
    return absl::FailedPreconditionError(
        absl::StrCat(record.status().message(), "; task ", task + 1,
                     " is taught already: leave that out, or choose another --output"));
  if (!absl::IsNotFound(record.status()) && !absl::IsOutOfRange(record.status())) return record.status();
  record = task == 0 && !Start().empty() ? EvaluateStart(part) : Train(task, part);
  if (!record.ok() || record->interrupted) return record;
  record->class_iou = IouOfLabels(std::move(record->class_iou), record->label_pixels);
  if (part.first_rank()) {
    if (absl::Status status = WriteClassIou(ClassIouPath(task), record->class_iou); !status.ok()) return status;
    if (absl::Status status = WriteRecord(part, *record); !status.ok()) return status;
  }
  part.collective.Barrier();  // every rank finds the network and the record
  // Arrays of the next task have other sizes, as it has more classes: what is kept for this one's would only add up.
  autograd::Stream::Current().allocator().Trim();
#ifdef __GLIBC__
  malloc_trim(0);
#endif
  return record;
}

absl::Status Sequence::EvaluateWholeImages(RunRecord& record) {
  absl::StatusOr<SavedNetwork> last = Load(WeightsAfter(count_ - 1));
  if (!last.ok()) return last.status();
  const std::unique_ptr<data::Dataset> validation = tasks_->Validation(count_ - 1);
  ContinualScorer scorer(validation->info().num_classes(), first_task_classes_);
  const absl::StatusOr<Evaluation> evaluation = Evaluate(
      *last->network, *validation, opened_.inference, scorer,
      {.reader_threads = options_.training.loader_threads, .collective = &context_.collective, .stop = Stop()});
  if (!evaluation.ok()) return evaluation.status();
  for (const char* name : {"all", "old", "new"}) {
    if (const Score* score = FindScore(evaluation->scores, name); score != nullptr)
      record.scores.push_back({absl::StrCat("whole images ", name), score->value});
  }
  return absl::OkStatus();
}

absl::Status Sequence::AddEarlierPredictions(RunRecord& record) {
  if (record.examples.empty()) return absl::OkStatus();
  const int earlier = count_ - 1, shown = std::min(earlier, kShownTasks);
  for (int i = 0; i < shown; ++i) {
    const int task = i * earlier / shown;
    absl::StatusOr<SavedNetwork> network = Load(WeightsAfter(task));
    if (!network.ok()) return network.status();
    const data::DatasetInfo info = tasks_->InfoAfter(task);
    for (Example& example : record.examples) {
      example.panels.push_back(ColorLabels(
          Predict(*network->network, example.image, data::Normalization(info), opened_.inference), info.palette));
      example.captions.push_back(absl::StrCat("after task ", task + 1));
    }
  }
  return absl::OkStatus();
}

absl::Status Sequence::Keep(RunRecord& record, const ClassHistory& history) {
  if (!context_.first_rank()) return absl::OkStatus();
  const data::Image picture = DrawHistory(history, record.dataset, FirstClasses(tasks_->protocol()));
  record.pictures.push_back({"IoU of every class after every task, in per cent", picture});
  if (absl::Status status = data::WritePng(absl::StrCat(context_.folder, "/classes.png"), picture); !status.ok())
    return status;
  if (absl::Status status = autograd::WriteFileAtomically(absl::StrCat(context_.folder, "/classes.csv"),
                                                          HistoryCsv(history, record.dataset));
      !status.ok())
    return status;
  const absl::StatusOr<std::string> weights = autograd::ReadFile(WeightsAfter(count_ - 1));
  if (!weights.ok()) return weights.status();
  return autograd::WriteFileAtomically(absl::StrCat(context_.folder, "/weights.safetensors"), *weights);
}

absl::StatusOr<RunRecord> Sequence::Run() {
  RunRecord whole;
  ClassHistory history;
  double sum_of_all = 0;
  for (int task = 0; task < count_; ++task) {
    absl::StatusOr<RunRecord> record = RunTask(task);
    if (!record.ok()) return record.status();
    const int64_t before = whole.steps;
    const auto append = [before](const std::vector<Curve>& from, std::vector<Curve>& to) {
      for (const Curve& curve : from) {
        std::vector<CurvePoint>& points = PointsOf(to, curve.name);
        for (const CurvePoint& point : curve.points) points.push_back({before + point.step, point.value});
      }
    };
    append(record->curves.training, whole.curves.training);
    whole.steps += record->steps;
    whole.seconds += record->seconds;
    whole.images_per_second = record->images_per_second;
    if (record->interrupted) {
      whole.interrupted = true;
      return whole;
    }
    for (const char* name : {"all", "old", "new"}) {
      if (const Score* score = FindScore(record->scores, name); score != nullptr)
        PointsOf(whole.curves.validation, name).push_back({whole.steps, score->value});
    }
    if (const Score* all = FindScore(record->scores, "all"); all != nullptr) sum_of_all += all->value;
    history.push_back(record->class_iou);
    whole.scores = record->scores;
    whole.class_iou = record->class_iou;
    whole.dataset = record->dataset;
    whole.examples = std::move(record->examples);
  }
  whole.scores.push_back({"average", sum_of_all / static_cast<double>(count_)});
  if (const double lost = Forgetting(history, FirstClasses(tasks_->protocol())); std::isfinite(lost))
    whole.scores.push_back({"forgetting", lost});
  if (options_.evaluation_crop > 0 && !options_.first_task_alone) {
    if (absl::Status status = EvaluateWholeImages(whole); !status.ok()) return status;
  }
  if (absl::Status status = AddEarlierPredictions(whole); !status.ok()) return status;
  if (absl::Status status = Keep(whole, history); !status.ok()) return status;
  return whole;
}

absl::Status Check(const std::string& row, const ContinualOptions& options) {
  if (options.auxiliary_weight != 0)
    return WrongFlag("--auxiliary_weight: continual learning extends one layer, and has no auxiliary heads; use 0");
  if (options.data.name == "scenes" && options.data.scene_images == 0)
    return WrongFlag(
        "--scene_images=0: a task's images are chosen from finitely many; say how many scenes there are to be");
  if (!options.targets.empty())
    return WrongFlag("--target: continual learning scores its own dataset alone; leave it out");
  if (options.area_crops && options.data.image_scale != 1)
    return WrongFlag("--area_crops: such crops know no --image_scale; leave one of the two out");
  if (!options.network.cold_start.empty() && options.method != Method::kJoint && !options.first_task_alone) {
    const absl::StatusOr<NetworkDescription> start = ReadDescription(options.network.cold_start);
    if (!start.ok()) return start.status();
    if (start->latent.has_value() != options.modulated)
      return WrongFlag(absl::StrCat("--cold_start=", options.network.cold_start, " is a network ",
                                    options.modulated ? "without a" : "with a", " latent policy, and '", row,
                                    "' begins with one ", options.modulated ? "with" : "without",
                                    "; choose other --rows"));
  }
  if (options.gradient.capture)
    return WrongFlag("--capture records a step that reads nothing back, and pseudo-labels do; leave it out");
  return latent::Check(row, options);
}

}  // namespace

absl::StatusOr<RunRecord> Run(const ContinualOptions& options, const RunContext& context) {
  Sequence sequence(options, context);
  absl::Status status = sequence.Open();
  if (status.ok()) {
    absl::StatusOr<RunRecord> record = sequence.Run();
    if (record.ok()) return record;
    status = record.status();
  }
  if (!absl::IsCancelled(status)) return status;
  RunRecord record;  // stopped between tasks or before the first step of one
  record.interrupted = true;
  return record;
}

Experiment<ContinualOptions> BaseExperiment() {
  Experiment<ContinualOptions> experiment;
  experiment.title = "Continual segmentation: PLOP and a latent policy";
  experiment.presets = {{"quick", "scenes"}, {"camvid", "photos on a CPU"}, {"paper", "a GPU"}};
  experiment.preset = Preset;
  experiment.methods = Methods;
  experiment.run = Run;
  experiment.check = Check;
  return experiment;
}

}  // namespace experiments::continual
