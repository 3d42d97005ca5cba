#include "tools/batch_file.h"

#include <sys/file.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace kedge::tools {

namespace {

std::string state_path(const std::string& path) { return path + ".state"; }

constexpr const char* kRestart = "; --restart begins anew";

}  // namespace

BatchFile::BatchFile(const std::string& path, Json setup, const std::vector<BatchRow>& rows, bool restart)
    : path_(path), setup_(std::move(setup)) {
  if (path == "-") {
    file_.reset(stdout);
    return;
  }
  need_outputs({path, state_path(path)});  // the answers grow line by line: not written at once
  file_.reset(std::fopen(path.c_str(), "ab"));
  if (!file_) throw Failure(path + ": " + std::strerror(errno));
  if (flock(fileno(file_.get()), LOCK_EX | LOCK_NB) != 0) throw Failure(path + ": another batch is writing it");
  if (!restart && std::filesystem::file_size(path) > 0) {
    const Json wanted = setup_;
    resume(wanted);
    count_answers(rows);
  } else {
    write_text(state_path(path), setup_.dump(1) + "\n");
    std::filesystem::resize_file(path, 0);
  }
}

// What the flags leave to chance (a seed that was drawn: null) goes on as it was begun.
void BatchFile::resume(const Json& wanted) {
  const std::string state = state_path(path_);
  if (!std::filesystem::exists(state)) {
    throw Failure(path_ + ": is there already, and " + state + ", which would say what it answers, is not" + kRestart);
  }
  const auto parsed = parse_json(read_text(state), state.c_str());
  const Json earlier = parsed.ok() ? *parsed : Json();
  if (!earlier.is_object()) throw Failure(state + ": not the state of a batch" + kRestart);
  for (const auto& [name, value] : wanted.items()) {
    const Json was = earlier.value(name, Json());
    if (was == value || name == "drawn_seed") continue;
    if (name == "input") throw Failure(path_ + ": answers other rows than those given" + kRestart);
    throw Failure(path_ + ": was begun with " + name + " " + was.dump() + ", not " + value.dump() + kRestart);
  }
  setup_ = earlier;
}

void BatchFile::count_answers(const std::vector<BatchRow>& rows) {
  const std::string text = read_text(path_);
  size_t begin = 0;
  for (size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const std::string where = format("%s:%zu: ", path_.c_str(), n_done_ + 1);
    const auto parsed = parse_json(std::string_view(text).substr(begin, end - begin), "the answer");
    const Json line = parsed.ok() ? *parsed : Json();
    const bool answers = line.is_object() && n_done_ < rows.size() && line.value("id", Json()) == rows[n_done_].id;
    if (!answers) throw Failure(where + "not the answer to row " + std::to_string(n_done_ + 1) + kRestart);
    n_failed_ += line.contains("error") ? 1 : 0;
    ++n_done_;
  }
  if (begin < text.size()) std::filesystem::resize_file(path_, begin);
}

void BatchFile::append(const Json& answer) {
  const std::string line = answer.dump() + "\n";
  if (std::fwrite(line.data(), 1, line.size(), file_.get()) != line.size() || std::fflush(file_.get()) != 0) {
    throw Failure((path_ == "-" ? "standard output" : path_) + ": " + std::strerror(errno));
  }
  ++n_done_;
  n_failed_ += answer.contains("error") ? 1 : 0;
}

}  // namespace kedge::tools
