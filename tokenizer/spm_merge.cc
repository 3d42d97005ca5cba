#include "tokenizer/spm_merge.h"

#include <queue>

#include "kernels/base/utf8.h"

namespace kedge {

// One text being merged: a linked list of symbols, and the pairs of neighbours that make a piece.
class SpmMerges::Run {
 public:
  Run(const SpmMerges& merges, std::string_view text) : pieces_(merges.pieces_) {
    for (size_t at = 0; at < text.size();) {
      const size_t length = utf8_char_length(text, at);
      const int i = static_cast<int>(symbols_.size());
      symbols_.push_back({i - 1, at + length < text.size() ? i + 1 : -1, text.substr(at, length)});
      at += length;
    }
    for (int i = 1; i < static_cast<int>(symbols_.size()); ++i) add_pair(i - 1, i);
  }

  std::vector<Part> parts() {
    while (!pairs_.empty()) {
      const Pair pair = pairs_.top();
      pairs_.pop();
      Symbol& left = symbol(pair.left);
      Symbol& right = symbol(pair.right);
      // One of the two may have been merged with another neighbour since.
      if (left.text.empty() || right.text.empty() || left.text.size() + right.text.size() != pair.size) continue;
      left.text = joined(left, right);
      left.next = right.next;
      if (right.next >= 0) symbol(right.next).previous = pair.left;
      right.text = {};
      add_pair(left.previous, pair.left);
      add_pair(pair.left, left.next);
    }
    std::vector<Part> parts;
    for (int i = symbols_.empty() ? -1 : 0; i >= 0; i = symbol(i).next) take(symbol(i).text, parts);
    return parts;
  }

 private:
  struct Symbol {
    int previous;
    int next;
    std::string_view text;  // empty: merged into the one before
  };
  struct Pair {
    float score;
    int left;
    int right;
    size_t size;
    bool operator<(const Pair& o) const { return score != o.score ? score < o.score : left > o.left; }
  };

  Symbol& symbol(int i) { return symbols_[static_cast<size_t>(i)]; }
  static std::string_view joined(const Symbol& left, const Symbol& right) {  // neighbours in one text
    return {left.text.data(), left.text.size() + right.text.size()};
  }

  void add_pair(int left, int right) {
    if (left < 0 || right < 0) return;
    const std::string_view text = joined(symbol(left), symbol(right));
    const auto piece = pieces_.find(text);
    if (piece == pieces_.end()) return;
    pairs_.push({piece->second.score, left, right, text.size()});
    if (piece->second.unused) halves_[text] = {symbol(left).text, symbol(right).text};
  }

  void take(std::string_view text, std::vector<Part>& parts) const {
    std::vector<std::string_view> open = {text};  // the next one last
    while (!open.empty()) {
      const std::string_view part = open.back();
      open.pop_back();
      const auto piece = pieces_.find(part);
      const auto halves = piece != pieces_.end() && piece->second.unused ? halves_.find(part) : halves_.end();
      if (halves != halves_.end()) {
        open.push_back(halves->second.second);
        open.push_back(halves->second.first);
      } else {
        parts.push_back({part, piece == pieces_.end() ? -1 : piece->second.id});
      }
    }
  }

  const decltype(SpmMerges::pieces_)& pieces_;
  std::vector<Symbol> symbols_;
  std::priority_queue<Pair> pairs_;
  std::unordered_map<std::string_view, std::pair<std::string_view, std::string_view>> halves_;
};

std::vector<SpmMerges::Part> SpmMerges::cut(std::string_view text) const { return Run(*this, text).parts(); }

}  // namespace kedge
