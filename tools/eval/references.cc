#include "tools/eval/references.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <memory>
#include <utility>

namespace kedge::tools {

namespace {

namespace fs = std::filesystem;

// The words of a line, the last of `n` with all that is left.
std::vector<std::string> words_of(const std::string& line, size_t n) {
  std::vector<std::string> words;
  size_t i = 0;
  while (words.size() + 1 < n) {
    const size_t end = line.find(' ', i);
    if (end == std::string::npos) break;
    words.push_back(line.substr(i, end - i));
    i = end + 1;
  }
  words.push_back(line.substr(i));
  return words;
}

size_t number_in(const std::string& word, const std::string& where) {
  size_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size()) throw Failure(where + ": '" + word + "' is no number");
  return value;
}

std::vector<PointerLabel> read_labels(const std::string& path, size_t size) {
  std::vector<PointerLabel> labels;
  const std::string text = read_text(path);
  size_t line = 0;
  for (size_t i = 0; i < text.size();) {
    const size_t end = std::min(text.find('\n', i), text.size());
    const std::string where = path + ":" + std::to_string(++line);
    const std::vector<std::string> words = words_of(text.substr(i, end - i), 4);
    if (words.size() < 3) throw Failure(where + ": no label; wanted: begin end kind text");
    PointerLabel label{number_in(words[0], where), number_in(words[1], where), words[2], words.back()};
    if (label.begin >= label.end || label.end > size || (!labels.empty() && label.begin < labels.back().end)) {
      throw Failure(where + ": the range is empty, outside of the page or overlaps the one before");
    }
    labels.push_back(std::move(label));
    i = end + 1;
  }
  return labels;
}

double share(size_t part, size_t whole) {
  return whole == 0 ? 1 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string row_of(const std::string& name, const PointerScore& s) {
  const auto percent = [](size_t part, size_t whole) {
    return whole == 0 ? std::string("    -") : format("%5.1f", 100 * share(part, whole));
  };
  return format("%-12s %6zu %8zu", name.c_str(), s.labels, s.detected) + "  " + percent(s.found, s.labels) + "  " +
         percent(s.right, s.detected) + "  " + percent(s.exact, s.labels) + "  " + percent(s.strong, s.labels) + "\n";
}

bool overlap(size_t a_begin, size_t a_end, size_t b_begin, size_t b_end) { return a_begin < b_end && b_begin < a_end; }

struct Group {
  std::string name;
  PointerScore score;
};

void eval_references(const std::string& folder, bool json, bool misses) {
  const std::vector<LabelledPage> pages = read_labelled_pages(folder);
  std::string last;  // the highest number: held out
  for (const LabelledPage& p : pages) last = std::max(last, p.name.substr(p.kind.size()));
  std::vector<Group> kinds;
  PointerScore tuned, held_out;
  std::string report;
  for (const LabelledPage& p : pages) {
    const PointerScore s = score_page(p, misses ? &report : nullptr);
    if (kinds.empty() || kinds.back().name != p.kind) kinds.push_back({p.kind, {}});
    kinds.back().score += s;
    (p.name.substr(p.kind.size()) == last ? held_out : tuned) += s;
  }
  PointerScore all = tuned;
  all += held_out;
  if (json) {
    Json out = {{"pages", pages.size()}, {"all", all.json()}, {"tuned", tuned.json()}, {"held_out", held_out.json()}};
    for (const Group& g : kinds) out["kinds"][g.name] = g.score.json();
    return print_json(out);
  }
  print(report);
  print("text         labels detected recall   prec.  exact strong   (percent)\n");
  for (const Group& g : kinds) print(row_of(g.name, g.score));
  print(row_of("tuned on", tuned) + row_of("held out", held_out) + row_of("all", all));
}

}  // namespace

std::vector<LabelledPage> read_labelled_pages(const std::string& folder) {
  std::vector<LabelledPage> pages;
  std::error_code error;
  for (const fs::directory_entry& e : fs::directory_iterator(folder, error)) {
    if (e.path().extension() != ".refs") continue;
    LabelledPage page;
    page.name = e.path().stem().string();
    page.kind = page.name.substr(0, page.name.rfind('-'));
    page.text = read_text((fs::path(folder) / (page.name + ".txt")).string());
    page.labels = read_labels(e.path().string(), page.text.size());
    pages.push_back(std::move(page));
  }
  if (error) throw Failure("cannot read the folder " + folder + ": " + error.message());
  if (pages.empty()) throw Failure(folder + " has no pages: no file ends in .refs");
  std::sort(pages.begin(), pages.end(), [](const LabelledPage& a, const LabelledPage& b) { return a.name < b.name; });
  return pages;
}

void PointerScore::operator+=(const PointerScore& other) {
  labels += other.labels;
  found += other.found;
  exact += other.exact;
  strong += other.strong;
  detected += other.detected;
  right += other.right;
}

Json PointerScore::json() const {
  return {{"labels", labels},
          {"detected", detected},
          {"recall", share(found, labels)},
          {"precision", share(right, detected)},
          {"exact", share(exact, labels)},
          {"strong", share(strong, labels)}};
}

PointerScore score_page(const LabelledPage& page, std::string* report) {
  PointerScore s;
  const Json found = Json::parse(need(kedge::detect_references(page.text)));
  for (const PointerLabel& label : page.labels) {
    if (label.kind == "optional") continue;
    bool hit = false, exact = false, strong = false;
    for (const Json& d : found) {
      const size_t begin = d.at("range").at(0), end = d.at("range").at(1);
      if (!overlap(begin, end, label.begin, label.end)) continue;
      hit = true;
      exact = exact || (begin == label.begin && end == label.end);
      strong = strong || d.at("strong").get<bool>();
    }
    ++s.labels;
    s.found += hit ? 1 : 0;
    s.exact += exact ? 1 : 0;
    s.strong += strong ? 1 : 0;
    if (!hit && report != nullptr) *report += "missed " + page.name + " " + label.kind + " " + label.reference + "\n";
  }
  for (const Json& d : found) {
    const size_t begin = d.at("range").at(0), end = d.at("range").at(1);
    bool right = false, optional = false;
    for (const PointerLabel& label : page.labels) {
      if (overlap(begin, end, label.begin, label.end)) (label.kind == "optional" ? optional : right) = true;
    }
    if (optional && !right) continue;
    ++s.detected;
    s.right += right ? 1 : 0;
    if (!right && report != nullptr) {
      *report += "wrong " + page.name + " " + d.at("kind").get<std::string>() + " " +
                 Json(page.text.substr(begin, end - begin)).dump() + "\n";
    }
  }
  return s;
}

void add_eval_references(CLI::App& eval) {
  struct Flags {
    std::string data;
    bool json = false;
    bool misses = false;
  };
  auto flags = std::make_shared<Flags>();
  CLI::App* c = eval.add_subcommand("references", "The detector against real text labelled by hand, by kind of text");
  c->add_option("--data", flags->data, "The pages: NAME.txt with NAME.refs")->required()->type_name("FOLDER");
  c->add_flag("--misses", flags->misses, "List what was missed and what is wrong");
  c->add_flag("--json", flags->json, "Print the figures as JSON");
  c->footer(
      "A pointer is found when a reference overlaps it; exact: to the byte; strong: pinned by itself. Pages with the\n"
      "highest number were not looked at while the detector was made.\n"
      "Example:\n  kedge eval references --data tests/data/references");
  c->callback([flags] { eval_references(flags->data, flags->json, flags->misses); });
}

}  // namespace kedge::tools
