#include "tools/eval/outcome.h"

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace kedge::tools {

std::string RecallSetting::name() const {
  std::string out = policy;
  if (policy.rfind("anchor", 0) == 0) out += ", " + (marks == "none" ? "no marks" : marks);
  if (cold != "off") out += ", cold " + cold;
  return out;
}

Json RecallOutcome::json() const {
  Json out = {{"row", row},
              {"policy", setting.policy},
              {"budget", setting.budget},
              {"marks", setting.marks},
              {"cold", setting.cold},
              {"length", length},
              {"n_prompt", n_prompt},
              {"budget_tokens", budget_tokens},
              {"ref_tokens", ref_tokens},
              {"n_spans", n_spans},
              {"n_false", n_false},
              {"values", values},
              {"sources", sources},
              {"text", text},
              {"hot_bytes", hot_bytes},
              {"cold_bytes", cold_bytes},
              {"evicted", evicted},
              {"demoted", demoted},
              {"recalled", recalled},
              {"lost", lost},
              {"detached", detached},
              {"seconds", seconds}};
  if (!error.empty()) out["error"] = error;
  return out;
}

RecallOutcome RecallOutcome::from(const Json& json) {
  return {.row = json.at("row"),
          .setting = {.policy = json.at("policy"),
                      .budget = json.at("budget"),
                      .marks = json.at("marks"),
                      .cold = json.at("cold")},
          .length = json.at("length"),
          .n_prompt = json.at("n_prompt"),
          .budget_tokens = json.at("budget_tokens"),
          .ref_tokens = json.at("ref_tokens"),
          .n_spans = json.at("n_spans"),
          .n_false = json.at("n_false"),
          .values = json.at("values"),
          .sources = json.at("sources"),
          .text = json.at("text"),
          .error = json.value("error", std::string()),
          .hot_bytes = json.at("hot_bytes"),
          .cold_bytes = json.at("cold_bytes"),
          .evicted = json.at("evicted"),
          .demoted = json.at("demoted"),
          .recalled = json.at("recalled"),
          .lost = json.at("lost"),
          .detached = json.at("detached"),
          .seconds = json.at("seconds")};
}

OutcomeFile::OutcomeFile(const std::string& path, const Json& setup) : path_(path) {
  if (path.empty()) return;
  need_outputs({path});  // it grows row by row, so that a stopped run can go on: not written at once
  const std::string text = std::filesystem::exists(path) ? read_text(path) : "";
  size_t begin = 0;
  size_t number = 0;
  for (size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    ++number;
    const std::string where = format("%s:%zu: ", path.c_str(), number);
    try {
      const Json line = Json::parse(std::string_view(text).substr(begin, end - begin));
      if (number > 1) {
        earlier_.push_back(RecallOutcome::from(line));
      } else if (line.at("setup") != setup) {
        throw Failure(where + "measured with " + line.at("setup").dump() + ", not with " + setup.dump() +
                      "; choose another --rows-out");
      }
    } catch (const JsonError&) {
      throw Failure(where + "not a line of 'kedge eval recall --rows-out'");
    }
  }
  if (begin < text.size()) std::filesystem::resize_file(path, begin);
  file_.reset(std::fopen(path.c_str(), "ab"));
  if (!file_) throw Failure(path + ": " + std::strerror(errno));
  if (number == 0) write_line({{"setup", setup}});
}

void OutcomeFile::append(const RecallOutcome& outcome) {
  if (file_) write_line(outcome.json());
}

void OutcomeFile::write_line(const Json& json) {
  const std::string line = json.dump() + "\n";
  if (std::fwrite(line.data(), 1, line.size(), file_.get()) != line.size() || std::fflush(file_.get()) != 0) {
    throw Failure(path_ + ": " + std::strerror(errno));
  }
}

}  // namespace kedge::tools
