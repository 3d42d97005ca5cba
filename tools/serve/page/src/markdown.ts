// Markdown in blocks: while a text grows only its last block is parsed anew, and only that one is drawn again.
import DOMPurify from "dompurify";
import hljs from "highlight.js/lib/core";
import bash from "highlight.js/lib/languages/bash";
import cpp from "highlight.js/lib/languages/cpp";
import diff from "highlight.js/lib/languages/diff";
import go from "highlight.js/lib/languages/go";
import javascript from "highlight.js/lib/languages/javascript";
import json from "highlight.js/lib/languages/json";
import python from "highlight.js/lib/languages/python";
import rust from "highlight.js/lib/languages/rust";
import xml from "highlight.js/lib/languages/xml";
import { Marked } from "marked";

const languages = { bash, cpp, diff, go, javascript, json, python, rust, xml };
for (const [name, language] of Object.entries(languages)) hljs.registerLanguage(name, language);
hljs.registerAliases(["c", "cuda"], { languageName: "cpp" });
hljs.registerAliases(["ts", "typescript", "tsx"], { languageName: "javascript" });

const escaped = (text: string) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

const marked = new Marked({
  gfm: true,
  renderer: {
    code({ text, lang }) {
      const name = (lang ?? "").split(/\s/)[0] ?? "";
      const body = name && hljs.getLanguage(name) ? hljs.highlight(text, { language: name }).value : escaped(text);
      return `<pre tabindex="0"><code>${body}</code></pre>`;
    },
    // HTML in an answer is shown as the text it is, and an image as its link: nothing is fetched.
    html({ text }) {
      return escaped(text);
    },
    image({ href, text }) {
      return `<a href="${escaped(href)}">${escaped(text || href)}</a>`;
    },
    checkbox({ checked }) {
      return checked ? "[x] " : "[ ] ";
    },
  },
});

const purify = DOMPurify(window);
purify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName === "A") {
    node.setAttribute("target", "_blank");
    node.setAttribute("rel", "noopener noreferrer");
  }
});
const allowedTags = ["a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre",
  "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"];
const allowedAttributes = ["href", "class", "start", "align", "tabindex"];

// A TrustedHTML, which preact's types know as a string.
export function toHtml(block: string): string {
  const html = marked.parse(block, { async: false });
  return purify.sanitize(html, {
    ALLOWED_TAGS: allowedTags, ALLOWED_ATTR: allowedAttributes, RETURN_TRUSTED_TYPE: true,
  }) as unknown as string;
}

// The blocks of a text, as source. `before`: those of an earlier state of the text, of which this is a continuation.
export function blocks(text: string, before: string[] = []): string[] {
  const stable = before.slice(0, -1);
  let length = 0;
  for (const block of stable) length += block.length;
  if (!text.startsWith(stable.join(""))) {
    stable.length = 0;
    length = 0;
  }
  const rest = text.slice(length);
  // A definition of a link may stand anywhere: then the text is one block.
  if (/^ {0,3}\[[^\]]+\]:/m.test(text)) return [text];
  for (const token of marked.lexer(rest)) {
    if (token.type === "space" && stable.length > 0) stable[stable.length - 1] += token.raw;
    else stable.push(token.raw);
  }
  return stable;
}
