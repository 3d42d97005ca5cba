// A memory driven as a session drives it, without a model: keys, values and attention are functions of the token's
// position (and of how often that position was filled), so that what a slot holds can be told from its position.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/isa.h"
#include "memory/checksum.h"
#include "memory/kv_memory.h"
#include "memory/kv_step.h"
#include "memory/snapshot.h"

namespace kedge::memory::kv_harness {

inline const KernelTable& reference_kernels() {
  static const KernelTable* const kTable = find_kernels("reference").value();
  return *kTable;
}

inline uint64_t mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

// A counter-based source of choices.
class Dice {
 public:
  explicit Dice(uint64_t seed) : seed_(mix(seed)) {}
  uint64_t next() { return mix(seed_ + n_++); }
  int below(int n) { return static_cast<int>(next() % static_cast<uint64_t>(n)); }
  bool one_in(int n) { return below(n) == 0; }

 private:
  uint64_t seed_;
  uint64_t n_ = 0;
};

inline float unit(uint64_t x) { return static_cast<float>(mix(x) >> 40) / 16777216.0f; }

inline std::string temporary_path(const std::string& name) {
  return testing::TempDir() + "kedge-" + std::to_string(::getpid()) + "-" + name;
}

inline KvShape tiny_shape(int n_ctx, int n_layers = 1, int n_kv_heads = 2, KvFormat format = KvFormat::kF32) {
  const int d = is_quantised(format) ? 32 : 4;
  return {{format, d, d}, n_layers, n_kv_heads, n_ctx};
}

// Layers that are not alike: of all kinds or of some, in any order.
inline KvShape mixed_shape(Dice& dice, int n_ctx, KvFormat format = KvFormat::kF32) {
  const int d = is_quantised(format) ? 32 : 4;
  KvShape shape{{format, d, d}, 2 + dice.below(5), 0, n_ctx};
  shape.window_layout = {format, dice.one_in(2) ? d : 2 * d, d};
  const int windows[] = {1 + dice.below(100), 1 + dice.below(40)};
  for (int l = 0; l < shape.n_layers; ++l) {
    const int kind = dice.below(4);
    shape.layers.push_back({kind == 0 ? 0 : 1 + dice.below(2), kind < 2 ? 0 : windows[kind - 2]});
  }
  if (dice.below(3) > 0) shape.state_floats = 1 + dice.below(700);
  shape.step_tokens = 1 + dice.below(70);
  return shape;
}

inline std::string message_of(const Status& s) { return s.ok() ? "" : s.error().message; }

// Text in pieces as a tokenizer cuts it: prose, statements with references, and mentions of earlier ones.
class Prose {
 public:
  // One statement in `rare` has a reference, one a mention.
  explicit Prose(uint64_t seed, int rare = 8) : dice_(seed), rare_(rare) {}
  std::string next() {
    if (at_ == pieces_.size()) refill();
    return pieces_[at_++];
  }
  std::vector<std::string> take(int n) {
    std::vector<std::string> some;
    for (int i = 0; i < n; ++i) some.push_back(next());
    return some;
  }
  int named() const { return named_; }
  static std::string name(int i) {
    constexpr char kHex[] = "0123456789ABCDEF";
    std::string s = "DOC-";
    uint64_t x = mix(static_cast<uint64_t>(i) + 77);
    for (int k = 0; k < 6; ++k, x >>= 4) s += kHex[x & 15];
    return s + "7F";
  }

 private:
  void refill() {
    pieces_.clear();
    at_ = 0;
    const int kind = dice_.below(rare_);
    if (kind == 0) {
      const std::string id = name(named_++);
      pieces_ = {"The", " price", " of", " parcel", " " + id.substr(0, 4), id.substr(4), " is", " 4", "2", ".", "\n"};
    } else if (kind == 1 && named_ > 0) {
      const std::string id = name(dice_.below(named_));
      pieces_ = {"As", " said", " in", " " + id.substr(0, 6), id.substr(6), ",", " it", " rained", ".", "\n"};
    } else {
      constexpr const char* kWords[] = {" rain", " on", " the", " old", " stone", " and", " then", " it", " was"};
      for (int n = 4 + dice_.below(9); n > 0; --n) pieces_.emplace_back(kWords[dice_.below(9)]);
      pieces_.emplace_back(".\n");
    }
  }
  Dice dice_;
  int rare_;
  std::vector<std::string> pieces_;
  size_t at_ = 0;
  int named_ = 0;
};

class Driver {
 public:
  Driver(std::unique_ptr<KvMemory> memory) : m(std::move(memory)) {}  // NOLINT(google-explicit-constructor)
  static Driver make(const KvShape& shape, const KvOptions& options, std::shared_ptr<KvArena> arena = nullptr) {
    auto made = arena == nullptr ? KvMemory::create(shape, options, reference_kernels())
                                 : KvMemory::create(shape, options, reference_kernels(), std::move(arena));
    EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().message);
    return Driver(std::move(made).value());
  }

  std::unique_ptr<KvMemory> m;
  std::vector<uint32_t> salt;  // by position: which filling of it this is
  uint32_t fillings = 0;
  uint64_t expected_evicted_entries = 0;
  std::set<int32_t> gone;  // neither hot nor cold
  uint64_t expected_lost = 0;
  ThreadTeam team;

  Driver fork() const {
    auto copy = m->fork();
    EXPECT_TRUE(copy.ok()) << (copy.ok() ? "" : copy.error().message);
    Driver d(std::move(copy).value());
    d.follow(*this);
    return d;
  }
  void follow(const Driver& o) {
    salt = o.salt;
    fillings = o.fillings;
    expected_evicted_entries = o.expected_evicted_entries;
    gone = o.gone;
    expected_lost = o.expected_lost;
    ever_recalled_ = o.ever_recalled_;
  }

  void vectors(int table, int32_t position, uint32_t filling, float* k, float* v) const {
    const KvLayout& layout = m->sequence().layout_of(table);
    const uint64_t key = (static_cast<uint64_t>(filling) << 40) ^ (static_cast<uint64_t>(table) << 32) ^
                         static_cast<uint64_t>(static_cast<uint32_t>(position));
    for (int i = 0; i < layout.head_dim_k; ++i) k[i] = unit(mix(key) + static_cast<uint64_t>(i)) * 2 - 1;
    for (int i = 0; i < layout.head_dim_v; ++i) v[i] = unit(mix(~key) + static_cast<uint64_t>(i)) * 2 - 1;
  }

  // What the recurrent state becomes of a token.
  static float next_state(float before, int32_t position, uint32_t filling, int64_t i) {
    const uint64_t key = (static_cast<uint64_t>(filling) << 32) ^ static_cast<uint64_t>(position);
    return unit(mix(key) ^ mix(std::bit_cast<uint32_t>(before) + (static_cast<uint64_t>(i) << 40)));
  }

  // The step of a session: at most `chunk` tokens at once.
  Status append(const std::vector<std::string>& texts, int chunk) {
    const size_t before = entries();
    const uint64_t recalled = m->counts().recalled;
    size_t done = 0;
    Status status;
    while (done < texts.size() && status.ok()) status = step(texts, chunk, done);
    account(before + done * tables(), recalled);
    return status;
  }

  Result<KvMemory::Recalled> recall(int32_t first, int32_t last) {
    return counted([&] { return m->recall(first, last, team); });
  }
  Result<KvMemory::Recalled> recall_mentioned(std::string_view text) {
    return counted([&] { return m->recall_mentioned(text, team); });
  }
  Status truncate(int n) {
    Status s = m->truncate(n, team);
    if (s.ok()) {
      salt.resize(static_cast<size_t>(n));
      gone.erase(gone.lower_bound(n), gone.end());
      find_gone();
    }
    return s;
  }
  Status save(const std::string& path) const {
    KEDGE_ASSIGN(out, ByteWriter::create(path));
    Status status;
    write_memory(*m, out, &status);
    KEDGE_TRY(std::move(status));
    return out.finish();
  }
  static Result<std::unique_ptr<KvMemory>> load(const std::string& path, const KvShape& shape) {
    KEDGE_ASSIGN(in, ByteReader::open(path));
    KEDGE_ASSIGN(memory, read_memory(in, shape, reference_kernels(), ""));
    if (in.left() != 0) in.fail("goes on behind its end");
    if (!in.ok()) return in.status().error();
    return memory;
  }

  // Keeps the harness's own count of what happens in `f`, where no token comes in.
  template <class F>
  void during(F&& f) {
    const size_t before = entries();
    const uint64_t recalled = m->counts().recalled;
    f();
    account(before, recalled);
  }

  size_t tables() const { return static_cast<size_t>(m->sequence().n_tables()); }
  size_t entries() const {
    size_t n = 0;
    for (size_t t = 0; t < tables(); ++t) n += static_cast<size_t>(m->sequence().slots(static_cast<int>(t)));
    return n;
  }

  // Everything that has to hold between two calls.
  void check(const std::string& where) {
    SCOPED_TRACE(where);
    const KvSequence& s = m->sequence();
    const KvLayout& layout = s.layout();
    const bool exact = !m->cold() || m->cold()->layout().format == layout.format;
    std::vector<std::byte> page(layout.page_bytes());
    std::vector<std::byte> cold_page(m->cold() ? m->cold()->layout().page_bytes() : 0);
    ASSERT_EQ(salt.size(), static_cast<size_t>(s.next_position()));
    for (int t = 0; t < s.n_tables(); ++t) {
      ASSERT_LE(s.slots(t), m->budget());
      const auto positions = s.positions(t);
      std::vector<int32_t> sorted(positions.begin(), positions.end());
      std::sort(sorted.begin(), sorted.end());
      ASSERT_TRUE(std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end()) << "a position twice";
      for (int slot = 0; slot < s.slots(t); ++slot) {
        const int32_t p = positions[static_cast<size_t>(slot)];
        ASSERT_GE(p, 0);
        ASSERT_LT(p, s.next_position());
        if (!exact && ever_recalled_.contains(p)) continue;  // twice rounded
        float k[kMaxHeadDim], v[kMaxHeadDim], k2[kMaxHeadDim], v2[kMaxHeadDim];
        vectors(t, p, salt[static_cast<size_t>(p)], k, v);
        reference_kernels().kv_store(layout, page.data(), 0, k, v);
        kv_load(layout, page.data(), 0, k, v);
        kv_load(layout, s.table(t)[slot / kPageTokens], slot % kPageTokens, k2, v2);
        ASSERT_EQ(0, std::memcmp(k, k2, sizeof(float) * static_cast<size_t>(layout.head_dim_k))) << "key of " << p;
        ASSERT_EQ(0, std::memcmp(v, v2, sizeof(float) * static_cast<size_t>(layout.head_dim_v))) << "value of " << p;
      }
    }
    check_windows();
    check_state();
    if (m->cold()) check_cold(exact, page, cold_page);
    ASSERT_EQ(expected_evicted_entries / std::max(tables(), size_t{1}), m->counts().evicted);
    if (m->cold()) {
      ASSERT_EQ(m->counts().evicted, m->counts().demoted);
      ASSERT_EQ(expected_lost, m->counts().lost);
    } else {
      ASSERT_EQ(0u, m->counts().lost + m->counts().demoted + m->counts().recalled);
    }
    const auto runs = m->token_runs();
    int32_t next = 0;
    for (const auto& run : runs) {
      ASSERT_EQ(next, run.first);
      ASSERT_LT(run.first, run.last);
      next = run.last;
    }
    ASSERT_EQ(s.next_position(), next);
  }

  // What the next token sees through windows, and no page more than that.
  void check_windows() const {
    const KvSequence& s = m->sequence();
    const int next = s.next_position();
    const std::vector<int32_t> windows = KvTables(m->shape()).windows();
    ASSERT_EQ(static_cast<size_t>(s.n_all_tables() - s.n_tables()), windows.size());
    std::vector<std::byte> page(m->shape().window_layout.page_bytes());
    size_t pages = 0;
    for (int t = s.n_tables(); t < s.n_all_tables() && !m->swapped_out(); ++t) {
      const KvLayout& layout = s.layout_of(t);
      ASSERT_EQ(next, s.slots(t));
      const int first = std::max(next - windows[static_cast<size_t>(t - s.n_tables())] + 1, 0);
      pages += pages_of(next) - static_cast<size_t>(first / kPageTokens);
      for (int p = first; p < next; ++p) {
        float k[kMaxHeadDim], v[kMaxHeadDim], k2[kMaxHeadDim], v2[kMaxHeadDim];
        vectors(t, p, salt[static_cast<size_t>(p)], k, v);
        reference_kernels().kv_store(layout, page.data(), 0, k, v);
        kv_load(layout, page.data(), 0, k, v);
        kv_load(layout, s.table(t)[p / kPageTokens], p % kPageTokens, k2, v2);
        ASSERT_EQ(0, std::memcmp(k, k2, sizeof(float) * static_cast<size_t>(layout.head_dim_k))) << "key of " << p;
        ASSERT_EQ(0, std::memcmp(v, v2, sizeof(float) * static_cast<size_t>(layout.head_dim_v))) << "value of " << p;
      }
    }
    ASSERT_EQ(pages, s.windows().pages());
  }

  void check_state() const {
    const KvSequence& s = m->sequence();
    ASSERT_EQ(m->shape().state_floats > 0, s.has_state());
    if (!s.has_state() || m->swapped_out()) return;
    for (int64_t i = 0; i < m->shape().state_floats; i += 1 + i / 2) {
      float expected = 0;
      for (size_t p = 0; p < salt.size(); ++p) {
        expected = next_state(expected, static_cast<int32_t>(p), salt[p], i);
      }
      ASSERT_EQ(expected, s.state()[i]) << "state " << i;
    }
  }

 private:
  template <class F>
  Result<KvMemory::Recalled> counted(F&& f) {
    const size_t before = entries();
    const uint64_t recalled = m->counts().recalled;
    auto done = f();
    account(before, recalled);
    if (done.ok()) {
      EXPECT_EQ(m->counts().recalled - recalled, static_cast<uint64_t>(done->recalled));
    }
    return done;
  }

  void account(size_t entries_before, uint64_t recalled_before) {
    expected_evicted_entries += entries_before + (m->counts().recalled - recalled_before) * tables() - entries();
    for (const auto& e : m->log().entries()) {
      if (e.why != KvWhy::kRecall) continue;
      for (int32_t p = e.first; p < e.last; ++p) ever_recalled_.insert(p);
    }
    find_gone();
  }
  void find_gone() {
    if (!m->cold()) return;
    const std::vector<int32_t> hot = m->hot_positions();
    for (int32_t p = 0; p < m->sequence().next_position(); ++p) {
      if (gone.contains(p)) {
        EXPECT_FALSE(m->cold()->contains(p)) << "back from nowhere: " << p;
        continue;
      }
      if (std::binary_search(hot.begin(), hot.end(), p) || m->cold()->contains(p)) continue;
      gone.insert(p);
      ++expected_lost;
    }
  }

  void check_cold(bool exact, std::vector<std::byte>& page, std::vector<std::byte>& cold_page) const {
    const ColdStore& cold = *m->cold();
    const KvLayout& layout = m->sequence().layout();
    size_t live = 0;
    ASSERT_LE(cold.bytes(), std::max(m->options().cold_bytes, cold.block_bytes()));
    for (const uint64_t id : cold.blocks()) {
      const auto view = cold.view(id);
      ASSERT_TRUE(view.ok()) << view.error().message;
      const size_t stride = cold.block_bytes() / tables();
      for (size_t slot = 0; slot < view->positions.size(); ++slot) {
        const int32_t p = view->positions[slot];
        if (p == ColdStore::kDead) continue;
        ++live;
        ASSERT_LT(p, m->sequence().next_position());
        if (!exact && ever_recalled_.contains(p)) continue;
        for (size_t t = 0; t < tables(); ++t) {
          float k[kMaxHeadDim], v[kMaxHeadDim], k2[kMaxHeadDim], v2[kMaxHeadDim];
          vectors(static_cast<int>(t), p, salt[static_cast<size_t>(p)], k, v);
          reference_kernels().kv_store(layout, page.data(), 0, k, v);
          kv_load(layout, page.data(), 0, k, v);
          if (!exact) {
            reference_kernels().kv_store(cold.layout(), cold_page.data(), 0, k, v);
            kv_load(cold.layout(), cold_page.data(), 0, k, v);
          }
          kv_load(cold.layout(), view->data.data() + t * stride, static_cast<int>(slot), k2, v2);
          ASSERT_EQ(0, std::memcmp(k, k2, sizeof(float) * static_cast<size_t>(layout.head_dim_k))) << "cold " << p;
          ASSERT_EQ(0, std::memcmp(v, v2, sizeof(float) * static_cast<size_t>(layout.head_dim_v))) << "cold " << p;
        }
      }
    }
    ASSERT_EQ(live, cold.tokens());
  }

  // What the row at `row` gives the token at `position`.
  static float share(int table, int32_t row, int32_t position, int head) {
    const uint64_t key = (static_cast<uint64_t>(static_cast<uint32_t>(row)) << 32) ^
                         static_cast<uint64_t>(static_cast<uint32_t>(position)) ^
                         (static_cast<uint64_t>(table * 7 + head) << 58);
    const float u = unit(key);
    return u * u * u * 0.1f;
  }

  Status step(const std::vector<std::string>& texts, int chunk, size_t& done) {
    const int wanted = static_cast<int>(std::min(texts.size() - done, static_cast<size_t>(chunk)));
    const std::vector<std::string_view> views(texts.begin() + static_cast<std::ptrdiff_t>(done),
                                              texts.begin() + static_cast<std::ptrdiff_t>(done) + wanted);
    KEDGE_ASSIGN(begun, KvStep::begin(*m, views, wanted, team));
    run(begun, begun.n());
    salt.insert(salt.end(), static_cast<size_t>(begun.n()), fillings);
    done += static_cast<size_t>(begun.n());
    return begun.commit(team);
  }

 public:
  // What a model does in a step, for the first `rows` of its tokens.
  void run(const KvStep& step, int rows) const {
    const KvSequence& s = m->sequence();
    const int first = step.first_position();
    constexpr int kGroup = 2;
    for (int t = 0; t < s.n_tables(); ++t) {
      const int past = step.slots(t);
      for (int i = 0; i < rows; ++i) {
        float k[kMaxHeadDim], v[kMaxHeadDim];
        vectors(t, first + i, fillings, k, v);
        reference_kernels().kv_store(s.layout(), step.page_for_write(t, past + i), (past + i) % kPageTokens, k, v);
      }
      std::vector<float> mass(static_cast<size_t>((past + rows) * kGroup));
      const size_t stride = mass.size() / kGroup;
      for (int i = step.first_watched(); i < rows; ++i) {
        const int slots = past + i + 1;
        for (int g = 0; g < kGroup; ++g) {
          for (int slot = 0; slot < slots; ++slot) {
            const int32_t p = slot < past ? s.positions(t)[static_cast<size_t>(slot)] : first + slot - past;
            mass[static_cast<size_t>(g) * stride + static_cast<size_t>(slot)] = share(t, first + i, p, g);
          }
        }
        step.add_scores(t, mass.data(), stride, 1, kGroup, slots);
      }
    }
    for (int t = s.n_tables(); t < s.n_all_tables(); ++t) {
      for (int p = first; p < first + rows; ++p) {
        float k[kMaxHeadDim], v[kMaxHeadDim];
        vectors(t, p, fillings, k, v);
        reference_kernels().kv_store(step.layout_of(t), step.page_for_write(t, p), p % kPageTokens, k, v);
      }
    }
    run_state(step, rows);
    if (step.probed_row() < 0 || step.probed_row() >= rows) return;
    for (int t = 0; t < s.n_tables(); ++t) probe(step, t, first + step.probed_row());
  }

  void run_state(const KvStep& step, int rows) const {
    ASSERT_EQ(m->shape().state_floats > 0, step.state() != nullptr);
    ASSERT_EQ(m->shape().state_floats > 0, step.next_state() != nullptr);
    for (int64_t i = 0; i < m->shape().state_floats; ++i) {
      float x = step.state()[i];
      for (int p = step.first_position(); p < step.first_position() + rows; ++p) x = next_state(x, p, fillings, i);
      step.next_state()[i] = x;
    }
  }

  void probe(const KvStep& step, int table, int32_t position) const {
    const int slots = step.slots(table) + step.probed_row() + 1;
    float q[kMaxHeadDim], v[kMaxHeadDim];
    vectors(table, position, fillings, q, v);
    for (int i = 0; i < m->shape().layout.head_dim_k; ++i) q[i] *= 4;
    std::vector<float> mass(static_cast<size_t>(slots), 1.0f / static_cast<float>(slots));
    step.probe(table, q, 1, 1.0f, mass.data(), mass.size(), slots);
  }

 private:
  std::set<int32_t> ever_recalled_;
};

// Of everything that can be told of a memory, what its slots hold included; not of origin(), nor of where pages lie.
inline uint64_t fingerprint(const KvMemory& m) {
  uint64_t h = m.retention();
  const auto bytes = [&](const void* data, size_t size) { h = checksum(data, size, h); };
  const auto number = [&](auto x) {
    const auto wide = static_cast<uint64_t>(x);
    bytes(&wide, sizeof wide);
  };
  for (const KvLogEntry& e : m.log().entries()) {
    for (const auto x : {e.number, e.event}) number(x);
    for (const int x : {e.position, e.first, e.last, e.table, static_cast<int>(e.why), int{e.tier}}) number(x);
    number(e.score);
  }
  number(m.log().total());
  for (const DetachedReference& d : m.detached()) {
    for (const int32_t x : {d.position, d.first, d.last, d.statements}) number(x);
    bytes(d.reference.data(), d.reference.size());
  }
  const KvCounts c = m.counts();
  for (const uint64_t x : {c.evicted, c.demoted, c.recalled, c.lost, c.pins_refused, c.detached, c.events}) number(x);
  for (const int32_t p : m.hot_positions()) number(p);
  for (const auto& run : m.token_runs()) number(static_cast<int>(run.state) * 100000 + run.last);
  for (const auto& [first, last] : m.gone_runs()) number(first * 100000 + last);
  const KvSequence& s = m.sequence();
  std::vector<float> k(kMaxHeadDim), v(kMaxHeadDim);
  for (int t = 0; t < s.n_tables(); ++t) {
    bytes(s.positions(t).data(), s.positions(t).size_bytes());
    bytes(s.scores(t).data(), s.scores(t).size_bytes());
    for (int slot = 0; slot < s.slots(t); ++slot) {
      kv_load(s.layout(), s.table(t)[slot / kPageTokens], slot % kPageTokens, k.data(), v.data());
      bytes(k.data(), sizeof(float) * static_cast<size_t>(s.layout().head_dim_k));
      bytes(v.data(), sizeof(float) * static_cast<size_t>(s.layout().head_dim_v));
    }
  }
  for (int t = s.n_tables(); t < s.n_all_tables(); ++t) {
    const int window = KvTables(m.shape()).windows()[static_cast<size_t>(t - s.n_tables())];
    for (int p = std::max(s.next_position() - window + 1, 0); p < s.next_position(); ++p) {
      kv_load(s.layout_of(t), s.table(t)[p / kPageTokens], p % kPageTokens, k.data(), v.data());
      bytes(k.data(), sizeof(float) * static_cast<size_t>(s.layout_of(t).head_dim_k));
      bytes(v.data(), sizeof(float) * static_cast<size_t>(s.layout_of(t).head_dim_v));
    }
  }
  if (s.has_state()) bytes(s.state(), sizeof(float) * static_cast<size_t>(m.shape().state_floats));
  if (m.cold() != nullptr) {
    for (const int32_t p : m.cold()->positions()) number(p);
  }
  for (const auto& [id, a] : m.index().anchors()) {
    number(id);
    for (const int32_t x : {a.at.first, a.at.last, a.hot, a.cold, a.last_hit}) number(x);
  }
  number(m.index().segments().size());
  return h;
}

// Options of every policy, budget and cold tier.
inline KvOptions random_options(Dice& dice, const KvShape& shape) {
  KvOptions o;
  const auto names = policy_names();
  do {
    o.policy = names[static_cast<size_t>(dice.below(static_cast<int>(names.size())))];
  } while (!find_policy(o.policy)->evicts);
  o.budget = dice.one_in(6) ? 0 : 32 + dice.below(80);
  o.log = 1 << 14;
  o.seed = dice.next();
  const int cold = dice.below(4);
  if (cold > 0) o.cold = cold == 3 ? KvOptions::Cold::kFile : KvOptions::Cold::kRam;
  if (cold == 3) o.cold_path = temporary_path("random-cold");
  if (cold == 2) o.recall_threshold = 0.3f;
  if (shape.n_tables() == 0) o.budget = 0;
  const size_t block = ((shape.layout.page_bytes() + 63) / 64 * 64) * static_cast<size_t>(shape.n_tables());
  o.cold_bytes = block * static_cast<size_t>(3 + dice.below(12)) * (dice.one_in(3) ? 10 : 1);
  return o;
}

// Pages that live sequences of one arena hold, and what pays for their states, each counted once.
inline size_t distinct_pages(const std::vector<const Driver*>& drivers) {
  std::set<const std::byte*> pages;
  std::set<const float*> states;
  size_t state_pages = 0;
  for (const Driver* d : drivers) {
    const KvSequence& s = d->m->sequence();
    for (int t = 0; t < s.n_tables(); ++t) {
      for (int p = 0; p * kPageTokens < s.slots(t); ++p) pages.insert(s.table(t)[p]);
    }
    s.windows().each_page([&](size_t, const std::byte* page) { pages.insert(page); });
    if (s.has_state() && s.next_position() > 0 && !d->m->swapped_out()) states.insert(s.state());
    state_pages = s.arena().state_pages();
  }
  return pages.size() + states.size() * state_pages;
}

}  // namespace kedge::memory::kv_harness
