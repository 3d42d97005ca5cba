#include "engine/recurrent.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace kedge::engine {

namespace {

constexpr int kMaxWidth = 1 << 20;
size_t to_size(int x) { return static_cast<size_t>(x); }

// Columns a thread takes at once.
constexpr int kUnitChannels = 256;

// Calls body(part, first column, last column, thread) for every part that goes on, with `columns` cut into units.
template <class Body>
void each_part(Step& s, int columns, int unit, Body&& body) {
  auto& parts = s.parts().all();
  const size_t units = (to_size(columns) + to_size(unit) - 1) / to_size(unit);
  s.context().team.each(parts.size() * units, [&](size_t i, int thread) {
    const StepPart& part = parts[i / units];
    const int first = static_cast<int>(i % units) * unit;
    if (part.status.ok()) body(part, first, std::min(columns, first + unit), thread);
  });
}

}  // namespace

StateSlice StateSlice::announce(const Block& b, size_t conv_floats, size_t recurrence_floats) {
  StateSlice slice;
  for (int i = 0; i < b.index; ++i) slice.at += b.l.config().layers[to_size(i)].rounded_state_floats();
  slice.conv = conv_floats;
  b.shape().state_floats = static_cast<int64_t>(conv_floats + recurrence_floats);
  return slice;
}

Status Conv::load(const Block& b, const std::string& name, int n_channels, int n_taps, bool with_silu) {
  channels = n_channels;
  taps = n_taps;
  silu = with_silu;
  if (taps < 2 || taps > kMaxConvTaps) {
    return Error{ErrorCode::kUnsupported, b.l.file() + ": a convolution over " + std::to_string(taps) + " tokens (" +
                                              b.p + name + "), 2 to " + std::to_string(kMaxConvTaps) +
                                              " are supported"};
  }
  KEDGE_ASSIGN(values, b.l.values(b.p + name + ".weight", {taps, channels}));
  weight.resize(to_size(taps) * to_size(channels));
  for (int c = 0; c < channels; ++c) {
    for (int t = 0; t < taps; ++t) weight[to_size(t * channels + c)] = values[c * taps + t];
  }
  return set(bias, b.l.optional_vector(b.p + name + ".bias", channels));
}

void Conv::forward(Step& s, const StateSlice& state, const float* x, float* y) const {
  each_part(s, channels, kUnitChannels, [&](const StepPart& part, int begin, int end, int) {
    const size_t at = to_size(part.first_row) * to_size(channels);
    ConvRows rows;
    rows.n = part.n();
    rows.channels = channels;
    rows.begin = begin;
    rows.end = end;
    rows.taps = taps;
    rows.x = x + at;
    rows.ldx = to_size(channels);
    rows.weight = weight.data();
    rows.bias = bias;
    rows.silu = silu;
    rows.state = part.kv->state() + state.at;
    rows.next_state = part.kv->next_state() + state.at;
    rows.y = y + at;
    rows.ldy = to_size(channels);
    s.context().kernels.conv1d(rows);
  });
}

Result<SsmShape> SsmShape::read(ModelLoader& l) {
  SsmShape s;
  KEDGE_TRY(set(s.taps, l.count("ssm.conv_kernel", kMaxConvTaps)));
  KEDGE_TRY(set(s.d_inner, l.count("ssm.inner_size", kMaxWidth)));
  KEDGE_TRY(set(s.d_state, l.count("ssm.state_size", kMaxWidth)));
  KEDGE_TRY(set(s.dt_rank, l.count("ssm.time_step_rank", kMaxWidth)));
  KEDGE_TRY(set(s.n_groups, l.count_or("ssm.group_count", 1, kMaxWidth)));
  return s;
}

namespace {

// That heads share out what they have to.
Status check_heads(const Block& b, const SsmShape& s) {
  if (s.d_inner % s.dt_rank == 0 && s.dt_rank % s.n_groups == 0 && s.d_inner % s.n_groups == 0) return {};
  return Error{ErrorCode::kCorrupt, b.l.file() + ": " + b.l.key("ssm.inner_size") + " " + std::to_string(s.d_inner) +
                                        ", " + b.l.key("ssm.time_step_rank") + " " + std::to_string(s.dt_rank) +
                                        " and " + b.l.key("ssm.group_count") + " " + std::to_string(s.n_groups) +
                                        " do not divide each other"};
}

// dt = softplus(dt + bias), in place.
void step_sizes(const Step& s, float* dt, const float* bias, int n) {
  s.context().kernels.add(bias, dt, n);
  s.context().kernels.activate(Activation::kSoftplus, dt, dt, n);
}

}  // namespace

Status DeltaNet::load(const Block& b, bool interleave) {
  ModelLoader& l = b.l;
  heads_interleave = interleave;
  KEDGE_TRY(set(shape, SsmShape::read(l)));
  KEDGE_TRY(check_heads(b, shape));
  const int d = b.c().d_model;
  const int heads = shape.dt_rank;
  const int width = 2 * shape.n_groups * shape.d_state + shape.d_inner;
  const int d_v = shape.d_inner / heads;
  KEDGE_TRY(set(qkv, l.matrix(b.p + "attn_qkv.weight", width, d)));
  KEDGE_TRY(set(z, l.matrix(b.p + "attn_gate.weight", shape.d_inner, d)));
  if (l.has(b.p + "ssm_ba.weight")) {
    KEDGE_TRY(set(beta_alpha, l.matrix(b.p + "ssm_ba.weight", 2 * heads, d)));
  } else {
    KEDGE_TRY(set(beta, l.matrix(b.p + "ssm_beta.weight", heads, d)));
    KEDGE_TRY(set(alpha, l.matrix(b.p + "ssm_alpha.weight", heads, d)));
  }
  KEDGE_TRY(conv.load(b, "ssm_conv1d", width, shape.taps, true));
  KEDGE_TRY(set(dt_bias, l.vector(b.p + "ssm_dt.bias", heads)));
  KEDGE_TRY(set(a, l.vector(b.p + "ssm_a", heads)));
  KEDGE_TRY(set(norm, load_norm(l, b.p + "ssm_norm.weight", d_v)));
  KEDGE_TRY(set(out, l.matrix(b.p + "ssm_out.weight", d, shape.d_inner)));
  state = StateSlice::announce(b, conv.state_floats(), to_size(heads) * to_size(shape.d_state) * to_size(d_v));
  l.takes(2 * width + 2 * shape.d_inner + 4 * heads);
  return {};
}

// conv_out: [n][q, k, v], q and k are normalised in place; decay: logarithms.
void DeltaNet::mix(Step& s, float* conv_out, const float* decay, const float* betas, float* out_rows) const {
  const KernelTable& kernels = s.context().kernels;
  const int heads = shape.dt_rank;
  const int d_k = shape.d_state;
  const int d_v = shape.d_inner / heads;
  const size_t width = to_size(conv.channels);
  const float eps = s.context().config.norm_eps;
  s.each_row([&](size_t i, int) {
    for (int g = 0; g < 2 * shape.n_groups; ++g) {  // those of q, then those of k
      float* head = conv_out + i * width + to_size(g * d_k);
      kernels.l2_norm(head, head, d_k, eps);
    }
  });
  each_part(s, heads, 1, [&](const StepPart& part, int head, int, int) {
    const size_t row = to_size(part.first_row);
    const int group = heads_interleave ? head % shape.n_groups : head / (heads / shape.n_groups);
    const size_t at = state.at + state.conv + to_size(head) * to_size(d_k) * to_size(d_v);
    DeltaRows rows;
    rows.n = part.n();
    rows.d_k = d_k;
    rows.d_v = d_v;
    rows.end = d_v;
    rows.q = conv_out + row * width + to_size(group * d_k);
    rows.k = rows.q + to_size(shape.n_groups * d_k);
    rows.v = conv_out + row * width + to_size(2 * shape.n_groups * d_k + head * d_v);
    rows.ldq = rows.ldk = rows.ldv = width;
    rows.log_decay = decay + row * to_size(heads) + to_size(head);
    rows.beta = betas + row * to_size(heads) + to_size(head);
    rows.ld_decay = rows.ld_beta = to_size(heads);
    rows.scale = 1.0f / std::sqrt(static_cast<float>(d_k));
    rows.state = part.kv->state() + at;
    rows.next_state = part.kv->next_state() + at;
    rows.out = out_rows + row * to_size(shape.d_inner) + to_size(head * d_v);
    rows.ld_out = to_size(shape.d_inner);
    kernels.delta_net(rows);
  });
}

void DeltaNet::forward(Step& s, const float* h, float* y) const {
  const KernelTable& kernels = s.context().kernels;
  const int heads = shape.dt_rank;
  const int d_v = shape.d_inner / heads;
  Scratch t(s);
  float* projected = t.take(qkv.rows);  // later the output of the heads
  float* mixed = t.take(qkv.rows);
  float* gates = t.take(shape.d_inner);
  float* betas = t.take(heads);
  float* alphas = t.take(heads);
  float* both = t.take(2 * heads);
  float* heads_out = t.take(shape.d_inner);
  if (beta_alpha) {
    s.multiply(h, qkv.k, {{qkv, projected}, {z, gates}, {beta_alpha, both}});
    const int per_group = heads / shape.n_groups;
    s.each_row([&](size_t i, int) {
      for (int n = 0; n < heads; ++n) {
        const float* group = both + i * to_size(2 * heads) + to_size(n / per_group * 2 * per_group);
        betas[i * to_size(heads) + to_size(n)] = group[n % per_group];
        alphas[i * to_size(heads) + to_size(n)] = group[per_group + n % per_group];
      }
    });
  } else {
    s.multiply(h, qkv.k, {{qkv, projected}, {z, gates}, {beta, betas}, {alpha, alphas}});
  }
  s.each_row([&](size_t i, int) {
    float* of_row = alphas + i * to_size(heads);
    step_sizes(s, of_row, dt_bias, heads);
    kernels.mul(a, of_row, heads);  // logarithms of the decay
    kernels.activate(Activation::kSigmoid, betas + i * to_size(heads), betas + i * to_size(heads), heads);
  });
  conv.forward(s, state, projected, mixed);
  mix(s, mixed, alphas, betas, heads_out);
  s.norm_heads(heads_out, norm, heads, d_v);
  s.feed_forward({}, gates, heads_out, heads_out, shape.d_inner);  // silu(z) * heads
  s.multiply(heads_out, shape.d_inner, {{out, y}});
}

Status Mamba2::load(const Block& b, bool normed) {
  ModelLoader& l = b.l;
  KEDGE_TRY(set(shape, SsmShape::read(l)));
  KEDGE_TRY(check_heads(b, shape));
  const int dm = b.c().d_model;
  const int heads = shape.dt_rank;
  const int bc = 2 * shape.n_groups * shape.d_state;
  KEDGE_TRY(set(in, l.matrix(b.p + "ssm_in.weight", 2 * shape.d_inner + bc + heads, dm)));
  KEDGE_TRY(conv.load(b, "ssm_conv1d", shape.d_inner + bc, shape.taps, true));
  KEDGE_TRY(set(dt_bias, l.vector(b.p + "ssm_dt.bias", heads)));
  KEDGE_TRY(set(a, l.values(b.p + "ssm_a", {1, heads})));
  KEDGE_TRY(set(d, l.values(b.p + "ssm_d", {1, heads})));
  if (normed) {
    KEDGE_TRY(set(norm, l.values(b.p + "ssm_norm.weight", {shape.d_inner / shape.n_groups, shape.n_groups})));
  }
  KEDGE_TRY(set(out, l.matrix(b.p + "ssm_out.weight", dm, shape.d_inner)));
  const size_t matrices = to_size(shape.d_inner) * to_size(shape.d_state);
  state = StateSlice::announce(b, conv.state_floats(), matrices);
  l.takes(floats());
  return {};
}

int Mamba2::floats() const { return in.rows + 2 * conv.channels + shape.d_inner + shape.dt_rank; }

// y *= silu(z), and the norm by groups.
void Mamba2::gate(Step& s, const float* projected, float* y) const {
  const KernelTable& kernels = s.context().kernels;
  const int width = shape.d_inner / shape.n_groups;
  s.each_row([&](size_t i, int) {
    float* row = y + i * to_size(shape.d_inner);
    kernels.silu_mul(projected + i * to_size(in.rows), row, row, shape.d_inner);
    for (int g = 0; g < shape.n_groups && norm != nullptr; ++g) {
      float* group = row + to_size(g * width);
      kernels.rms_norm(group, norm + to_size(g * width), group, width, s.context().config.norm_eps);
    }
  });
}

void Mamba2::forward(Step& s, const float* h, float* y) const {
  const KernelTable& kernels = s.context().kernels;
  const int heads = shape.dt_rank;
  const int head_dim = shape.d_inner / heads;
  const size_t width = to_size(conv.channels);
  Scratch t(s);
  float* projected = t.take(in.rows);  // [n][z, x, B, C, dt]
  float* xbc = t.take(conv.channels);
  float* mixed = t.take(conv.channels);
  float* dt = t.take(heads);
  float* scanned = t.take(shape.d_inner);
  s.multiply(h, in.k, {{in, projected}});
  s.each_row([&](size_t i, int) {
    const float* row = projected + i * to_size(in.rows);
    std::copy_n(row + shape.d_inner, conv.channels, xbc + i * width);
    std::copy_n(row + in.rows - heads, heads, dt + i * to_size(heads));
    step_sizes(s, dt + i * to_size(heads), dt_bias, heads);
  });
  conv.forward(s, state, xbc, mixed);
  each_part(s, heads, 1, [&](const StepPart& part, int head, int, int) {
    const size_t row = to_size(part.first_row);
    const int group = head / (heads / shape.n_groups);
    const size_t at = state.at + state.conv + to_size(head) * to_size(shape.d_state) * to_size(head_dim);
    Mamba2Rows rows;
    rows.n = part.n();
    rows.d_state = shape.d_state;
    rows.head_dim = head_dim;
    rows.end = head_dim;
    rows.x = mixed + row * width + to_size(head * head_dim);
    rows.b = mixed + row * width + to_size(shape.d_inner + group * shape.d_state);
    rows.c = rows.b + to_size(shape.n_groups * shape.d_state);
    rows.ldx = rows.ldb = rows.ldc = width;
    rows.dt = dt + row * to_size(heads) + to_size(head);
    rows.ld_dt = to_size(heads);
    rows.a = a[head];
    rows.d = d[head];
    rows.state = part.kv->state() + at;
    rows.next_state = part.kv->next_state() + at;
    rows.y = scanned + row * to_size(shape.d_inner) + to_size(head * head_dim);
    rows.ldy = to_size(shape.d_inner);
    kernels.mamba2_scan(rows);
  });
  gate(s, projected, scanned);
  s.multiply(scanned, shape.d_inner, {{out, y}});
}

Status Mamba1::load(const Block& b, bool normed) {
  ModelLoader& l = b.l;
  KEDGE_TRY(set(shape, SsmShape::read(l)));
  const int dm = b.c().d_model;
  const int inner = shape.d_inner;
  const int n = shape.d_state;
  KEDGE_TRY(set(in, l.matrix(b.p + "ssm_in.weight", 2 * inner, dm)));
  KEDGE_TRY(conv.load(b, "ssm_conv1d", inner, shape.taps, true));
  KEDGE_TRY(set(x_proj, l.matrix(b.p + "ssm_x.weight", shape.dt_rank + 2 * n, inner)));
  if (normed) {
    KEDGE_TRY(set(dt_norm, load_norm(l, b.p + "ssm_dt_norm.weight", shape.dt_rank)));
    KEDGE_TRY(set(b_norm, load_norm(l, b.p + "ssm_b_norm.weight", n)));
    KEDGE_TRY(set(c_norm, load_norm(l, b.p + "ssm_c_norm.weight", n)));
  }
  KEDGE_TRY(set(dt_proj, l.matrix(b.p + "ssm_dt.weight", inner, shape.dt_rank)));
  KEDGE_TRY(set(dt_bias, l.vector(b.p + "ssm_dt.bias", inner)));
  KEDGE_ASSIGN(factors, l.values(b.p + "ssm_a", {n, inner}));
  a.resize(to_size(n) * to_size(inner));
  for (int c = 0; c < inner; ++c) {
    for (int i = 0; i < n; ++i) a[to_size(i) * to_size(inner) + to_size(c)] = factors[c * n + i];
  }
  KEDGE_TRY(set(d, l.vector(b.p + "ssm_d", inner)));
  KEDGE_TRY(set(out, l.matrix(b.p + "ssm_out.weight", dm, inner)));
  state = StateSlice::announce(b, conv.state_floats(), to_size(n) * to_size(inner));
  l.takes(5 * inner + in.rows + 2 * x_proj.rows);
  return {};
}

void Mamba1::forward(Step& s, const float* h, float* y) const {
  const KernelTable& kernels = s.context().kernels;
  const int inner = shape.d_inner;
  const int n = shape.d_state;
  const int rank = shape.dt_rank;
  const float eps = s.context().config.norm_eps;
  Scratch t(s);
  float* projected = t.take(in.rows);  // [n][x, z]
  float* x = t.take(inner);
  float* mixed = t.take(inner);
  float* dbc = t.take(x_proj.rows);  // [n][dt, B, C]
  float* ranks = t.take(rank);
  float* dt = t.take(inner);
  float* scanned = t.take(inner);
  s.multiply(h, in.k, {{in, projected}});
  s.each_row([&](size_t i, int) { std::copy_n(projected + i * to_size(in.rows), inner, x + i * to_size(inner)); });
  conv.forward(s, state, x, mixed);
  s.multiply(mixed, inner, {{x_proj, dbc}});
  s.each_row([&](size_t i, int) {
    float* row = dbc + i * to_size(x_proj.rows);
    if (dt_norm.weight != nullptr) {
      kernels.rms_norm(row, dt_norm.weight, row, rank, eps);
      kernels.rms_norm(row + rank, b_norm.weight, row + rank, n, eps);
      kernels.rms_norm(row + rank + n, c_norm.weight, row + rank + n, n, eps);
    }
    std::copy_n(row, rank, ranks + i * to_size(rank));
  });
  s.multiply(ranks, rank, {{dt_proj, dt}});
  s.each_row([&](size_t i, int) { step_sizes(s, dt + i * to_size(inner), dt_bias, inner); });
  each_part(s, inner, kUnitChannels, [&](const StepPart& part, int begin, int end, int) {
    const size_t row = to_size(part.first_row);
    Mamba1Rows rows;
    rows.n = part.n();
    rows.d_state = n;
    rows.channels = inner;
    rows.begin = begin;
    rows.end = end;
    rows.x = mixed + row * to_size(inner);
    rows.dt = dt + row * to_size(inner);
    rows.ldx = rows.ld_dt = rows.ldy = to_size(inner);
    rows.b = dbc + row * to_size(x_proj.rows) + to_size(rank);
    rows.c = rows.b + to_size(n);
    rows.ldb = rows.ldc = to_size(x_proj.rows);
    rows.a = a.data();
    rows.d = d;
    rows.state = part.kv->state() + state.at + state.conv;
    rows.next_state = part.kv->next_state() + state.at + state.conv;
    rows.y = scanned + row * to_size(inner);
    kernels.mamba1_scan(rows);
  });
  s.each_row([&](size_t i, int) {
    float* row = scanned + i * to_size(inner);
    kernels.silu_mul(projected + i * to_size(in.rows) + to_size(inner), row, row, inner);
  });
  s.multiply(scanned, inner, {{out, y}});
}

Status ShortConv::load(const Block& b) {
  ModelLoader& l = b.l;
  const int d = b.c().d_model;
  KEDGE_ASSIGN(taps, l.count("shortconv.l_cache", kMaxConvTaps));
  KEDGE_TRY(set(in, l.matrix(b.p + "shortconv.in_proj.weight", 3 * d, d)));
  KEDGE_TRY(conv.load(b, "shortconv.conv", d, taps, false));
  KEDGE_TRY(set(out, l.matrix(b.p + "shortconv.out_proj.weight", d, d)));
  state = StateSlice::announce(b, conv.state_floats(), 0);
  l.takes(5 * d);
  return {};
}

void ShortConv::forward(Step& s, const float* h, float* y) const {
  const KernelTable& kernels = s.context().kernels;
  const int d = conv.channels;
  Scratch t(s);
  float* bcx = t.take(3 * d);
  float* gated = t.take(d);
  float* mixed = t.take(d);
  s.multiply(h, d, {{in, bcx}});
  s.each_row([&](size_t i, int) {
    const float* row = bcx + i * to_size(3 * d);
    float* to = gated + i * to_size(d);
    std::copy_n(row + 2 * d, d, to);
    kernels.mul(row, to, d);
  });
  conv.forward(s, state, gated, mixed);
  s.each_row([&](size_t i, int) { kernels.mul(bcx + i * to_size(3 * d) + to_size(d), mixed + i * to_size(d), d); });
  s.multiply(mixed, d, {{out, y}});
}

}  // namespace kedge::engine
