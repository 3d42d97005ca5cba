#include "router/reader/parse_html.h"

#include <gumbo.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "router/reader/protocol.h"
#include "router/reader/style.h"
#include "router/reader/super_sub.h"
#include "router/retrieval/text_clean.h"

namespace kedge::router::retrieval {

namespace {

constexpr size_t kMaxDepth = 512;  // as browsers have it

constexpr GumboTag kSilent[] = {GUMBO_TAG_SCRIPT,   GUMBO_TAG_STYLE,   GUMBO_TAG_TEMPLATE, GUMBO_TAG_NOSCRIPT,
                                GUMBO_TAG_IFRAME,   GUMBO_TAG_HEAD,    GUMBO_TAG_SVG,      GUMBO_TAG_CANVAS,
                                GUMBO_TAG_TEXTAREA, GUMBO_TAG_AUDIO,   GUMBO_TAG_VIDEO,    GUMBO_TAG_OBJECT,
                                GUMBO_TAG_NOFRAMES, GUMBO_TAG_NOEMBED, GUMBO_TAG_RP,       GUMBO_TAG_DATALIST};

// Elements that begin and end a paragraph; every other one, known or not, flows within a line. Source: the HTML
// standard, "Rendering".
constexpr GumboTag kBlocks[] = {
    GUMBO_TAG_ADDRESS,  GUMBO_TAG_ARTICLE,    GUMBO_TAG_ASIDE,  GUMBO_TAG_BLOCKQUOTE, GUMBO_TAG_BODY,
    GUMBO_TAG_CAPTION,  GUMBO_TAG_CENTER,     GUMBO_TAG_COL,    GUMBO_TAG_COLGROUP,   GUMBO_TAG_DD,
    GUMBO_TAG_DETAILS,  GUMBO_TAG_DIR,        GUMBO_TAG_DIV,    GUMBO_TAG_DL,         GUMBO_TAG_DT,
    GUMBO_TAG_FIELDSET, GUMBO_TAG_FIGCAPTION, GUMBO_TAG_FIGURE, GUMBO_TAG_FOOTER,     GUMBO_TAG_FORM,
    GUMBO_TAG_FRAMESET, GUMBO_TAG_H1,         GUMBO_TAG_H2,     GUMBO_TAG_H3,         GUMBO_TAG_H4,
    GUMBO_TAG_H5,       GUMBO_TAG_H6,         GUMBO_TAG_HEADER, GUMBO_TAG_HGROUP,     GUMBO_TAG_HR,
    GUMBO_TAG_HTML,     GUMBO_TAG_LEGEND,     GUMBO_TAG_LI,     GUMBO_TAG_LISTING,    GUMBO_TAG_MAIN,
    GUMBO_TAG_MENU,     GUMBO_TAG_NAV,        GUMBO_TAG_OL,     GUMBO_TAG_OPTGROUP,   GUMBO_TAG_OPTION,
    GUMBO_TAG_P,        GUMBO_TAG_PLAINTEXT,  GUMBO_TAG_PRE,    GUMBO_TAG_SECTION,    GUMBO_TAG_SELECT,
    GUMBO_TAG_SUMMARY,  GUMBO_TAG_TABLE,      GUMBO_TAG_TBODY,  GUMBO_TAG_TD,         GUMBO_TAG_TFOOT,
    GUMBO_TAG_TH,       GUMBO_TAG_THEAD,      GUMBO_TAG_TR,     GUMBO_TAG_UL,         GUMBO_TAG_XMP};

template <size_t n>
bool is_one_of(GumboTag tag, const GumboTag (&tags)[n]) {
  return std::find(std::begin(tags), std::end(tags), tag) != std::end(tags);
}

int heading_level(GumboTag tag) {
  return tag >= GUMBO_TAG_H1 && tag <= GUMBO_TAG_H6 ? 1 + static_cast<int>(tag) - static_cast<int>(GUMBO_TAG_H1) : 0;
}

std::string_view attribute(const GumboElement& element, const char* name) {
  const GumboAttribute* found = gumbo_get_attribute(&element.attributes, name);
  return found == nullptr ? std::string_view() : std::string_view(found->value);
}

bool has(const GumboElement& element, const char* name) {
  return gumbo_get_attribute(&element.attributes, name) != nullptr;
}

bool is_dialog(const GumboElement& element) {  // gumbo does not know the tag
  std::string tag(element.original_tag.data, std::min<size_t>(element.original_tag.length, 8));
  for (char& c : tag) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return element.tag == GUMBO_TAG_UNKNOWN && tag.starts_with("<dialog") &&
         (tag.size() < 8 || tag[7] == ' ' || tag[7] == '>');
}

// Not shown, and nothing in it is.
bool is_absent(const GumboElement& element, const Style& style) {
  return is_one_of(element.tag, kSilent) || has(element, "hidden") || style.display == "none" ||
         (is_dialog(element) && !has(element, "open"));
}

// Points from a text to its notes.
bool is_note_link(const GumboElement& element) {
  const std::string_view role = attribute(element, "role");
  return (element.tag == GUMBO_TAG_A && attribute(element, "href").starts_with('#')) || role == "doc-noteref";
}

bool is_note(const GumboElement& element) {
  const std::string name = std::string(attribute(element, "class")) + " " + std::string(attribute(element, "id"));
  for (const char* word : {"note", "reference", "cite"}) {
    if (name.find(word) != std::string::npos) return true;
  }
  return is_note_link(element);
}

class PageText {
 public:
  PageText(Document& document, std::string name) : document_(&document), outline_(document), name_(std::move(name)) {}

  // Walks without recursion.
  Status read(const GumboNode* root) {
    open_.push_back({root, 0, false, true, {}});
    while (!open_.empty()) {
      Open& top = open_.back();
      const GumboVector& children = top.node->v.element.children;
      if (top.child == children.length) {
        KEDGE_TRY(leave(top));
        open_.pop_back();
        continue;
      }
      const auto* next = static_cast<const GumboNode*>(children.data[top.child++]);
      if (next->type == GUMBO_NODE_ELEMENT) {
        KEDGE_TRY(enter(next, top.unseen));
      } else if ((next->type == GUMBO_NODE_TEXT || next->type == GUMBO_NODE_WHITESPACE ||
                  next->type == GUMBO_NODE_CDATA) &&
                 !top.unseen) {
        add(next->v.text.text);
      }
    }
    KEDGE_TRY(flush("\n\n"));
    outline_.finish();
    return {};
  }

 private:
  struct Open {
    const GumboNode* node;
    unsigned child;
    bool unseen;  // visibility: hidden, which what is in it may take back
    bool block;
    SuperSub raised;  // of sup and sub
  };

  Status enter(const GumboNode* node, bool unseen) {
    const GumboElement& element = node->v.element;
    const Style style = read_style(attribute(element, "style"));
    if (is_absent(element, style)) return {};
    if (open_.size() >= kMaxDepth) {
      return Error{ErrorCode::kCapacity, "elements are nested more than " + std::to_string(kMaxDepth) + " deep"};
    }
    if (style.visibility == "visible") unseen = false;
    if (style.visibility == "hidden" || style.visibility == "collapse") unseen = true;
    bool block = is_one_of(element.tag, kBlocks) || is_dialog(element);
    if (!style.display.empty() && style.display != "contents") block = !style.display.starts_with("inline");
    Open entry{node, 0, unseen, block, {}};
    if (element.tag == GUMBO_TAG_BR && !unseen) block_ += '\n';
    if (element.tag == GUMBO_TAG_PRE) ++n_pre_;
    if (is_note_link(element)) {
      for (Open& o : open_) o.raised.note = true;
    }
    entry.raised = {block_.size(), is_note(element) || (!open_.empty() && is_note_link(open_.back().node->v.element))};
    if (block) {
      KEDGE_TRY(flush(separator(element.tag)));
      if (heading_level(element.tag) > 0) heading_begin_ = document_->text.size();
    }
    open_.push_back(std::move(entry));
    return {};
  }

  Status leave(const Open& entry) {
    const GumboElement& element = entry.node->v.element;
    if (!entry.block) {
      if (entry.raised.begin > block_.size()) return {};  // a block within it has ended the line
      if (element.tag == GUMBO_TAG_SUP) mark_super(block_, entry.raised);
      if (element.tag == GUMBO_TAG_SUB) mark_sub(block_, entry.raised);
      if (element.tag == GUMBO_TAG_RT) {  // readings follow the word they belong to
        reading_ += block_.substr(entry.raised.begin);
        block_.resize(entry.raised.begin);
      }
      if (element.tag == GUMBO_TAG_RUBY && !reading_.empty()) {
        block_ += "(" + reading_ + ")";
        reading_.clear();
      }
      return {};
    }
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
  std::vector<Open> open_;
  std::string reading_;  // of the ruby that is open
  Outline outline_;
  std::string name_;
  std::string block_;    // text of the block that is being read
  std::string pending_;  // between the last block and the next
  size_t heading_begin_ = 0;
  int n_pre_ = 0;
};

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

Result<Document> parse_html(std::string_view bytes, const std::string& name) {
  KEDGE_ASSIGN(html, clean_text(bytes, name));
  GumboOptions options = kGumboDefaultOptions;
  options.max_errors = 0;  // each would keep a copy of the list of open elements
  options.allocator = [](void*, size_t size) {
    void* memory = std::malloc(size);
    if (memory == nullptr) std::_Exit(reader::kOutOfMemory);  // gumbo would go on with it
    return memory;
  };
  // Never freed: the process ends first, and freeing a deep tree takes a deep stack.
  const GumboOutput* page = gumbo_parse_with_options(&options, html.data(), html.size());
  if (page == nullptr) return Error{ErrorCode::kInvalidArgument, name + ": cannot be parsed as HTML"};
  Document document;
  KEDGE_TRY(PageText(document, name).read(page->root));
  KEDGE_ASSIGN(title, clean_text(title_of(page->root), name));
  for (Section& section : document.sections) {
    if (section.title.empty()) section.title = trim(title);
  }
  return document;
}

}  // namespace kedge::router::retrieval
