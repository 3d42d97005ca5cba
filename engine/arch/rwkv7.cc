// RWKV-7: no attention. Every block shifts its normed input by a token, mixes over time through a matrix of state per
// head, and then over channels (squared ReLU). Low-rank products of the input make decay, learning rate, gate and how
// much of the first block's values comes back. Source: Peng et al. 2025 (arXiv 2503.14456).
#include <algorithm>

#include "engine/decoder.h"
#include "engine/recurrent.h"

namespace kedge::engine::archs {
namespace {

size_t to_size(int x) { return static_cast<size_t>(x); }

// A weight of two matrices: up(f(down(x))) + bias.
struct LowRank {
  Weight down;  // [rank][d_model]
  Weight up;    // [d_model][rank]
  const float* bias = nullptr;

  // <p>time_mix_<letter>0, 1 and 2
  Status load(const Block& b, const std::string& letter, int rank, bool biased = true) {
    const std::string name = b.p + "time_mix_" + letter;
    const int d = b.c().d_model;
    KEDGE_TRY(set(down, b.l.matrix(name + "1.weight", rank, d)));
    KEDGE_TRY(set(up, b.l.matrix(name + "2.weight", d, rank)));
    if (biased) KEDGE_TRY(set(bias, b.l.vector(name + "0.weight", d)));
    b.l.takes(rank);
    return {};
  }
  void forward(Step& s, const float* x, float* y, const Activation* f = nullptr) const {
    Scratch t(s);
    float* low = t.take(down.rows);
    s.multiply(x, down.k, {{down, low}});
    if (f != nullptr) s.activate(*f, low, down.rows);
    s.multiply(low, up.k, {{up, y, bias}});
  }
};

// Of every row: the row before it, in its sequence, less itself. `state`: where the row before the first lies.
void shift(Step& s, size_t state, const float* x, float* shifted, int d) {
  const KernelTable& kernels = s.context().kernels;
  s.each_row([&](size_t i, int) {
    const StepPart& part = s.parts().of_row(i);
    const int row = s.context().buffers.row_in_part[i];
    const float* own = x + i * to_size(d);
    const float* before = row == 0 ? part.kv->state() + state : own - d;
    float* to = shifted + i * to_size(d);
    std::copy_n(before, d, to);
    kernels.add_scaled(own, -1, to, d);
    if (row == part.n() - 1) std::copy_n(own, d, part.kv->next_state() + state);
  });
}

// y = x + shifted * share, value by value; share: [d].
void lerp(Step& s, const float* x, const float* shifted, const float* share, float* y, int d) {
  const KernelTable& kernels = s.context().kernels;
  s.each_row([&](size_t i, int) {
    float* to = y + i * to_size(d);
    std::copy_n(shifted + i * to_size(d), d, to);
    kernels.mul(share, to, d);
    kernels.add(x + i * to_size(d), to, d);
  });
}

struct TimeMix {
  int head = 0;                   // wkv.head_size
  const float* shares = nullptr;  // [r, w, k, v, a, g][d_model]
  Weight receptance;
  Weight key;
  Weight value;
  Weight out;
  LowRank decay;
  LowRank rate;
  LowRank value_back;  // none in the first block
  LowRank gate;
  const float* k_k = nullptr;  // [d_model], as the next ones
  const float* k_a = nullptr;
  const float* r_k = nullptr;
  Norm norm;  // of every head
  StateSlice state;

  Status load(const Block& b) {
    ModelLoader& l = b.l;
    const int d = b.c().d_model;
    constexpr int kMaxRank = 1 << 16;
    KEDGE_TRY(set(head, l.count("wkv.head_size", d)));
    KEDGE_ASSIGN(of_decay, l.count("attention.decay_lora_rank", kMaxRank));
    KEDGE_ASSIGN(of_rate, l.count("attention.iclr_lora_rank", kMaxRank));
    KEDGE_ASSIGN(of_value, l.count("attention.value_residual_mix_lora_rank", kMaxRank));
    KEDGE_ASSIGN(of_gate, l.count("attention.gate_lora_rank", kMaxRank));
    if (d % head != 0) {
      return Error{ErrorCode::kCorrupt, l.file() + ": " + l.key("wkv.head_size") + " " + std::to_string(head) +
                                            " does not divide a width of " + std::to_string(d)};
    }
    const auto square = [&](Weight& to, const char* name) { return set(to, l.matrix(b.p + name, d, d)); };
    KEDGE_TRY(set(shares, l.values(b.p + "time_mix_lerp_fused.weight", {d, 1, 1, 6})));
    KEDGE_TRY(square(receptance, "time_mix_receptance.weight"));
    KEDGE_TRY(square(key, "time_mix_key.weight"));
    KEDGE_TRY(square(value, "time_mix_value.weight"));
    KEDGE_TRY(square(out, "time_mix_output.weight"));
    KEDGE_TRY(decay.load(b, "w", of_decay));
    KEDGE_TRY(rate.load(b, "a", of_rate));
    KEDGE_TRY(gate.load(b, "g", of_gate, false));
    if (b.index > 0) {
      KEDGE_TRY(value_back.load(b, "v", of_value));
    } else {
      for (const char* name : {"time_mix_v0.weight", "time_mix_v1.weight", "time_mix_v2.weight"}) l.ignore(b.p + name);
    }
    KEDGE_TRY(set(k_k, l.vector(b.p + "time_mix_k_k.weight", d)));
    KEDGE_TRY(set(k_a, l.vector(b.p + "time_mix_k_a.weight", d)));
    KEDGE_TRY(set(r_k, l.vector(b.p + "time_mix_r_k.weight", d)));
    KEDGE_TRY(set(norm, load_layer_norm(l, b.p + "time_mix_ln.weight", d)));
    state = StateSlice::announce(b, to_size(2 * d), to_size(d) * to_size(head));
    l.takes(11 * d + std::max({of_decay, of_rate, of_value, of_gate}));
    return {};
  }

  // r, w, k, v, a, b: [n][d_model]
  void mix(Step& s, const float* r, const float* w, const float* k, const float* v, const float* a, const float* b,
           float* y) const {
    const int d = key.k;
    const int n_heads = d / head;
    auto& parts = s.parts().all();
    s.context().team.each(parts.size() * to_size(n_heads), [&](size_t unit, int) {
      const StepPart& part = parts[unit / to_size(n_heads)];
      if (!part.status.ok()) return;
      const size_t h = unit % to_size(n_heads);
      const size_t at = to_size(part.first_row) * to_size(d) + h * to_size(head);
      const size_t matrix = state.at + state.conv + h * to_size(head) * to_size(head);
      Rwkv7Rows rows;
      rows.n = part.n();
      rows.d = head;
      rows.end = head;
      rows.ld = rows.ld_out = to_size(d);
      rows.r = r + at;
      rows.w = w + at;
      rows.k = k + at;
      rows.v = v + at;
      rows.a = a + at;
      rows.b = b + at;
      rows.state = part.kv->state() + matrix;
      rows.next_state = part.kv->next_state() + matrix;
      rows.out = y + at;
      s.context().kernels.rwkv7_mix(rows);
    });
  }

  // The values of later blocks: v += (first - v) * sigmoid(low rank of x).
  void bring_back(Step& s, const float* x, const float* first, float* v, float* share) const {
    const KernelTable& kernels = s.context().kernels;
    const int d = key.k;
    value_back.forward(s, x, share);
    s.each_row([&](size_t i, int) {
      const size_t at = i * to_size(d);
      float* own = share + at;
      kernels.activate(Activation::kSigmoid, own, own, d);
      for (int j = 0; j < d; ++j) own[j] *= first[at + to_size(j)] - v[at + to_size(j)];
      kernels.add(own, v + at, d);
    });
  }

  // What stands for the keys: minus the normalised key, that times its rate, and k times 1 + (rate - 1) * k_a.
  void make_keys(Step& s, float* k, const float* rates, float* removed, float* added) const {
    const KernelTable& kernels = s.context().kernels;
    const int d = key.k;
    s.each_row([&](size_t i, int) {
      const size_t at = i * to_size(d);
      std::copy_n(k + at, d, added + at);
      kernels.mul(k_k, added + at, d);
      constexpr float kLeastNorm = 1e-12f;
      for (int h = 0; h < d; h += head) kernels.l2_norm(added + at + h, added + at + h, head, kLeastNorm);
      std::copy_n(added + at, d, removed + at);
      kernels.scale(-1, removed + at, d);
      kernels.mul(rates + at, added + at, d);
      for (size_t j = at; j < at + to_size(d); ++j) {
        const float part = k[j] * k_a[j - at];
        k[j] += rates[j] * part - part;
      }
    });
  }

  // Every head's norm, the value of the token itself by the likeness of its key to r, and the gate.
  void finish_heads(Step& s, const float* r, const float* k, const float* v, const float* g, float* y) const {
    const KernelTable& kernels = s.context().kernels;
    const int d = key.k;
    constexpr float kEps = 64e-5f;
    s.each_row([&](size_t i, int) {
      for (int h = 0; h < d; h += head) {
        const size_t at = i * to_size(d) + to_size(h);
        kernels.layer_norm(y + at, norm.weight + h, norm.bias == nullptr ? nullptr : norm.bias + h, y + at, head, kEps);
        float likeness = 0;
        for (int j = 0; j < head; ++j) likeness += k[at + to_size(j)] * r[at + to_size(j)] * r_k[h + j];
        kernels.add_scaled(v + at, likeness, y + at, head);
      }
      kernels.mul(g + i * to_size(d), y + i * to_size(d), d);
    });
  }

  // h: [n][d_model] normed; first_values: [n][d_model], which the first block makes.
  void forward(Step& s, const float* h, float* first_values, float* y) const {
    const int d = key.k;
    const Activation tanh = Activation::kTanh;
    const Activation sigmoid = Activation::kSigmoid;
    Scratch t(s);
    float* shifted = t.take(d);
    float* x = t.take(d);
    float* r = t.take(d);
    float* w = t.take(d);
    float* k = t.take(d);
    float* v = t.take(d);
    float* rates = t.take(d);
    float* g = t.take(d);
    float* removed = t.take(d);
    float* added = t.take(d);
    float* mixed = t.take(d);
    shift(s, state.at, h, shifted, d);
    const auto input = [&](int which) { lerp(s, h, shifted, shares + which * d, x, d); };
    input(0);
    s.multiply(x, d, {{receptance, r}});
    input(1);
    decay.forward(s, x, w, &tanh);
    s.activate(Activation::kSigmoid, w, d);
    s.scale(-0.606531f, w, d);  // -exp(-0.5)
    s.activate(Activation::kExp, w, d);
    input(2);
    s.multiply(x, d, {{key, k}});
    input(3);
    s.multiply(x, d, {{value, v}});
    if (value_back.down) {
      bring_back(s, x, first_values, v, mixed);
    } else {
      s.each_row([&](size_t i, int) { std::copy_n(v + i * to_size(d), d, first_values + i * to_size(d)); });
    }
    input(4);
    rate.forward(s, x, rates);
    s.activate(Activation::kSigmoid, rates, d);
    input(5);
    gate.forward(s, x, g, &sigmoid);
    make_keys(s, k, rates, removed, added);
    mix(s, r, w, k, v, removed, added, mixed);
    finish_heads(s, r, k, v, g, mixed);
    s.multiply(mixed, d, {{out, y}});
  }
};

struct ChannelMix {
  const float* share = nullptr;  // [d_model]
  Weight key;                    // [d_ff][d_model]
  Weight value;                  // [d_model][d_ff]
  size_t state = 0;

  Status load(const Block& b, size_t at) {
    ModelLoader& l = b.l;
    const int d = b.c().d_model;
    state = at;
    KEDGE_TRY(set(share, l.values(b.p + "channel_mix_lerp_k.weight", {d, 1, 1})));
    KEDGE_TRY(set(key, l.matrix(b.p + "channel_mix_key.weight", b.c().d_ff, d)));
    KEDGE_TRY(set(value, l.matrix(b.p + "channel_mix_value.weight", d, b.c().d_ff)));
    l.takes(2 * d + b.c().d_ff);
    return {};
  }
  void forward(Step& s, const float* h, float* y) const {
    const int d = key.k;
    Scratch t(s);
    float* shifted = t.take(d);
    float* x = t.take(d);
    float* mid = t.take(key.rows);
    shift(s, state, h, shifted, d);
    lerp(s, h, shifted, share, x, d);
    s.multiply(x, d, {{key, mid}});
    s.activate(Activation::kReluSquared, mid, key.rows);
    s.multiply(mid, key.rows, {{value, y}});
  }
};

struct Layer {
  struct Model {
    Norm norm;  // of the embedding

    Status load(ModelLoader& l) {
      l.keeps(l.config().d_model);
      return set(norm, load_layer_norm(l, "token_embd_norm.weight", l.config().d_model));
    }
    // f.shared: [n][d_model], the first block's values.
    void begin(Step& s, Frame& f) const {
      f.shared = s.buffer(f.c.d_model);
      s.norm(f.x, norm, f.x, f.c.d_model);
    }
  };

  Norm before_time;
  TimeMix time;
  Norm before_channels;
  ChannelMix channels;

  static Status configure(ModelLoader& l) {
    KEDGE_TRY(l.common_config(RopeLayout::kHalfSplit));
    KEDGE_ASSIGN(shifts, l.count_or("token_shift_count", 2, 64));
    if (shifts == 2 && l.config().n_heads == 0) return {};
    return Error{ErrorCode::kUnsupported, l.file() + ": " + l.key("token_shift_count") + " is " +
                                              std::to_string(shifts) + " and " + l.key("attention.head_count") + " " +
                                              std::to_string(l.config().n_heads) + ": 2 and 0 are supported"};
  }
  static Result<DecoderForm> form(ModelLoader&) { return DecoderForm{.layer_norm = true}; }

  Status load(const Block& b) {
    const int d = b.c().d_model;
    KEDGE_TRY(set(before_time, load_layer_norm(b.l, b.p + "attn_norm.weight", d)));
    KEDGE_TRY(time.load(b));
    KEDGE_TRY(set(before_channels, load_layer_norm(b.l, b.p + "attn_norm_2.weight", d)));
    return channels.load(b, time.state.at + to_size(d));
  }

  void forward(Step& s, const Frame& f) const {
    const int d = f.c.d_model;
    s.norm(f.x, before_time, f.h, d);
    time.forward(s, f.h, f.shared, f.h);
    s.add(f.h, f.x, d);
    s.norm(f.x, before_channels, f.h, d);
    channels.forward(s, f.h, f.h);
    s.add(f.h, f.x, d);
  }
};

}  // namespace

extern constinit const Architecture rwkv7;
constinit const Architecture rwkv7 = {.name = "rwkv7", .load = Decoder<Layer>::load};

}  // namespace kedge::engine::archs
