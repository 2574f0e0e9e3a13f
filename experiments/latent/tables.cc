#include "experiments/latent/tables.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "experiments/latent/targets.h"

namespace experiments::latent {
namespace {

using Options = LatentOptions;

std::vector<Published> Miou(double percent) { return {{"mIoU", percent}}; }

Options Plain(const Options& base) {
  Options options = base;
  options.modulated = false;
  return options;
}

Options Method(const Options& base) {
  Options options = base;
  options.modulated = true;
  return options;
}

Options Frozen(const Options& base) {
  Options options = Method(base);
  options.frozen_policy = true;
  return options;
}

Options Weighted(const Options& base, double policy_weight, double divergence_weight) {
  Options options = Method(base);
  options.policy_weight = policy_weight;
  options.divergence_weight = divergence_weight;
  return options;
}

Options ScoreOnly(const Options& base) {
  Options options = Method(base);
  options.pathwise = false;
  return options;
}

Options LeaveOneOut(const Options& base, int draws) {
  Options options = Method(base);
  options.draws = draws;
  options.baseline = rl::Baseline::kLeaveOneOut;
  return options;
}

Options OneDrawAChannel(const Options& base) {
  Options options = Method(base);
  options.latent.config.draw = seg::LatentDraw::kChannel;
  return options;
}

Options Modulated(const Options& base, seg::Modulation kind) {
  Options options = Method(base);
  options.latent.config.modulation.kind = kind;
  return options;
}

Options AgainstMode(const Options& base) {
  Options options = Method(base);
  options.baseline = rl::Baseline::kMode;
  return options;
}

Options SoftIou(const Options& base) {
  Options options = PathwiseOnly(base);
  if (options.soft_iou_weight == 0) options.soft_iou_weight = 1;
  return options;
}

// All of the action's leverage together: few numbers, that scale features, against the image's other draws.
Options Leverage(const Options& base) {
  Options options = LeaveOneOut(Modulated(OneDrawAChannel(base), seg::Modulation::kMultiplication), 4);
  return options;
}

// A table that is not the paper's.
Table<Options> OwnTable(const Options& base, std::string title, std::vector<std::string> columns,
                        std::string note = "") {
  Table<Options> table;
  table.title = std::move(title);
  table.note = std::move(note);
  table.columns = std::move(columns);
  for (std::string& column : TargetColumns(base)) table.columns.push_back(std::move(column));
  return table;
}

Table<Options> NewTable(const Options& base, std::string title, std::string published_on = "voc2012",
                        std::string note = "") {
  Table<Options> table = OwnTable(base, std::move(title), {"mIoU"}, std::move(note));
  table.published_on = std::move(published_on);
  return table;
}

class Rows {
 public:
  explicit Rows(Table<Options>& table) : table_(table) {}
  Row<Options>& Add(const std::string& name, const std::string& folder, Options options,
                    std::vector<Published> published = {}) {
    table_.rows.push_back(Row<Options>(name, folder, std::move(options)).Paper(std::move(published)));
    return table_.rows.back();
  }

 private:
  Table<Options>& table_;
};

void AddControls(Rows& rows, const Options& base, const std::string& start) {
  const auto add = [&](const std::string& name, const std::string& folder, Options options) {
    Row<Options>& row = rows.Add(name, start.empty() ? folder : absl::StrCat("trained_", folder), std::move(options));
    if (!start.empty()) row = row.From(start);
  };
  if (!start.empty()) add("attention, no signal, trained on", "zero", WithoutSignal(base));
  add("labels alone through s (lambda 0)", "pathwise", PathwiseOnly(base));
  add("noise of deviation 1", "noise", Noise(base));
  add("policy frozen at random", "frozen", Frozen(base));
  add("KL alone", "kl", Weighted(base, 0, 1));
  add("the method", "method", Method(base));
  add("no gradient of labels through s", "score", ScoreOnly(base));
  add("4 draws, labels alone", "pathwise_4", [&] {
    Options options = PathwiseOnly(base);
    options.draws = 4;
    return options;
  }());
  add("4 draws, leave one out", "leave_one_out", LeaveOneOut(base, 4));
  add("one draw a channel", "channel", OneDrawAChannel(base));
  add("multiplication", "multiplication", Modulated(base, seg::Modulation::kMultiplication));
  add("multiplication, lambda 0", "multiplication_pathwise",
      PathwiseOnly(Modulated(base, seg::Modulation::kMultiplication)));
  add("against s = mu", "mode", AgainstMode(base));
  add("4 draws a channel, multiplication", "leverage", Leverage(base));
  add("the same, lambda 0", "leverage_pathwise", PathwiseOnly(Leverage(base)));
  add("soft IoU's own gradient", "soft_iou", SoftIou(base));
}

constexpr char kControlsNote[] =
    "Within: share of the reward's variance that is within images. Cosines: between the gradients of two draws, at the "
    "policy's parameters, of L_P and of the cross-entropy through s; means over the run. Rows with several draws or "
    "multiplication have a twin with lambda 0 of their own.";

Table<Options> ControlsTable(const Options& base, std::string title) {
  return OwnTable(base, std::move(title), {"mIoU", "s = 0 mIoU", "sampled mIoU", "within", "cosine L_P", "cosine CE"},
                  kControlsNote);
}

// The recipe that SSSegmentation's zoo has for the network's family. The micro networks keep that of the preset.
Options Recipe(const Options& base, const std::string& model) {
  Options options = base;
  options.network.model = model;
  const bool cityscapes = base.data.name == "cityscapes";
  if (absl::EndsWith(model, "_micro")) return options;
  if (absl::StartsWith(model, "segformer_")) {
    options.auxiliary_weight = 0;
    options.gradient.optimizer = OptimizerKind::kAdamW;
    options.gradient.learning_rate = 6e-5;
    options.gradient.weight_decay = 0.01;
    options.gradient.power = 1;
    options.gradient.final_rate = 0;
    options.gradient.warm_up_steps = 1500;
    options.gradient.warm_up_factor = 1e-6;
    options.head_rate_factor = 10;
    if (cityscapes) {
      options.training.steps = 2 * base.training.steps;
      options.data.crop = 1024;
    }
  } else if (absl::StartsWith(model, "setr_")) {
    options.gradient.learning_rate = cityscapes ? 0.01 : 0.001;  // of the encoder
    options.head_rate_factor = 10;
    options.gradient.weight_decay = 0;
  }
  return options;
}

}  // namespace

Table<Options> Methods(const Options& base) {
  Table<Options> table =
      OwnTable(base, "A latent policy, beside the network as it is and two controls", {"mIoU", "pixel accuracy"});
  Rows rows(table);
  rows.Add("network as it is", "plain", Plain(base));
  rows.Add("attention, no signal", "zero", WithoutSignal(base));
  rows.Add("labels alone through s (lambda 0)", "pathwise", PathwiseOnly(base));
  rows.Add("latent policy", "method", Method(base));
  return table;
}

Table<Options> Controls(const Options& base) {
  Table<Options> table = ControlsTable(base, "Controls: what could explain a gain of the policy gradient away");
  Rows rows(table);
  rows.Add("network as it is", "plain", Plain(base));
  rows.Add("attention, no signal", "zero", WithoutSignal(base));
  AddControls(rows, base, "");
  return table;
}

Table<Options> ControlsFromTrained(const Options& base) {
  Table<Options> table = ControlsTable(base, "Controls from a trained start");
  Rows rows(table);
  rows.Add("attention, no signal", "zero", WithoutSignal(base));
  AddControls(rows, base, "zero");
  return table;
}

Table<Options> TableOne(const Options& base) {
  Table<Options> table = NewTable(base, "Table 1: schedules", "voc2012",
                                  "Supervised training is that of the network with attention and no signal. Only RL: "
                                  "no loss reaches the decoder.");
  Options reward_alone = Method(base);
  reward_alone.segmentation_weight = 0;
  Rows rows(table);
  rows.Add("supervised (first half of the next)", "sft", WithoutSignal(base));
  Row<Options>& after = rows.Add("supervised, then RL", "sft_rl", reward_alone, Miou(68.5));
  after = after.From("sft");
  rows.Add("only RL", "only_rl", reward_alone, Miou(6.4));
  rows.Add("joint", "method", Method(base), Miou(78.5));
  return table;
}

template <Quoted kQuoted>
Table<Options> TableTwo(const Options& base) {
  struct Line {
    const char *name, *folder, *micro, *full;
    double plain[3], latent[3];
  };
  constexpr Line kLines[] = {
      {"FCN, ResNet-50", "fcn", "fcn_micro", "fcn_resnet50_sss", {67.8, 37.0, 75.2}, {78.5, 44.1, 79.8}},
      {"SegFormer, MiT-B1", "b1", "segformer_micro", "segformer_mit_b1_mmseg", {77.5, 42.3, 78.6}, {78.7, 43.4, 79.8}},
      {"SegFormer, MiT-B3", "b3", "", "segformer_mit_b3_mmseg", {82.0, 48.3, 82.0}, {83.5, 49.8, 83.3}},
      {"SETR-Naive, ViT-L", "setr", "setr_micro", "setr_vit_large_patch16", {84.5, 48.4, 78.4}, {85.5, 49.5, 80.2}}};
  const bool micro = absl::EndsWith(base.network.model, "micro");
  const char* const data = kQuoted == Quoted::kVoc2012  ? "voc2012"
                           : kQuoted == Quoted::kAde20k ? "ade20k"
                                                        : "cityscapes";
  constexpr int kColumn = static_cast<int>(kQuoted);
  Table<Options> table = NewTable(base, "Table 2: networks", data,
                                  micro ? "Measured with the micro networks of each family; MiT-B3 has none." : "");
  Rows rows(table);
  for (const Line& line : kLines) {
    const std::string model = micro ? line.micro : line.full;
    if (model.empty()) continue;
    const Options options = Recipe(base, model);
    rows.Add(line.name, absl::StrCat(line.folder, "_plain"), Plain(options), Miou(line.plain[kColumn]));
    rows.Add(absl::StrCat(line.name, ", lambda 0"), absl::StrCat(line.folder, "_pathwise"), PathwiseOnly(options));
    rows.Add(absl::StrCat(line.name, ", latent policy"), absl::StrCat(line.folder, "_method"), Method(options),
             Miou(line.latent[kColumn]));
  }
  return table;
}

Table<Options> TableFour(const Options& base) {
  struct Domain {
    const char *source, *target;
    double plain, latent;
  };
  constexpr Domain kDomains[] = {{"cityscapes", "dark_zurich mIoU", 10.7, 15.9},
                                 {"cityscapes", "nighttime_driving mIoU", 17.9, 26.1},
                                 {"lip", "cihp mIoU", 27.2, 29.0}};
  Table<Options> table = NewTable(
      base, "Table 4: other domains", base.data.name,
      "The first mIoU is the source's, the others are those of targets that nothing was trained on. The paper: FCN "
      "10.7 "
      "(Cityscapes to Dark Zurich), 17.9 (Cityscapes to Nighttime Driving), 27.2 (LIP to CIHP); with latent RL 15.9, "
      "26.1, 29.0. It has no controls.");
  std::vector<Published> plain, latent;
  for (const Domain& domain : kDomains) {
    const bool measured = std::find(table.columns.begin(), table.columns.end(), domain.target) != table.columns.end();
    if (base.data.name != domain.source || !measured) continue;
    plain.push_back({domain.target, domain.plain});
    latent.push_back({domain.target, domain.latent});
  }
  Rows rows(table);
  rows.Add("FCN", "plain", Plain(base), plain);
  rows.Add("labels alone through s (lambda 0)", "pathwise", PathwiseOnly(base));
  rows.Add("noise of deviation 1", "noise", Noise(base));
  rows.Add("latent policy", "method", Method(base), latent);
  return table;
}

Table<Options> TableFiveA(const Options& base) {
  Table<Options> table = NewTable(base, "Table 5a: rewards");
  Rows rows(table);
  rows.Add("FCN", "plain", Plain(base), Miou(67.8));
  const char* const names[] = {"IoU", "IoU + Dice", "IoU + Dice + CE", "IoU + Dice + CE + boundary"};
  const double numbers[] = {77.1, 77.5, 77.9, 78.5};
  for (int parts = 1; parts <= 4; ++parts) {
    Options options = Method(base);
    if (parts < 2) options.reward.dice = 0;
    if (parts < 3) options.reward.cross_entropy = 0;
    if (parts < 4) options.reward.boundary = 0;
    rows.Add(names[parts - 1], parts == 4 ? "method" : absl::StrCat("reward_", parts), options,
             Miou(numbers[parts - 1]));
  }
  return table;
}

Table<Options> TableFiveB(const Options& base) {
  Table<Options> table = NewTable(base, "Table 5b: baselines", "voc2012", "The last two are not the paper's.");
  Rows rows(table);
  rows.Add("FCN", "plain", Plain(base), Miou(67.8));
  const auto with = [&](rl::Baseline baseline) {
    Options options = Method(base);
    options.baseline = baseline;
    return options;
  };
  rows.Add("b = 0", "baseline_zero", with(rl::Baseline::kZero), Miou(76.1));
  rows.Add("b = mean of the batch", "baseline_batch", with(rl::Baseline::kBatchMean), Miou(77.0));
  rows.Add("moving average", "baseline_average", with(rl::Baseline::kMovingAverage), Miou(78.5));
  rows.Add("4 draws, leave one out", "leave_one_out", LeaveOneOut(base, 4));
  rows.Add("reward at s = mu", "mode", AgainstMode(base));
  return table;
}

Table<Options> TableSix(const Options& base) {
  Table<Options> table = NewTable(base, "Table 6: the objective, and the weights of its terms", "voc2012",
                                  "Pairs are lambda_P and lambda_KL.");
  Rows rows(table);
  rows.Add("FCN", "plain", Plain(base), Miou(67.8));
  rows.Add("L_seg only, MultiheadAttention(z, z, z)", "zero", WithoutSignal(base), Miou(71.1));
  rows.Add("L_seg + L_policy", "weights_1_0", Weighted(base, 1, 0), Miou(77.9));
  rows.Add("L_seg + L_policy + L_KL", "method", Method(base), Miou(78.5));
  struct Weights {
    double policy, divergence, published;
  };
  constexpr Weights kGrid[] = {{0, 0, 76.0},  {.1, .1, 77.8}, {.1, 1, 76.8},    {.1, 10, 73.2},
                               {1, .1, 77.2}, {1, 1, 78.5},   {1, 10, 76.9},    {10, .1, 77.0},
                               {10, 1, 77.4}, {10, 10, 77.9}, {100, 100, 63.2}, {1000, 1000, 4.9}};
  for (const Weights& w : kGrid)
    rows.Add(absl::StrCat(w.policy, ", ", w.divergence), absl::StrCat("weights_", w.policy, "_", w.divergence),
             Weighted(base, w.policy, w.divergence), Miou(w.published));
  return table;
}

Table<Options> TableSeven(const Options& base) {
  Table<Options> table = NewTable(base, "Table 7: modulation");
  Rows rows(table);
  rows.Add("FCN", "plain", Plain(base), Miou(67.8));
  rows.Add("addition", "addition", Modulated(base, seg::Modulation::kAddition), Miou(68.9));
  rows.Add("multiplication", "multiplication", Modulated(base, seg::Modulation::kMultiplication), Miou(71.8));
  rows.Add("concatenation", "concatenation", Modulated(base, seg::Modulation::kConcatenation), Miou(69.1));
  rows.Add("attention", "attention", Modulated(base, seg::Modulation::kAttention), Miou(78.5));
  return table;
}

Table<Options> TableEight(const Options& base) {
  Table<Options> table = NewTable(base, "Table 8: bound of log sigma");
  Options unbounded = Method(base), bounded = Method(base);
  unbounded.latent.config.policy.bounded = false;
  bounded.latent.config.policy.bounded = true;
  Rows rows(table);
  rows.Add("FCN", "plain", Plain(base), Miou(67.8));
  rows.Add("unbounded", "unbounded", unbounded, Miou(43.5));
  rows.Add("4 tanh", "bounded", bounded, Miou(78.5));
  return table;
}

template Table<Options> TableTwo<Quoted::kVoc2012>(const Options&);
template Table<Options> TableTwo<Quoted::kAde20k>(const Options&);
template Table<Options> TableTwo<Quoted::kCityscapes>(const Options&);

}  // namespace experiments::latent
