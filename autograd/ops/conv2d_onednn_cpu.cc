#include "autograd/ops/conv2d_onednn_cpu.h"

#include <algorithm>
#include <vector>

#include "autograd/core/array.h"
#include "autograd/core/weight_layouts.h"
#include "autograd/cpu/onednn.h"
#include "autograd/runtime/ceil_divide.h"
#include "autograd/runtime/parallel.h"

namespace autograd::cpu {
namespace {

using dnnl::memory;

constexpr double kPieceOperations = 32e6, kWorthTwoPieces = 6e6;
constexpr int64_t kPiecePositions = 256;
constexpr int64_t kMostPieces = 64;
constexpr int64_t kLeastRows = 2;

// A convolution of its own: `images` images, rows [x_row, x_row + x_rows) of x and [y_row, y_row + y_rows) of y.
struct Piece {
  int64_t image, images, x_row, x_rows, y_row, y_rows;
};

// The rows that are cut are y's for the forward product and x's for the input gradient; those of the other are what
// they touch.
std::vector<Piece> Cut(Conv2dProduct product, const Conv2dGeometry& g) {
  const int64_t worth =
      std::min<int64_t>(static_cast<int64_t>(std::min<double>(g.operations() / kPieceOperations, kMostPieces)),
                        g.positions() / kPiecePositions);
  const int64_t target = worth < 2 && g.operations() >= kWorthTwoPieces ? 2 : EvenPieces(worth);
  const bool forward = product == Conv2dProduct::kForward;
  std::vector<Piece> pieces;
  if (g.n >= target || (!forward && g.stride > g.extent_h())) {  // rows between windows belong to no piece of dx
    const int64_t images = CeilDivide(g.n, std::min(g.n, target));
    for (int64_t image = 0; image < g.n; image += images)
      pieces.push_back({image, std::min(images, g.n - image), 0, g.h, 0, g.oh});
    return pieces;
  }
  const int64_t all = forward ? g.oh : g.h, rows = std::max(kLeastRows, CeilDivide(all, CeilDivide(target, g.n)));
  for (int64_t image = 0; image < g.n; ++image) {
    for (int64_t row = 0; row < all; row += rows) {
      const int64_t end = std::min(all, row + rows);
      if (forward) {
        const int64_t first = std::clamp<int64_t>(row * g.stride - g.padding, 0, g.h);
        const int64_t last = std::clamp<int64_t>((end - 1) * g.stride - g.padding + g.extent_h(), first, g.h);
        pieces.push_back({image, 1, first, last - first, row, end - row});
      } else {
        const int64_t first = std::clamp<int64_t>(
            CeilDivide(std::max<int64_t>(0, row + g.padding - g.extent_h() + 1), g.stride), 0, g.oh);
        const int64_t last = std::clamp<int64_t>((end - 1 + g.padding) / g.stride + 1, first, g.oh);
        pieces.push_back({image, 1, row, end - row, first, last - first});
      }
    }
  }
  return pieces;
}

// A piece that lies in the padding alone has nothing for oneDNN to multiply.
bool TouchesNothing(const Piece& piece) { return piece.x_rows == 0 || piece.y_rows == 0; }

// The filter [o, kh, kw, c / groups] as it is stored.
memory::desc StoredFilter(const Conv2dGeometry& g, memory::data_type type, bool any_format) {
  const int64_t c = g.group_channels(), o = g.group_outputs();
  const memory::dims dims = g.groups == 1 ? memory::dims{o, c, g.kh, g.kw} : memory::dims{g.groups, o, c, g.kh, g.kw};
  if (any_format) return memory::desc(dims, type, memory::format_tag::any);
  memory::dims strides{g.patch(), 1, g.kw * c, c};
  if (g.groups > 1) strides.insert(strides.begin(), o * g.patch());
  return memory::desc(dims, type, strides);
}

struct Operands {
  memory::desc x, y, bias;
  memory::dims strides, dilations, padding_begin, padding_end;
};

Operands Describe(const Conv2dGeometry& g, memory::data_type type, const Piece& piece) {
  const auto image = [&](int64_t channels, int64_t rows, int64_t columns) {
    return memory::desc({piece.images, channels, rows, columns}, type, memory::format_tag::nhwc);
  };
  Operands operands;
  operands.x = image(g.c, piece.x_rows, g.w);
  operands.y = image(g.o, piece.y_rows, g.ow);
  operands.bias = memory::desc({g.o}, type, memory::format_tag::x);
  operands.strides = {g.stride, g.stride};
  operands.dilations = {g.dilation - 1, g.dilation - 1};
  // The first window of y starts this far above the first row of x.
  const int64_t above = piece.x_row - (piece.y_row * g.stride - g.padding);
  operands.padding_begin = {above, g.padding};
  operands.padding_end = {(piece.y_rows - 1) * g.stride + g.extent_h() - piece.x_rows - above,
                          (g.ow - 1) * g.stride + g.extent_w() - g.w - g.padding};
  return operands;
}

template <typename Description>
OneDnnPrimitive Finish(const Description& description) {
  return {dnnl::primitive(description.get()), description.weights_desc(), description.scratchpad_desc(),
          description.impl_info_str()};
}

std::shared_ptr<const OneDnnPrimitive> PrimitiveFor(Conv2dProduct product, const Conv2dGeometry& g,
                                                    memory::data_type type, const Piece& piece, bool bias, bool relu) {
  const Operands operands = Describe(g, type, piece);
  const OneDnnOperation operation =
      product == Conv2dProduct::kForward ? OneDnnOperation::kConv2dForward : OneDnnOperation::kConv2dInputGradient;
  const std::vector<int64_t> key = {static_cast<int64_t>(operation),
                                    static_cast<int64_t>(type),
                                    bias,
                                    relu,
                                    piece.images,
                                    piece.x_rows,
                                    g.w,
                                    g.c,
                                    piece.y_rows,
                                    g.ow,
                                    g.o,
                                    g.kh,
                                    g.kw,
                                    g.stride,
                                    g.dilation,
                                    g.groups,
                                    g.padding,
                                    operands.padding_begin[0]};
  return FindOrMakePrimitive(key, [&] {
    dnnl::primitive_attr attributes = UserScratchpad();
    const dnnl::convolution_forward::desc forward(
        dnnl::prop_kind::forward_training, dnnl::algorithm::convolution_direct, operands.x, StoredFilter(g, type, true),
        bias ? operands.bias : memory::desc(), operands.y, operands.strides, operands.dilations, operands.padding_begin,
        operands.padding_end);
    if (product == Conv2dProduct::kForward) {
      if (relu) {
        dnnl::post_ops epilogue;
        epilogue.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
        attributes.set_post_ops(epilogue);
      }
      return Finish(dnnl::convolution_forward::primitive_desc(forward, attributes, OneDnnEngine()));
    }
    const dnnl::convolution_forward::primitive_desc hint(forward, attributes, OneDnnEngine());
    const dnnl::convolution_backward_data::desc backward(
        dnnl::algorithm::convolution_direct, operands.x, StoredFilter(g, type, true), operands.y, operands.strides,
        operands.dilations, operands.padding_begin, operands.padding_end);
    return Finish(dnnl::convolution_backward_data::primitive_desc(backward, attributes, OneDnnEngine(), hint));
  });
}

// One filter in the formats that the pieces' primitives want; nearly always they want the same. What `layouts` keeps,
// unless it is null, is there at the next call.
class ReorderedFilters {
 public:
  ReorderedFilters(const Conv2dGeometry& geometry, memory::data_type type, const void* filter, WeightLayouts* layouts)
      : geometry_(geometry), type_(type), filter_(filter), layouts_(layouts == nullptr ? own_ : *layouts) {}

  const void* In(const memory::desc& format) {
    const memory::desc stored = StoredFilter(geometry_, type_, false);
    if (stored == format) return filter_;
    const Conv2dGeometry& g = geometry_;
    const std::vector<int64_t> key = {static_cast<int64_t>(type_), g.groups, g.o, g.c, g.kh, g.kw};
    std::vector<int64_t> with_format = key;
    AppendFormat(format, with_format);
    return layouts_.FindOrMake(with_format, [&] { return Reordered(stored, filter_, format, key); }).raw();
  }

 private:
  const Conv2dGeometry& geometry_;
  memory::data_type type_;
  const void* filter_;
  WeightLayouts own_;
  WeightLayouts& layouts_;
};

struct Task {
  Piece piece;
  std::shared_ptr<const OneDnnPrimitive> primitive;
  const void* filter;
};

std::vector<Task> Plan(Conv2dProduct product, const Conv2dGeometry& g, memory::data_type type, bool bias, bool relu,
                       ReorderedFilters& filters) {
  std::vector<Task> tasks;
  for (const Piece& piece : Cut(product, g)) {
    Task task{piece, nullptr, nullptr};
    if (!TouchesNothing(piece)) {
      task.primitive = PrimitiveFor(product, g, type, piece, bias, relu);
      task.filter = filters.In(task.primitive->weights);
    }
    tasks.push_back(std::move(task));
  }
  return tasks;
}

}  // namespace

bool IsWorthKeeping(const Conv2dGeometry& geometry) {
  // Reordering takes about 50 / positions of the product's time.
  constexpr int64_t kFewPositions = 1024;
  return geometry.positions() <= kFewPositions;
}

template <typename T>
std::string OneDnnConv2dImplementation(Conv2dProduct product, const Conv2dGeometry& g) {
  for (const Piece& piece : Cut(product, g)) {
    if (!TouchesNothing(piece)) return PrimitiveFor(product, g, OneDnnType<T>(), piece, true, false)->implementation;
  }
  return "nothing to do";
}

template <typename T>
void OneDnnConv2dForward(const Conv2dGeometry& g, const T* x, const T* filter, const T* bias, bool relu,
                         WeightLayouts* layouts, T* y) {
  ReorderedFilters filters(g, OneDnnType<T>(), filter, layouts);
  const std::vector<Task> tasks = Plan(Conv2dProduct::kForward, g, OneDnnType<T>(), bias != nullptr, relu, filters);
  ParallelPieces(static_cast<int64_t>(tasks.size()), [&](int64_t i) {
    const auto& [piece, primitive, weights] = tasks[i];
    T* out = y + (piece.image * g.oh + piece.y_row) * g.ow * g.o;
    if (primitive == nullptr) {
      for (int64_t p = 0; p < piece.images * piece.y_rows * g.ow; ++p) {
        for (int64_t j = 0; j < g.o; ++j) {
          const float value = bias == nullptr ? 0.0f : static_cast<float>(bias[j]);
          out[p * g.o + j] = static_cast<T>(relu ? std::max(0.0f, value) : value);
        }
      }
      return;
    }
    const Operands operands = Describe(g, OneDnnType<T>(), piece);
    const T* in = x + (piece.image * g.h + piece.x_row) * g.w * g.c;
    if (bias != nullptr) {
      Execute(*primitive, {{DNNL_ARG_SRC, operands.x, in},
                           {DNNL_ARG_WEIGHTS, primitive->weights, weights},
                           {DNNL_ARG_BIAS, operands.bias, bias},
                           {DNNL_ARG_DST, operands.y, out}});
    } else {
      Execute(*primitive, {{DNNL_ARG_SRC, operands.x, in},
                           {DNNL_ARG_WEIGHTS, primitive->weights, weights},
                           {DNNL_ARG_DST, operands.y, out}});
    }
  });
}

template <typename T>
void OneDnnConv2dInputGradient(const Conv2dGeometry& g, const T* filter, const T* dy, T* dx) {
  ReorderedFilters filters(g, OneDnnType<T>(), filter, nullptr);
  const std::vector<Task> tasks = Plan(Conv2dProduct::kInputGradient, g, OneDnnType<T>(), false, false, filters);
  ParallelPieces(static_cast<int64_t>(tasks.size()), [&](int64_t i) {
    const auto& [piece, primitive, weights] = tasks[i];
    T* out = dx + (piece.image * g.h + piece.x_row) * g.w * g.c;
    if (primitive == nullptr) {
      std::fill_n(out, piece.images * piece.x_rows * g.w * g.c, T(0.0f));
      return;
    }
    const Operands operands = Describe(g, OneDnnType<T>(), piece);
    Execute(*primitive, {{DNNL_ARG_DIFF_SRC, operands.x, out},
                         {DNNL_ARG_WEIGHTS, primitive->weights, weights},
                         {DNNL_ARG_DIFF_DST, operands.y, dy + (piece.image * g.oh + piece.y_row) * g.ow * g.o}});
  });
}

template std::string OneDnnConv2dImplementation<float>(Conv2dProduct, const Conv2dGeometry&);
template std::string OneDnnConv2dImplementation<BFloat16>(Conv2dProduct, const Conv2dGeometry&);
template void OneDnnConv2dForward(const Conv2dGeometry&, const float*, const float*, const float*, bool, WeightLayouts*,
                                  float*);
template void OneDnnConv2dForward(const Conv2dGeometry&, const BFloat16*, const BFloat16*, const BFloat16*, bool,
                                  WeightLayouts*, BFloat16*);
template void OneDnnConv2dInputGradient(const Conv2dGeometry&, const float*, const float*, float*);
template void OneDnnConv2dInputGradient(const Conv2dGeometry&, const BFloat16*, const BFloat16*, BFloat16*);

}  // namespace autograd::cpu
