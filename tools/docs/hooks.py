"""What mkdocs is asked for besides pages: tables that scroll, and the search's index, made here and loaded by a script, so
that a page opened from a disk finds things too."""
import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path

from lunr import lunr

_pages = []


class Sections(HTMLParser):
    """Texts under the headings of a page."""

    def __init__(self):
        super().__init__()
        self.found, self.skip = [["", "", ""]], 0  # anchor, title, text
        self.heading = False

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        if tag in ("h1", "h2", "h3", "h4"):
            self.found.append([named.get("id", "") if tag != "h1" else "", "", ""])
            self.heading = True
        elif tag in ("script", "style", "svg") or (tag == "a" and named.get("class") == "headerlink"):
            self.skip += 1

    def handle_endtag(self, tag):
        if tag in ("h1", "h2", "h3", "h4"):
            self.heading = False
        elif self.skip and tag in ("script", "style", "svg", "a"):
            self.skip -= 1

    def handle_data(self, data):
        if not self.skip:
            self.found[-1][1 if self.heading else 2] += data


def on_page_content(content, page, **_):
    sections = Sections()
    sections.feed(content)
    title = page.title
    for anchor, heading, text in sections.found:
        text = " ".join(text.split())
        if heading.strip() or text:
            _pages.append({"url": page.url + (f"#{anchor}" if anchor else ""), "page": html.unescape(title or ""),
                           "title": " ".join(heading.split()) or title, "text": text})
    content = re.sub(r"<table>", '<div class="wide"><table>', content)
    return content.replace("</table>", "</table></div>")


def on_post_build(config, **_):
    documents = [{"id": i, "title": p["title"], "text": p["text"]} for i, p in enumerate(_pages)]
    index = lunr(ref="id", fields=({"field_name": "title", "boost": 8}, "text"), documents=documents).serialize()
    shown = [{"url": p["url"], "page": p["page"], "title": p["title"], "text": p["text"][:400]} for p in _pages]
    text = "window.kedgeSearch = " + json.dumps({"index": index, "pages": shown}, ensure_ascii=False, separators=(",", ":")) + ";\n"
    Path(config["site_dir"], "search.js").write_text(text, "utf-8")
    _pages.clear()
