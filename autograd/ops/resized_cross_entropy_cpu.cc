#include <algorithm>
#include <vector>

#include "autograd/ops/bilinear_blends_cpu.h"
#include "autograd/ops/bilinear_cells.h"
#include "autograd/ops/channels_cpu.h"
#include "autograd/ops/pixel_losses_cpu.h"
#include "autograd/ops/resized_cross_entropy_kernels.h"
#include "autograd/ops/softmax_rows_cpu.h"
#include "autograd/runtime/parallel.h"

namespace autograd::cpu {
namespace {

// The other way round: a += Σ near[i]·from[i] and b += Σ far[i]·from[i] for a few neighbours, whose sum is added at
// once: that reads and writes a and b less often, and rounds less.
template <typename Value>
struct Spread {
  static constexpr int kMost = 4;
  const Value* from[kMost];
  Value near[kMost], far[kMost];
  int count = 0;

  void Add(const Value* values, Value to_a, Value to_b) {
    from[count] = values;
    near[count] = to_a;
    far[count++] = to_b;
  }
  bool full() const { return count == kMost; }

  // b may be null: where there is no second input.
  void Flush(int64_t size, Value* a, Value* b) {
    switch (count) {
      case 1:
        Run<1>(size, a, b);
        break;
      case 2:
        Run<2>(size, a, b);
        break;
      case 3:
        Run<3>(size, a, b);
        break;
      case 4:
        Run<4>(size, a, b);
        break;
    }
    count = 0;
  }

 private:
  template <int kCount>
  void Run(int64_t size, Value* __restrict a, Value* __restrict b) const {
    const Value *const x0 = from[0], *const x1 = from[kCount > 1 ? 1 : 0], *const x2 = from[kCount > 2 ? 2 : 0],
                       *const x3 = from[kCount > 3 ? 3 : 0];
    const auto sum = [=](const Value(&w)[kMost], int64_t c) {
      Value value = w[0] * x0[c];
      if constexpr (kCount > 1) value += w[1] * x1[c];
      if constexpr (kCount > 2) value += w[2] * x2[c];
      if constexpr (kCount > 3) value += w[3] * x3[c];
      return value;
    };
    if (b == nullptr) {
      for (int64_t c = 0; c < size; ++c) a[c] += sum(near, c);
    } else {
      for (int64_t c = 0; c < size; ++c) {
        a[c] += sum(near, c);
        b[c] += sum(far, c);
      }
    }
  }
};

template <typename Value>
struct Weights {
  std::vector<Value> of_pixels, of_classes;

  Weights(const Array& weights, const Array& class_weights) {
    if (weights.defined()) of_pixels = Widen<Value>(weights);
    if (class_weights.defined()) of_classes = Widen<Value>(class_weights);
  }
};

// An image is cut into bands of rows of the small logits; a band has the outputs of its rows' cells, whose gradient
// goes to its own rows and to the one below, the first of the next band.
template <typename T, typename Label>
class Bands {
 public:
  using Value = ComputeType<T>;

  Bands(const Array& logits, const Array& labels, const Label* label, const Array& weights, const Array& class_weights,
        int void_label, Array& gradient)
      : logits_(logits.data<T>()),
        label_(label),
        weights_(weights, class_weights),
        void_label_(void_label),
        height_(logits.shape()[1]),
        classes_(logits.shape()[3]),
        row_size_(logits.shape()[2] * classes_),
        label_images_(labels.shape()[0]),
        out_height_(labels.shape()[1]),
        out_width_(labels.shape()[2]),
        rows_(height_, out_height_),
        columns_(logits.shape()[2], out_width_),
        band_(std::max<int64_t>(1, (height_ + kMostBands - 1) / kMostBands)),
        bands_((height_ + band_ - 1) / band_),
        tasks_(logits.shape()[0] * bands_),
        gradient_(gradient.defined() ? gradient.data<Value>() : nullptr),
        below_(gradient_ != nullptr ? tasks_ * row_size_ : 0) {}

  // The sums of each task, those of an image side by side.
  std::vector<PixelLosses> Run() {
    std::vector<PixelLosses> losses(tasks_);
    ParallelFor(tasks_, 1, [&](int64_t begin, int64_t end) {
      Scratch scratch(*this);
      for (int64_t task = begin; task < end; ++task) losses[task] = RunBand(task, scratch);
    });
    if (gradient_ == nullptr) return losses;
    ParallelFor(tasks_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; ++task) {
        const int64_t row = (task % bands_ + 1) * band_;
        if (row >= height_) continue;
        Value* const to = gradient_ + (task / bands_ * height_ + row) * row_size_;
        const Value* const from = below_.data() + task * row_size_;
        for (int64_t c = 0; c < row_size_; ++c) to[c] += from[c];
      }
    });
    return losses;
  }

 private:
  static constexpr int64_t kMostBands = 8;  // of an image; they depend on the extents alone

  struct Scratch {
    explicit Scratch(const Bands& of)
        : row(of.row_size_),
          row_gradient(of.gradient_ != nullptr ? of.row_size_ : 0),
          block(BlockRows(of.classes_)),
          pixels(block * of.classes_),
          exponentials(block * of.classes_),
          largest(block),
          sums(block) {}
    std::vector<Value> row, row_gradient;
    int64_t block;
    std::vector<Value> pixels, exponentials, largest, sums;
  };

  PixelLosses RunBand(int64_t task, Scratch& scratch) {
    const int64_t image = task / bands_, begin = task % bands_ * band_, end = std::min(height_, begin + band_);
    const auto gradient_row = [&](int64_t r) {
      return r < end ? gradient_ + (image * height_ + r) * row_size_ : below_.data() + task * row_size_;
    };
    if (gradient_ != nullptr) std::fill(gradient_row(begin), gradient_row(end - 1) + row_size_, Value(0));
    PixelLosses losses;
    const int64_t last = FirstOutputOfCell(height_, out_height_, end);
    for (int64_t i = FirstOutputOfCell(height_, out_height_, begin); i < last; ++i) {
      const int64_t r = rows_.first[i];
      const T* const above = logits_ + (image * height_ + r) * row_size_;
      Blend(above, above + row_size_, rows_.near[i], rows_.far[i], row_size_, scratch.row.data());
      std::fill(scratch.row_gradient.begin(), scratch.row_gradient.end(), Value(0));
      const int64_t pixel = (image % label_images_ * out_height_ + i) * out_width_;
      for (int64_t j = 0; j < out_width_; j += scratch.block) {
        RunPixels(pixel, j, std::min(out_width_, j + scratch.block), scratch, losses);
      }
      if (gradient_ == nullptr) continue;
      Spread<Value> down;
      down.Add(scratch.row_gradient.data(), rows_.near[i], rows_.far[i]);
      down.Flush(row_size_, gradient_row(r), r + 1 < height_ ? gradient_row(r + 1) : nullptr);
    }
    return losses;
  }

  // The pixels [begin, end) of the row that starts at pixel `row`.
  void RunPixels(int64_t row, int64_t begin, int64_t end, Scratch& scratch, PixelLosses& losses) {
    const int64_t k = classes_;
    for (int64_t j = begin; j < end; ++j) {
      const Value* const left = scratch.row.data() + columns_.first[j] * k;
      Blend(left, left + k, columns_.near[j], columns_.far[j], k, scratch.pixels.data() + (j - begin) * k);
    }
    ExponentiateRows(scratch.pixels.data(), end - begin, k, scratch.exponentials.data(), scratch.largest.data(),
                     scratch.sums.data());
    Spread<Value> across;
    int64_t cell = columns_.first[begin];
    const auto flush = [&] {
      Value* const left = scratch.row_gradient.data() + cell * k;
      across.Flush(k, left, cell + 1 < columns_.in ? left + k : nullptr);
    };
    for (int64_t j = begin; j < end; ++j) {
      const int64_t label = label_[row + j], place = j - begin;
      if (label == void_label_) continue;
      if (label < 0 || label >= k) {
        if (losses.offender < 0) losses.offender = row + j;
        continue;
      }
      const Value log_sum = math::Log(scratch.sums[place]);
      const Value loss = log_sum - (scratch.pixels[place * k + label] - scratch.largest[place]);
      double weight = 1;
      if (!weights_.of_classes.empty()) {
        weight = static_cast<double>(weights_.of_classes[label]);
        losses.weight += weight;
      }
      if (!weights_.of_pixels.empty()) weight *= static_cast<double>(weights_.of_pixels[row + j]);
      losses.loss += weight * static_cast<double>(loss);
      ++losses.valid;
      if (gradient_ == nullptr) continue;
      if (across.full() || columns_.first[j] != cell) {
        flush();
        cell = columns_.first[j];
      }
      // The softmax less one at the label, times the sum: before it is added to other pixels', which it may cancel.
      Value* const difference = scratch.exponentials.data() + place * k;
      difference[label] -= scratch.sums[place];
      const Value factor = static_cast<Value>(weight) / scratch.sums[place];
      across.Add(difference, factor * columns_.near[j], factor * columns_.far[j]);
    }
    if (gradient_ != nullptr) flush();
  }

  const T* logits_;
  const Label* label_;
  Weights<Value> weights_;
  int void_label_;
  int64_t height_, classes_, row_size_, label_images_, out_height_, out_width_;
  Blends<Value> rows_, columns_;
  int64_t band_, bands_, tasks_;
  Value* gradient_;
  std::vector<Value> below_;
};

}  // namespace

void ResizedCrossEntropyForward(Stream&, const Array& logits, const Array& labels, const Array& weights,
                                const Array& class_weights, int void_label, bool count_void, Array& loss, Array& scale,
                                Array& gradient) {
  const int64_t groups = loss.size();
  if (groups == 0) return;
  VisitFloating("ResizedCrossEntropy", logits.dtype(), [&]<typename T>(T) {
    VisitLabels(labels, [&]<typename Label>(const Label* label) {
      const std::vector<PixelLosses> losses =
          Bands<T, Label>(logits, labels, label, weights, class_weights, void_label, gradient).Run();
      const int64_t pixels = logits.shape()[0] * labels.shape()[1] * labels.shape()[2] / groups;
      StoreMeans<ComputeType<T>>("ResizedCrossEntropy", losses, {class_weights.defined(), count_void, pixels}, logits,
                                 labels, label, void_label, loss, scale);
    });
  });
}

void ResizedCrossEntropyGradient(Stream&, const Array& gradient, const Array& scale, const Array& dy, Array& dlogits) {
  VisitFloating("ResizedCrossEntropy", dlogits.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const Value factor = static_cast<Value>(scale.data<double>()[0] * static_cast<double>(dy.data<Value>()[0]));
    const Value* const from = gradient.data<Value>();
    T* const to = dlogits.data<T>();
    ParallelFor(dlogits.size(), 1 << 15, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) to[i] = static_cast<T>(factor * from[i]);
    });
  });
}

}  // namespace autograd::cpu
