#include "tools/kv_flags.h"

#include <algorithm>
#include <map>

#include "kernels/base/byte_size.h"
#include "tools/schema.h"

namespace kedge::tools {

namespace {

// "2048" is a number in JSON; "64MiB" and "25%" are text. What they mean is the library's business.
Json amount(const std::string& text) {
  const bool digits = !text.empty() && text.size() < 16 && text.find_first_not_of("0123456789") == std::string::npos;
  return digits ? Json(std::stoll(text)) : Json(text);
}

std::string cold_place(const std::string& text) {
  if (text == "off" || text == "ram" || (text.rfind("file:", 0) == 0 && text.size() > 5)) return "";
  return "'" + text + "' is none of off, ram, file:PATH";
}

// "DOC-83FA, parse_header (3 times) and 3 more".
std::string names_of(const Json& detached) {
  constexpr size_t kShown = 5;
  std::vector<std::pair<std::string, int>> references;  // in the order they were met
  for (const Json& d : detached) {
    const std::string name = d.value("reference", std::string("?"));
    const auto known =
        std::find_if(references.begin(), references.end(), [&](const auto& r) { return r.first == name; });
    if (known != references.end()) {
      ++known->second;
    } else {
      references.emplace_back(name, 1);
    }
  }
  std::string names;
  for (size_t i = 0; i < std::min(references.size(), kShown); ++i) {
    names += (i > 0 ? ", " : "") + references[i].first;
    if (references[i].second > 1) names += format(" (%d times)", references[i].second);
  }
  if (references.size() > kShown) names += format(" and %zu more", references.size() - kShown);
  return names;
}

uint64_t count(const Json& kv, const char* name) { return kv.value(name, uint64_t{0}); }

}  // namespace

void KvFlags::add_to(CLI::App* command, Which which) {
  const CLI::CommonOptions common(command);
  const auto add = [&](auto&&... arguments) { return command->add_option(arguments...)->group("Memory"); };
  if (which == kAll) {
    add("--kv-budget", budget, "Tokens the memory holds, or bytes (64MiB), or a share of the context (25%)")
        ->type_name("N|BYTES|%");
    add("--kv-policy", policy, "What stays when it is full [anchor]")->check(one_of(kv_policies()));
    add("--kv-cold", cold, "Where evicted tokens go, to be recalled: off, ram or file:PATH [off]")
        ->check(CLI::Validator(cold_place, ""))
        ->type_name("PLACE");
  }
  add("--kv-sinks", sinks_, "First tokens that always stay [4]")->check(in_range(0, 1 << 20));
  add("--kv-recent", recent_, "Latest tokens that always stay, or their share of the budget [12.5%]")->type_name("N|%");
  add("--anchor-threshold", anchor_threshold_, "Percentile of attention above which a weak reference is kept too [0.6]")
      ->check(in_range(0, 1));
  add("--anchor-cap", anchor_cap_, "Share of the budget that kept references may take [0.75]")->check(in_range(0, 1));
  add("--anchor-margin", anchor_margin_, "Tokens kept on either side of a reference [4]")->check(in_range(0, 1 << 20));
  if (which == kAll) {
    add("--anchor-detect", anchor_detect_, "Look for references in all text [on]")->check(CLI::IsMember({"on", "off"}));
  }
  add("--kv-cold-budget", cold_budget_, "Bytes of evicted tokens to hold for recall [256MiB]")->type_name("BYTES");
  std::vector<std::string> cold_types = {"same"};
  for (const CacheType& type : cache_types()) {
    if (type.cold) cold_types.push_back(type.name);
  }
  add("--kv-cold-type", cold_type_, "Type of the evicted keys and values [same]")->check(one_of(cold_types));
  add("--recall-threshold", recall_threshold_,
      "Also recall tokens that could get this share of attention; 0: only those that text refers to [0]")
      ->check(in_range(0, 1));
}

Json KvFlags::options() const {
  Json kv = Json::object();
  const auto text = [&](const char* name, const std::string& value) {
    if (!value.empty()) kv[name] = value;
  };
  const auto number = [&](const char* name, const auto& value) {
    if (value) kv[name] = *value;
  };
  if (!budget.empty()) kv["budget"] = amount(budget);
  text("policy", policy);
  number("sinks", sinks_);
  if (!recent_.empty()) kv["recent"] = amount(recent_);
  number("anchor_threshold", anchor_threshold_);
  number("anchor_cap", anchor_cap_);
  number("anchor_margin", anchor_margin_);
  if (!anchor_detect_.empty()) kv["anchor_detect"] = anchor_detect_ == "on";
  text("cold", cold);
  if (!cold_budget_.empty()) kv["cold_budget"] = amount(cold_budget_);
  text("cold_type", cold_type_);
  number("recall_threshold", recall_threshold_);
  return kv;
}

std::string KvFlags::json() const { return given() ? options().dump() : ""; }

std::string memory_line(std::string_view text) {
  if (text.empty()) return "";
  const Json kv = Json::parse(text);
  const uint64_t evicted = count(kv, "evicted");
  const uint64_t recalled = count(kv, "recalled");
  const uint64_t refused = count(kv, "pins_refused");
  const uint64_t gone = count(kv, "gone");
  const Json detached = kv.value("detached", Json::array());
  if (evicted + recalled + refused + gone + detached.size() == 0) return "";
  std::string line = format("memory: %llu hot", static_cast<unsigned long long>(count(kv, "hot")));
  const auto add = [&](uint64_t n, const char* what) {
    if (n > 0) line += format(", %llu %s", static_cast<unsigned long long>(n), what);
  };
  add(evicted, "evicted");
  if (const uint64_t demoted = count(kv, "demoted"); evicted > 0 && demoted > 0) {
    line += format(" (%llu demoted)", static_cast<unsigned long long>(demoted));
  }
  add(recalled, "recalled");
  add(refused, refused == 1 ? "pin refused" : "pins refused");
  if (gone > 0) {
    line += format("; %llu %s of the text %s gone", static_cast<unsigned long long>(gone),
                   gone == 1 ? "token" : "tokens", gone == 1 ? "is" : "are");
    if (kv.value("references", std::string()) == "off") line += " (this memory does not watch references)";
  }
  if (!detached.empty()) {
    line +=
        format("; %zu %s", detached.size(), detached.size() == 1 ? "detached reference: " : "detached references: ");
    line += names_of(detached);
  }
  return line;
}

std::string memory_report(std::string_view text) {
  if (text.empty()) return "";
  const Json kv = Json::parse(text);
  const auto n = [&](const char* name) { return static_cast<unsigned long long>(count(kv, name)); };
  std::string out = format("%llu of %llu tokens hot (policy %s, budget %llu), %s", n("hot"), n("n_past"),
                           kv.value("policy", std::string("?")).c_str(), n("budget"),
                           human_bytes(kv.value("hot_bytes", 0.0)).c_str());
  if (n("cold_tokens") > 0) {
    out += format("; %llu cold, %s", n("cold_tokens"), human_bytes(kv.value("cold_bytes", 0.0)).c_str());
  }
  out += format("\nso far %llu evicted (%llu demoted, %llu lost), %llu recalled, %llu pins refused", n("evicted"),
                n("demoted"), n("lost"), n("recalled"), n("pins_refused"));
  if (n("gone") > 0) {
    out += format("\ngone: %llu tokens of the text, in %zu ranges", n("gone"),
                  kv.value("gone_ranges", Json::array()).size() + static_cast<size_t>(n("gone_ranges_more")));
  }
  if (kv.value("references", std::string()) == "off") out += "\nreferences to what is gone are not watched";
  std::map<std::string, uint64_t> states;
  for (const Json& run : kv.value("tokens", Json::array())) {
    states[run.value("state", std::string("?"))] += count(run, "last") - count(run, "first");  // last: the one behind
  }
  std::string line;
  for (const auto& [state, tokens] : states) {
    line += format("%s%llu %s", line.empty() ? "" : ", ", static_cast<unsigned long long>(tokens), state.c_str());
  }
  if (!line.empty()) out += "\nnow " + line;
  const Json detached = kv.value("detached", Json::array());
  if (!detached.empty()) out += "\ndetached references: " + names_of(detached);
  return out;
}

void add_memory(CLI::App* command, uint64_t& bytes) {
  command
      ->add_option_function<std::string>(
          "--memory",
          [&bytes](const std::string& text) {
            constexpr double kMost = 1e15;
            const double size = base::byte_size(text);
            if (!(size >= 1 && size <= kMost)) {
              throw CLI::ValidationError("--memory", "'" + text + "' is not a size from 1 to 1e15 bytes (512MiB, 4GB)");
            }
            bytes = static_cast<uint64_t>(size);
          },
          "Holds the cached keys and values of all rows and the buffers; who finds no room there waits. Changes speed, "
          "never an answer [--parallel contexts, at most half of the memory that is free]")
      ->type_name("BYTES");
}

}  // namespace kedge::tools
