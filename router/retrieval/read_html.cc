// The visible text of a page.
#include <gumbo.h>

#include <algorithm>
#include <map>
#include <memory>

#include "router/retrieval/document.h"
#include "router/retrieval/text_clean.h"

namespace kedge::retrieval {

namespace {

// gumbo takes its trees down by recursion.
constexpr size_t kMaxDepth = 10000;

constexpr GumboTag kSilent[] = {GUMBO_TAG_SCRIPT,   GUMBO_TAG_STYLE, GUMBO_TAG_TEMPLATE, GUMBO_TAG_NOSCRIPT,
                                GUMBO_TAG_IFRAME,   GUMBO_TAG_HEAD,  GUMBO_TAG_SVG,      GUMBO_TAG_CANVAS,
                                GUMBO_TAG_TEXTAREA, GUMBO_TAG_AUDIO, GUMBO_TAG_VIDEO,    GUMBO_TAG_OBJECT};

// Elements that flow within a line; every other one begins and ends a paragraph.
constexpr GumboTag kInline[] = {
    GUMBO_TAG_A,     GUMBO_TAG_ABBR,  GUMBO_TAG_B,     GUMBO_TAG_BDI,    GUMBO_TAG_BDO,    GUMBO_TAG_BUTTON,
    GUMBO_TAG_CITE,  GUMBO_TAG_CODE,  GUMBO_TAG_DATA,  GUMBO_TAG_DEL,    GUMBO_TAG_DFN,    GUMBO_TAG_EM,
    GUMBO_TAG_FONT,  GUMBO_TAG_I,     GUMBO_TAG_IMG,   GUMBO_TAG_INPUT,  GUMBO_TAG_INS,    GUMBO_TAG_KBD,
    GUMBO_TAG_LABEL, GUMBO_TAG_MARK,  GUMBO_TAG_METER, GUMBO_TAG_NOBR,   GUMBO_TAG_OUTPUT, GUMBO_TAG_PROGRESS,
    GUMBO_TAG_Q,     GUMBO_TAG_RUBY,  GUMBO_TAG_RB,    GUMBO_TAG_RT,     GUMBO_TAG_RP,     GUMBO_TAG_S,
    GUMBO_TAG_SAMP,  GUMBO_TAG_SMALL, GUMBO_TAG_SPAN,  GUMBO_TAG_STRIKE, GUMBO_TAG_STRONG, GUMBO_TAG_SUB,
    GUMBO_TAG_SUP,   GUMBO_TAG_TIME,  GUMBO_TAG_TT,    GUMBO_TAG_U,      GUMBO_TAG_VAR,    GUMBO_TAG_WBR};

template <size_t n>
bool is_one_of(GumboTag tag, const GumboTag (&tags)[n]) {
  return std::find(std::begin(tags), std::end(tags), tag) != std::end(tags);
}

int heading_level(GumboTag tag) {
  return tag >= GUMBO_TAG_H1 && tag <= GUMBO_TAG_H6 ? 1 + static_cast<int>(tag) - static_cast<int>(GUMBO_TAG_H1) : 0;
}

bool is_hidden(const GumboElement& element) {
  if (is_one_of(element.tag, kSilent)) return true;
  if (gumbo_get_attribute(&element.attributes, "hidden") != nullptr) return true;
  const GumboAttribute* style = gumbo_get_attribute(&element.attributes, "style");
  if (style == nullptr) return false;
  std::string value = style->value;
  std::erase(value, ' ');
  return value.find("display:none") != std::string::npos || value.find("visibility:hidden") != std::string::npos;
}

class PageText {
 public:
  PageText(Document& document, std::string name) : document_(&document), outline_(document), name_(std::move(name)) {}

  // Walks without recursion: pages nest deeper than stacks.
  Status read(const GumboNode* root) {
    std::vector<std::pair<const GumboNode*, unsigned>> open = {{root, 0}};
    while (!open.empty()) {
      auto& [node, child] = open.back();
      const GumboVector& children = node->v.element.children;
      if (child == children.length) {
        KEDGE_TRY(leave(node->v.element));
        open.pop_back();
        continue;
      }
      const auto* next = static_cast<const GumboNode*>(children.data[child++]);
      if (next->type == GUMBO_NODE_ELEMENT && !is_hidden(next->v.element)) {
        KEDGE_TRY(enter(next->v.element));
        open.emplace_back(next, 0);
      } else if (next->type == GUMBO_NODE_TEXT || next->type == GUMBO_NODE_WHITESPACE ||
                 next->type == GUMBO_NODE_CDATA) {
        add(next->v.text.text);
      }
    }
    KEDGE_TRY(flush("\n\n"));
    outline_.finish();
    return {};
  }

 private:
  Status enter(const GumboElement& element) {
    if (element.tag == GUMBO_TAG_BR) block_ += '\n';
    if (element.tag == GUMBO_TAG_PRE) ++n_pre_;
    if (is_inline(element.tag)) return {};
    KEDGE_TRY(flush(separator(element.tag)));
    if (heading_level(element.tag) > 0) heading_begin_ = document_->text.size();
    return {};
  }

  Status leave(const GumboElement& element) {
    if (is_inline(element.tag)) return {};
    KEDGE_TRY(flush(separator(element.tag)));
    if (element.tag == GUMBO_TAG_PRE) --n_pre_;
    const int level = heading_level(element.tag);
    if (level == 0) return {};
    const std::string_view text = document_->text;
    if (heading_begin_ < text.size()) {
      std::string title(trim(text.substr(heading_begin_)));
      std::replace(title.begin(), title.end(), '\n', ' ');
      outline_.heading(level, std::move(title), heading_begin_, text.size());
    }
    return {};
  }

  static bool is_inline(GumboTag tag) { return tag == GUMBO_TAG_BR || is_one_of(tag, kInline); }

  // Cells stay in the line of their row, rows and list items in the paragraph of their table or list.
  static const char* separator(GumboTag tag) {
    if (tag == GUMBO_TAG_TD || tag == GUMBO_TAG_TH) return "\t";
    const bool row = tag == GUMBO_TAG_TR || tag == GUMBO_TAG_LI || tag == GUMBO_TAG_DT || tag == GUMBO_TAG_DD;
    return row ? "\n" : "\n\n";
  }

  void add(std::string_view text) {
    if (n_pre_ > 0) {
      block_ += text;
      return;
    }
    for (size_t i = 0; i < text.size(); ++i) {
      const bool no_break = text.substr(i).starts_with("\xc2\xa0");
      if (!no_break && std::string_view(" \t\n\r\f").find(text[i]) == std::string_view::npos) {
        block_ += text[i];
        continue;
      }
      if (no_break) ++i;
      if (!block_.empty() && block_.back() != ' ' && block_.back() != '\n') block_ += ' ';
    }
  }

  // Ends a block: its text goes to the document, and what follows it is at least `separator` away.
  Status flush(const char* separator) {
    // Entities can stand for anything, so the text is cleaned again.
    KEDGE_ASSIGN(clean, clean_text(block_, name_));
    block_.clear();
    const std::string_view text = n_pre_ > 0 ? std::string_view(clean) : trim(clean);
    if (!trim(text).empty()) {
      if (!document_->text.empty()) document_->text += pending_;
      document_->text += text;
      pending_.clear();
    }
    const std::string_view wanted = separator;
    if (wanted.size() > pending_.size() || (wanted.size() == pending_.size() && wanted == "\n")) pending_ = wanted;
    return {};
  }

  Document* document_;
  Outline outline_;
  std::string name_;
  std::string block_;    // text of the block that is being read
  std::string pending_;  // between the last block and the next
  size_t heading_begin_ = 0;
  int n_pre_ = 0;
};

// How deep the tree can become, from above: elements opened and not closed. Those that HTML closes by itself are not
// counted.
size_t nesting(std::string_view html) {
  static constexpr std::string_view kSelfClosing =
      " p li dt dd tr td th thead tbody tfoot option optgroup colgroup rp rt area base br col embed hr img input link "
      "meta "
      "param source track wbr ";
  std::map<std::string, size_t> open;
  size_t depth = 0;
  size_t deepest = 0;
  for (size_t at = html.find('<'); at != std::string_view::npos; at = html.find('<', at + 1)) {
    const bool closes = at + 1 < html.size() && html[at + 1] == '/';
    std::string tag;
    for (size_t i = at + (closes ? 2 : 1); i < html.size() && tag.size() < 32; ++i) {
      const char c = html[i];
      const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
      if (!letter) break;
      tag += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    if (tag.empty() || kSelfClosing.find(" " + tag + " ") != std::string_view::npos) continue;
    size_t& n = open[tag];
    if (closes && n > 0) {
      --n;
      --depth;
    } else if (!closes) {
      ++n;
      deepest = std::max(deepest, ++depth);
    }
  }
  return deepest;
}

std::string title_of(const GumboNode* root) {
  const GumboVector& parts = root->v.element.children;
  for (unsigned i = 0; i < parts.length; ++i) {
    const auto* head = static_cast<const GumboNode*>(parts.data[i]);
    if (head->type != GUMBO_NODE_ELEMENT || head->v.element.tag != GUMBO_TAG_HEAD) continue;
    const GumboVector& children = head->v.element.children;
    for (unsigned k = 0; k < children.length; ++k) {
      const auto* title = static_cast<const GumboNode*>(children.data[k]);
      if (title->type != GUMBO_NODE_ELEMENT || title->v.element.tag != GUMBO_TAG_TITLE) continue;
      if (title->v.element.children.length == 0) return "";
      return static_cast<const GumboNode*>(title->v.element.children.data[0])->v.text.text;
    }
  }
  return "";
}

}  // namespace

Result<Document> read_html(std::string_view bytes, const std::string& name) {
  KEDGE_ASSIGN(html, clean_text(bytes, name));
  if (const size_t depth = nesting(html); depth > kMaxDepth) {
    return Error{ErrorCode::kCapacity, name + ": elements nested up to " + std::to_string(depth) +
                                           " deep, the limit is " + std::to_string(kMaxDepth)};
  }
  const auto destroy = [](GumboOutput* output) { gumbo_destroy_output(&kGumboDefaultOptions, output); };
  const std::unique_ptr<GumboOutput, decltype(destroy)> page(
      gumbo_parse_with_options(&kGumboDefaultOptions, html.data(), html.size()), destroy);
  if (page == nullptr) return Error{ErrorCode::kInvalidArgument, name + ": cannot be parsed as HTML"};
  Document document;
  KEDGE_TRY(PageText(document, name).read(page->root));
  KEDGE_ASSIGN(title, clean_text(title_of(page->root), name));
  for (Section& section : document.sections) {
    if (section.title.empty()) section.title = trim(title);
  }
  return document;
}

}  // namespace kedge::retrieval
