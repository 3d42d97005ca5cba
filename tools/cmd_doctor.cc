// kedge doctor: what this machine is, what it allows us, and what it can do at best.
#include "bench/probe.h"
#include "tools/bench_bandwidth.h"
#include "tools/model_flags.h"

namespace kedge::tools {

namespace {

constexpr int kProbePasses = 5;

struct DoctorFlags {
  bool quick = false;
  bool json = false;
};

Json measure(const Json& info) {
  const int threads = info.at("default_threads").get<int>();
  Json read = {{"n_threads", threads}};
  // The names without a page size are those of huge pages: what weights live in, where the system grants them.
  for (const auto& [pages, suffix] :
       {std::pair{bench::PageSize::kHuge, ""}, std::pair{bench::PageSize::kSmall, "_4k_pages"}}) {
    const bench::ReadProbe probe = need(bench::ReadProbe::make(probe_bytes(info), threads, pages));
    read["buffer_bytes"] = probe.bytes();
    const double one = need(probe.bytes_per_second(1, kProbePasses)) / 1e9;
    read[std::string("gbps_1_thread") + suffix] = one;
    read[std::string("gbps") + suffix] = threads == 1 ? one : need(probe.bytes_per_second(threads, kProbePasses)) / 1e9;
  }
  Json peaks = Json::array();
  for (const bench::PeakRates& p : need(bench::probe_peaks(threads))) {
    const auto or_null = [](double rate) { return rate > 0 ? Json(rate / 1e9) : Json(); };
    Json peak = {{"isa", p.isa},
                 {"f32_gflops", or_null(p.f32_flops)},
                 {"int8_gops", or_null(p.int8_ops)},
                 {"bf16_gflops", or_null(p.bf16_flops)},
                 {"n_threads", threads}};
    peaks.push_back(std::move(peak));
  }
  return {{"read_bandwidth", std::move(read)}, {"peak", std::move(peaks)}};
}

std::string join(const Json& strings) {
  std::string text;
  for (const Json& s : strings) text += (text.empty() ? "" : ", ") + s.get<std::string>();
  return text;
}

void line(const char* what, const std::string& value) { print(format("%-20s %s\n", what, value.c_str())); }
std::string bytes_or(const Json& value, const char* otherwise) {
  return value.is_number() ? human_bytes(value.get<double>()) : otherwise;
}

void print_machine(const Json& info) {
  const Json& cpu = info.at("cpu");
  line("CPU", cpu.at("model").get<std::string>());
  line("", format("%d online, %d allowed to this process (%d cores)", cpu.at("cpus_online").get<int>(),
                  cpu.at("cpus_allowed").get<int>(), cpu.at("cores_allowed").get<int>()));
  std::string caches;
  for (const Json& bytes : cpu.at("cache_bytes")) caches += (caches.empty() ? "" : ", ") + bytes_or(bytes, "?");
  line("data caches", caches.empty() ? "unknown" : caches);
  const Json& isa = info.at("isa");
  line("instruction sets", join(isa.at("usable")));
  line("in use", isa.at("active").is_string() ? isa.at("active").get<std::string>()
                                              : "none: " + isa.at("error").get<std::string>());
  line("numerics fast", isa.at("fast").is_string() ? isa.at("fast").get<std::string>() : "refused");
  const Json& cgroup = info.at("cgroup");
  line("cgroup CPU quota",
       cgroup.at("cpu_quota").is_number() ? format("%.2f CPUs", cgroup.at("cpu_quota").get<double>()) : "none");
  line("cgroup memory limit", bytes_or(cgroup.at("memory_limit_bytes"), "none"));
  line("threads by default", std::to_string(info.at("default_threads").get<int>()));
  const Json& memory = info.at("memory");
  line("memory",
       bytes_or(memory.at("total_bytes"), "?") + ", available " + bytes_or(memory.at("available_bytes"), "?"));
  const Json& huge = info.at("huge_pages");
  line(
      "huge pages",
      "transparent: " + (huge.at("transparent").is_string() ? huge.at("transparent").get<std::string>() : "unknown") +
          format(", reserved: %d of %s", huge.at("reserved").get<int>(), bytes_or(huge.at("page_bytes"), "?").c_str()));
}

void print_measured(const Json& measured) {
  const Json& read = measured.at("read_bandwidth");
  const int threads = read.at("n_threads").get<int>();
  const auto bandwidth = [&](const char* what, const std::string& suffix) {
    line(what, format("%.1f GB/s with 1 thread, %.1f GB/s with %d", read.at("gbps_1_thread" + suffix).get<double>(),
                      read.at("gbps" + suffix).get<double>(), threads));
  };
  bandwidth("read, huge pages", "");
  bandwidth("read, 4 KiB pages", "_4k_pages");
  for (const Json& peak : measured.at("peak")) {
    std::string rates;
    const auto add = [&](const char* key, const char* unit) {
      if (!peak.at(key).is_number()) return;
      rates += (rates.empty() ? "" : ", ") + format("%.0f ", peak.at(key).get<double>()) + unit;
    };
    add("f32_gflops", "GFLOPS float32");
    add("int8_gops", "GOPS int8");
    add("bf16_gflops", "GFLOPS bfloat16");
    line(("peak " + peak.at("isa").get<std::string>()).c_str(), rates + format(" (%d threads)", threads));
  }
}

void doctor(const DoctorFlags& flags) {
  Json report = {{"version", kedge::version()}};
  report.update(Json::parse(need(kedge::system_info())));
  if (!flags.json) print_machine(report);
  if (!flags.quick) {
    check_output();  // what is known stands there while the rest is measured
    const Json measured = measure(report);
    report["measured"] = measured;
    if (!flags.json) print_measured(measured);
  }
  if (flags.json) print_json(report);
  if (report.at("isa").at("error").is_string()) throw Failure(report.at("isa").at("error").get<std::string>());
}

}  // namespace

void add_doctor(CLI::App& app) {
  auto flags = std::make_shared<DoctorFlags>();
  CLI::App* c = app.add_subcommand("doctor", "Show what this machine is, allows and can do");
  c->add_flag("--quick", flags->quick, "Do not measure");
  c->add_flag("--json", flags->json, "Print the report as JSON");
  c->footer(
      "Generating reads every active weight once a token: tokens per second cannot exceed the read bandwidth divided\n"
      "by 'bytes_per_token' of kedge bench. 'kedge list --catalogue': which models that allows.");
  c->callback([flags] { doctor(*flags); });
}

}  // namespace kedge::tools
