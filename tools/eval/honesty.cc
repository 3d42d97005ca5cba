#include "tools/eval/honesty.h"

#include <mutex>

#include "kernels/base/at_once.h"
#include "tools/eval/score.h"
#include "tools/interrupt.h"

namespace kedge::tools {

namespace {

class Run {
 public:
  Run(const kedge::Model& model, kedge::Engine& engine, const HonestySetting& setting)
      : model_(model),
        session_(need(engine.session(
            {.n_ctx = kContext,
             .kv = Json({{"policy", setting.policy}, {"budget", setting.budget}, {"cold", setting.cold}}).dump()}))) {}

  size_t read(const std::string& text) {  // tokens read so far
    const auto tokens = need(model_.tokenize(text, session_.tokens().empty(), false));
    if (const auto status = session_.eval(tokens); !status.ok()) throw Failure(status.error().message);
    return session_.tokens().size();
  }
  Json kv() const { return Json::parse(need(session_.kv())); }
  // Tokens of [first, behind) are not hot in every table.
  bool has_left(size_t first, size_t behind) {
    const Json now = kv();
    for (const Json& run : now.at("tokens")) {
      const bool overlap = run.at("first").get<size_t>() < behind && first < run.at("last").get<size_t>();
      if (overlap && run.at("state") == "demoted") return true;
    }
    if (now.at("cold_tokens") != 0) return false;     // then tables agree, and what is not cold is hot
    const Json range = {{"range", {first, behind}}};  // without a cold tier nothing comes back
    return Json::parse(need(session_.recall(range.dump()))).at("missing") != 0;
  }

 private:
  static constexpr int kContext = 4096;
  const kedge::Model& model_;
  kedge::Session session_;
};

}  // namespace

std::vector<HonestyRow> read_honesty_rows(const std::string& path) {
  std::vector<HonestyRow> rows;
  size_t number = 0;
  const std::string text = read_text(path);
  for (const std::string_view line : detail::split(text, "\n")) {
    ++number;
    if (trimmed(line).empty()) continue;
    try {
      const Json json = Json::parse(line);
      HonestyRow row{.name = json.at("name"), .facts = {}, .mention = json.at("mention")};
      for (const Json& fact : json.at("facts")) row.facts += fact.get<std::string>() + "\n";
      const std::string expect = json.at("expect");
      if (expect != "named" && expect != "gone") throw Failure("'expect' is '" + expect + "'");
      row.named = expect == "named";
      rows.push_back(std::move(row));
    } catch (const JsonError&) {
      throw Failure(format("%s:%zu: needs \"name\", \"facts\", \"mention\" and \"expect\"", path.c_str(), number));
    } catch (const Failure& e) {
      throw Failure(format("%s:%zu: %s, must be named or gone", path.c_str(), number, e.what()));
    }
  }
  if (rows.empty()) throw Failure(path + ": has no rows");
  return rows;
}

namespace {

struct HonestyCase {
  const std::string* before;  // read before the facts, behind them, and last of all; null: nothing
  const std::string* facts;
  const std::string* after;
  const std::string* mention;
  bool named;
};

std::vector<HonestyCase> cases_of(const std::vector<HonestyRow>& rows, const std::string& flood) {
  std::vector<HonestyCase> cases;
  for (size_t i = 0; i < rows.size(); ++i) {
    const HonestyRow& row = rows[i];
    cases.push_back({nullptr, &row.facts, &flood, &row.mention, row.named});
    cases.push_back({&flood, &row.facts, nullptr, &row.mention, row.named});
    // The next row about something else.
    size_t other = (i + 1) % rows.size();
    while (other != i && rows[other].facts.substr(0, 12) == row.facts.substr(0, 12)) other = (other + 1) % rows.size();
    if (other != i) cases.push_back({nullptr, &row.facts, &flood, &rows[other].mention, false});
  }
  return cases;
}

// Adds what a case shows, under `mutex`.
void run_case(Run r, const HonestyCase& c, std::mutex& mutex, HonestyCounts& counts) {
  if (InterruptGuard::interrupted()) throw interrupted();
  const size_t first = c.before == nullptr ? 0 : r.read(*c.before);
  const size_t behind = r.read(*c.facts);
  if (c.after != nullptr) r.read(*c.after);
  const bool left = r.has_left(first, behind);
  const Json was = r.kv();
  r.read(*c.mention + "\n");
  const Json is = r.kv();
  const size_t recalled = is.at("recalled").get<size_t>() - was.at("recalled").get<size_t>();
  const bool alarm = is.at("detached_total") != was.at("detached_total");
  const bool left_meanwhile = c.named && !left && r.has_left(first, behind);
  const std::lock_guard lock(mutex);
  counts.references = is.at("references") == "on";
  counts.recalled += recalled;
  if (left && c.named) {
    ++counts.named_gone;
    counts.answered += alarm || recalled > 0 ? 1 : 0;
  } else if (left_meanwhile) {
    // Reading the mention itself pushed it out: before or behind the name, which is not known.
    ++counts.left_meanwhile;
  } else {
    ++counts.quiet;
    counts.false_alarms += alarm ? 1 : 0;
  }
  if (!left) return;
  ++counts.any_gone;
  counts.counted += was.at("gone").get<size_t>() + was.at("cold_tokens").get<size_t>() > 0 ? 1 : 0;
}

}  // namespace

HonestyCounts run_honesty(const kedge::Model& model, kedge::Engine& engine, const std::vector<HonestyRow>& rows,
                          const std::string& flood, const HonestySetting& setting, int jobs) {
  HonestyCounts counts;
  counts.setting = setting;
  const InterruptGuard guard;
  const std::vector<HonestyCase> cases = cases_of(rows, flood);
  std::mutex mutex;
  at_once(static_cast<size_t>(jobs), cases.size(),
          [&](size_t i) { run_case(Run(model, engine, setting), cases[i], mutex, counts); });
  return counts;
}

Json HonestyCounts::json() const {
  const auto share = [](size_t part, size_t n) {
    const Interval ci = wilson_interval(part, n);
    return Json{{"n", n},
                {"share", n == 0 ? Json() : Json(static_cast<double>(part) / static_cast<double>(n))},
                {"ci_low", ci.low},
                {"ci_high", ci.high}};
  };
  return {{"policy", setting.policy},
          {"budget", setting.budget},
          {"cold", setting.cold},
          {"references", references ? "on" : "off"},
          {"named_and_gone", share(answered, named_gone)},
          {"false_alarms", share(false_alarms, quiet)},
          {"left_meanwhile", left_meanwhile},
          {"gone_counted", share(counted, any_gone)},
          {"recalled", recalled}};
}

std::string honesty_table(const std::vector<HonestyCounts>& all) {
  const auto share = [](size_t part, size_t n) {
    if (n == 0) return std::string("-");
    const Interval ci = wilson_interval(part, n);
    return format("%5.1f (%.1f-%.1f) of %zu", 100.0 * static_cast<double>(part) / static_cast<double>(n), 100 * ci.low,
                  100 * ci.high, n);
  };
  std::string out =
      format("%-13s %6s %-5s %-10s  %-26s  %-26s  %-9s  %-26s\n", "policy", "budget", "cold", "references",
             "named and gone: said, %", "else: false alarms, %", "left then", "gone: counted, %");
  for (const HonestyCounts& c : all) {
    out += format("%-13s %6d %-5s %-10s  %-26s  %-26s  %9zu  %-26s\n", c.setting.policy.c_str(), c.setting.budget,
                  c.setting.cold.c_str(), c.references ? "on" : "off", share(c.answered, c.named_gone).c_str(),
                  share(c.false_alarms, c.quiet).c_str(), c.left_meanwhile, share(c.counted, c.any_gone).c_str());
  }
  return out + "left then: a named fact that left while its mention was read, which is in neither share\n";
}

}  // namespace kedge::tools
