#include "experiments/ciss/tables.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace experiments::ciss {
namespace {

using seg::ContextRule;

constexpr char kFeatures[] = "pspnet";  // folder of the row that the others have their features from

CissOptions Pretraining(const CissOptions& base) {
  CissOptions options = base;
  options.pretraining = true;
  options.workers = 1;
  absl::string_view encoder = base.network.model;
  if (absl::ConsumePrefix(&encoder, "ciss_")) options.network.model = absl::StrCat("pspnet_", encoder);
  options.training.steps = base.pretraining_steps;
  options.context_rate_factor = 1;
  return options;
}

CissOptions Ciss(const CissOptions& base) {
  CissOptions options = base;
  options.context.choice.rule = ContextRule::kAgent;
  return options;
}

// S-Net with contexts that nobody learns to choose.
CissOptions Fixed(const CissOptions& base, ContextRule rule) {
  CissOptions options = base;
  options.context.choice.rule = rule;
  return options;
}

// One net reads X, without any context.
CissOptions BaseAlone(const CissOptions& base) {
  CissOptions options = Fixed(base, ContextRule::kEmpty);
  options.rollout = 0;
  options.context.steps = 0;
  return options;
}

CissOptions Random(const CissOptions& base) { return Fixed(base, ContextRule::kRandom); }

CissOptions Confident(const CissOptions& base, double confidence) {
  CissOptions options = Fixed(base, ContextRule::kConfident);
  options.context.choice.confidence = confidence;
  return options;
}

// "baseline + gated (p-map)" of Table 4: next to no exploration.
CissOptions Gated(const CissOptions& base) {
  CissOptions options = Ciss(base);
  options.entropy_weight = 0.001;
  return options;
}

// The agent as the paper trains it: a critic, later rewards, a window as large as C-Net's view, drawn contexts.
CissOptions AsPublished(const CissOptions& base) {
  const CissOptions published;
  CissOptions options = Ciss(base);
  options.group_size = published.group_size;
  options.greedy_rollout = published.greedy_rollout;
  options.discount = published.discount;
  options.reward_window = published.reward_window;
  options.entropy_weight = published.entropy_weight;
  return options;
}

// Rows that begin with the features of a hidden row, or with --cold_start.
class Rows {
 public:
  Rows(Table<CissOptions>& table, const CissOptions& base) : table_(table), base_(base) {}  // NOLINT

  Row<CissOptions>& Add(const std::string& name, const std::string& folder, const CissOptions& options,
                        std::vector<Published> published = {}) {
    Row<CissOptions> row = Row<CissOptions>(name, folder, options).Paper(std::move(published));
    if (!options.pretraining && base_.network.cold_start.empty()) row = row.From(kFeatures);
    table_.rows.push_back(std::move(row));
    return table_.rows.back();
  }
  void AddFeatures(std::vector<Published> published = {}) {
    Add("PSPNet", kFeatures, Pretraining(base_), std::move(published));
    shown_ = true;
  }
  // Without them, a hidden row.
  void Finish() {
    if (shown_ || !base_.network.cold_start.empty()) return;
    table_.rows.push_back(Row<CissOptions>("PSPNet (features)", kFeatures, Pretraining(base_)).Hidden());
  }

 private:
  Table<CissOptions>& table_;
  const CissOptions& base_;
  bool shown_ = false;
};

const char* DatasetOf(Quoted quoted) {
  return quoted == Quoted::kAde20k ? "ade20k" : quoted == Quoted::kCityscapes ? "cityscapes" : "pascal_context_60";
}

Table<CissOptions> NewTable(std::string title, Quoted quoted, std::string note = "") {
  Table<CissOptions> table;
  table.title = std::move(title);
  table.published_on = DatasetOf(quoted);
  table.note = std::move(note);
  return table;
}

std::vector<Published> Miou(double percent) { return {{"mIoU", percent}}; }

// One row of Tables 2 and 3: the paper's scores of a setting on the dataset that is quoted.
std::vector<Published> Sensitivity(Quoted quoted, double city_iou, double city_iiou, double ade_iou,
                                   double ade_accuracy) {
  if (quoted == Quoted::kCityscapes) return {{"IoU class", city_iou}, {"iIoU class", city_iiou}};
  return {{"mIoU", ade_iou}, {"pixel accuracy", ade_accuracy}};
}

// The scores of the dataset's own program where it has one.
void SetColumns(Table<CissOptions>& table, Quoted quoted, const CissOptions& base) {
  if (quoted == Quoted::kCityscapes && base.data.name == "cityscapes") table.columns = {"IoU class", "iIoU class"};
}

}  // namespace

Table<CissOptions> Methods(const CissOptions& base) {
  Table<CissOptions> table;
  table.title = "Context chosen by an agent, beside Base alone and the whole p-map";
  table.columns = {"mIoU", "pixel accuracy", "adopted", "precision"};
  Rows rows(table, base);
  rows.AddFeatures();
  rows.Add("Base", "base", BaseAlone(base));
  rows.Add("Base + Bias, p-map", "pmap", Fixed(base, ContextRule::kFull));
  rows.Add("CiSS-Net", "ciss", Ciss(base));
  return table;
}

Table<CissOptions> Controls(const CissOptions& base) {
  Table<CissOptions> table;
  table.title = "Controls: what could explain a gain of CiSS-Net away";
  table.columns = {"mIoU", "adopted", "precision", "AUC", "confidence AUC", "swap full", "swap random", "swap right"};
  table.note =
      "Adopted and precision: of the labels of Base. AUC: of the policy, and of Base's confidence, against what is "
      "right. Swaps: mIoU of the same network with other contexts at test time; 'right' knows the labels.";
  Rows rows(table, base);
  rows.AddFeatures();
  rows.Add("Base", "base", BaseAlone(base));
  rows.Add("Base + Bias, empty context", "empty", Fixed(base, ContextRule::kEmpty));
  rows.Add("Base + Bias, p-map", "pmap", Fixed(base, ContextRule::kFull));
  rows.Add("gated (lambda 2 = 0.001)", "gated", Gated(base));
  rows.Add(absl::StrCat("random, ", base.context.choice.share), "random", Random(base));
  for (const double confidence : {0.5, 0.7, 0.9})
    rows.Add(absl::StrCat("confidence >= ", confidence), absl::StrCat("confident_", confidence),
             Confident(base, confidence));
  rows.Add("CiSS-Net, critic (as published)", "ciss_published", AsPublished(base));
  rows.Add("CiSS-Net", "ciss", Ciss(base));
  return table;
}

template <Quoted kQuoted>
Table<CissOptions> TableOne(const CissOptions& base) {
  Table<CissOptions> table =
      NewTable("Table 1: mIoU by the number of steps", kQuoted,
               kQuoted == Quoted::kCityscapes ? "The paper's numbers are of Cityscapes' test split." : "");
  table.columns = {"mIoU"};
  const double city[] = {77.59, 79.21, 79.29, 79.29}, ade[] = {40.97, 42.56, 42.63, 42.66};
  Rows rows(table, base);
  for (int i = 0; i < 4; ++i) {
    Row<CissOptions>& row = rows.Add(absl::StrCat(2 * i, " steps"), "ciss", Ciss(base),
                                     Miou(kQuoted == Quoted::kCityscapes ? city[i] : ade[i]));
    row = row.Showing(absl::StrCat("t=", 2 * i));
  }
  rows.Finish();
  return table;
}

template <Quoted kQuoted>
Table<CissOptions> TableTwo(const CissOptions& base) {
  Table<CissOptions> table =
      NewTable("Table 2: discount (gamma)", kQuoted,
               "As in the paper, whose row of 0.9 is that of 0.02 in Table 3, lambda 2 is 0.02.");
  SetColumns(table, kQuoted, base);
  const double discounts[] = {0.1, 0.3, 0.9};
  const double numbers[][4] = {
      {78.31, 54.39, 41.53, 78.76}, {78.45, 54.61, 41.80, 79.47}, {78.94, 54.97, 42.42, 80.51}};
  Rows rows(table, base);
  for (int i = 0; i < 3; ++i) {
    CissOptions options = Ciss(base);
    options.discount = discounts[i];
    options.entropy_weight = 0.02;
    const double* n = numbers[i];
    rows.Add(absl::StrCat("gamma ", discounts[i]), absl::StrCat("gamma_", discounts[i]), options,
             Sensitivity(kQuoted, n[0], n[1], n[2], n[3]));
  }
  rows.Finish();
  return table;
}

template <Quoted kQuoted>
Table<CissOptions> TableThree(const CissOptions& base) {
  Table<CissOptions> table = NewTable("Table 3: weight of the entropy (lambda 2)", kQuoted);
  SetColumns(table, kQuoted, base);
  const double weights[] = {0.001, 0.005, 0.01, 0.02, 0.05};
  const double numbers[][4] = {{77.23, 53.62, 41.31, 78.68},
                               {78.59, 54.47, 41.90, 79.52},
                               {78.44, 54.38, 42.19, 80.07},
                               {78.94, 54.97, 42.42, 80.51},
                               {79.10, 55.04, 42.56, 80.77}};
  Rows rows(table, base);
  for (int i = 0; i < 5; ++i) {
    CissOptions options = Ciss(base);
    options.entropy_weight = weights[i];
    const double* n = numbers[i];
    rows.Add(absl::StrCat("lambda 2 = ", weights[i]), absl::StrCat("entropy_", weights[i]), options,
             Sensitivity(kQuoted, n[0], n[1], n[2], n[3]));
  }
  rows.Finish();
  return table;
}

template <Quoted kQuoted>
Table<CissOptions> TableFour(const CissOptions& base) {
  constexpr bool kCity = kQuoted == Quoted::kCityscapes;
  Table<CissOptions> table = NewTable("Table 4: ways to use the p-map", kQuoted);
  table.columns = {"mIoU", "pixel accuracy", "adopted", "precision"};
  Rows rows(table, base);
  rows.Add("Baseline", "base", BaseAlone(base), Miou(kCity ? 76.36 : 40.97));
  rows.Add("Baseline + p-map", "pmap", Fixed(base, ContextRule::kFull), Miou(kCity ? 75.19 : 39.44));
  rows.Add("Baseline + gated (p-map)", "gated", Gated(base), Miou(kCity ? 77.23 : 41.31));
  rows.Add("CiSS-Net", "ciss", Ciss(base), Miou(kCity ? 79.10 : 42.56));
  rows.Finish();
  return table;
}

template <Quoted kQuoted>
Table<CissOptions> TableFive(const CissOptions& base) {
  constexpr bool kCity = kQuoted == Quoted::kCityscapes;
  Table<CissOptions> table =
      NewTable("Table 5: recurrent use of the p-map", kQuoted,
               kCity ? "Others in the paper's table: DPN 66.8, CRF-RNN 62.5, GRN+LRN 76.2 (ResNet-101)."
                     : "Others in the paper's table: multi-path feedback RNN 34.6, GRN+LRN 42.6 (ResNet-101).");
  Rows rows(table, base);
  rows.Add("without RL (whole p-map)", "pmap", Fixed(base, ContextRule::kFull), Miou(kCity ? 75.2 : 39.4));
  rows.Add("CiSS-Net", "ciss", Ciss(base), Miou(kCity ? 79.2 : 42.6));
  rows.Finish();
  return table;
}

Table<CissOptions> TableSix(const CissOptions& base) {
  Table<CissOptions> table = NewTable(
      "Table 6: ADE20K, ResNet-50", Quoted::kAde20k,
      "Others in the paper's table (mIoU / pixel accuracy): SegNet 21.64 / 71.00, FCN 29.39 / 71.32, DilatedNet 32.31 "
      "/ "
      "73.55, Cascaded-SegNet 27.51 / 71.83, Cascaded-DilatedNet 34.90 / 74.52, EncNet 41.11 / 79.73; with ResNet-101 "
      "RefineNet 40.2, PSPNet 41.96 / 80.64, GRN+LRN 42.60, DSSPN 42.03 / 80.81, Global-Context 38.37 / 77.76.");
  Rows rows(table, base);
  rows.AddFeatures({{"mIoU", 41.68}, {"pixel accuracy", 80.04}});
  rows.Add("CiSS-Net", "ciss", Ciss(base), {{"mIoU", 42.56}, {"pixel accuracy", 80.77}});
  return table;
}

Table<CissOptions> TableSeven(const CissOptions& base) {
  Table<CissOptions> table = NewTable(
      "Table 7: Pascal Context, 60 classes", Quoted::kPascalContext,
      "The paper's PSPNet has a ResNet-101, ours and CiSS-Net a ResNet-50. Others in the paper's table (pixel accuracy "
      "/ "
      "mIoU): FCN-8s 67.5 / 39.1, CRF-RNN – / 39.3, BoxSup – / 40.5, Context-CRF 71.5 / 43.3, RefineNet – / 47.1, "
      "Global-Context 73.8 / 46.5, Context-Contrasted 78.4 / 51.6 (ResNet-101) and – / 48.1 (ResNet-50).");
  table.columns = {"pixel accuracy", "mIoU"};
  Rows rows(table, base);
  rows.AddFeatures({{"pixel accuracy", 76.0}, {"mIoU", 47.8}});
  rows.Add("CiSS-Net", "ciss", Ciss(base), {{"pixel accuracy", 76.5}, {"mIoU", 48.7}});
  return table;
}

Table<CissOptions> TableEight(const CissOptions& base) {
  Table<CissOptions> table = NewTable(
      "Table 8: Cityscapes", Quoted::kCityscapes,
      "The paper's numbers are the test server's (//experiments:evaluate --export writes what it takes); its text has "
      "the "
      "iIoU. Others in the paper's table (IoU of classes / categories): SegNet 57.0 / 79.1, FCN 65.3 / 85.7, "
      "DilatedNet "
      "67.1 / 86.5, DeepLab 70.4 / 86.4, FRRN 71.8 / 88.9, GRN+LRN 76.2, DSSPN 76.6 / 89.6, DepthAware 78.2 / 89.7.");
  if (base.data.name == "cityscapes") table.columns = {"IoU class", "IoU category", "iIoU class", "iIoU category"};
  Rows rows(table, base);
  rows.AddFeatures({{"IoU class", 78.4}, {"IoU category", 90.6}});
  rows.Add("CiSS-Net", "ciss", Ciss(base),
           {{"IoU class", 79.2}, {"IoU category", 90.7}, {"iIoU class", 55.6}, {"iIoU category", 78.0}});
  return table;
}

template Table<CissOptions> TableOne<Quoted::kAde20k>(const CissOptions&);
template Table<CissOptions> TableOne<Quoted::kCityscapes>(const CissOptions&);
template Table<CissOptions> TableTwo<Quoted::kAde20k>(const CissOptions&);
template Table<CissOptions> TableTwo<Quoted::kCityscapes>(const CissOptions&);
template Table<CissOptions> TableThree<Quoted::kAde20k>(const CissOptions&);
template Table<CissOptions> TableThree<Quoted::kCityscapes>(const CissOptions&);
template Table<CissOptions> TableFour<Quoted::kAde20k>(const CissOptions&);
template Table<CissOptions> TableFour<Quoted::kCityscapes>(const CissOptions&);
template Table<CissOptions> TableFive<Quoted::kAde20k>(const CissOptions&);
template Table<CissOptions> TableFive<Quoted::kCityscapes>(const CissOptions&);

}  // namespace experiments::ciss
