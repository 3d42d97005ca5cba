// Confidence on the words themselves: the tokens of an answer found again in its rendered text, as ranges that style
// sheets colour (CSS custom highlights). Nothing of the text changes.
import type { Token } from "./types";

const names = ["sure-1", "sure-2", "sure-3", "sure-4", "detached", "token"] as const;
type Name = (typeof names)[number];

const known = typeof CSS !== "undefined" && "highlights" in CSS && typeof Highlight !== "undefined";
const sets = new Map<Name, Highlight>();
if (known) {
  for (const name of names) {
    const set = new Highlight();
    sets.set(name, set);
    CSS.highlights.set(name, set);
  }
}
export const canTint = known;

// Above 0.9 a token is left alone: what is certain needs no colour.
export function level(logprob: number): 0 | 1 | 2 | 3 | 4 {
  const p = Math.exp(logprob);
  return p >= 0.9 ? 0 : p >= 0.7 ? 1 : p >= 0.4 ? 2 : p >= 0.2 ? 3 : 4;
}

export interface Mark {
  range: Range;
  token: number;
}

// Characters of the rendered text in the order of the source; what Markdown takes away is passed over.
export function place(root: HTMLElement, tokens: Token[]): Mark[] {
  const source = tokens.map((token) => token.token).join("");
  const tokenOf = new Int32Array(source.length);
  let at = 0;
  tokens.forEach((token, index) => {
    tokenOf.fill(index, at, at + token.token.length);
    at += token.token.length;
  });
  const marks: Mark[] = [];
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  let position = 0;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const text = node.nodeValue ?? "";
    let begin = -1;
    let token = -1;
    const close = (end: number) => {
      if (begin >= 0) {
        const range = new Range();
        range.setStart(node, begin);
        range.setEnd(node, end);
        marks.push({ range, token });
      }
      begin = -1;
    };
    for (let i = 0; i < text.length; ++i) {
      // Blanks that only the layout has are passed over; they would run ahead in the source.
      const blank = text[i]!.trim() === "";
      const found = blank ? (source[position]?.trim() === "" ? position : -1) : source.indexOf(text[i]!, position);
      if (found < 0 || found - position > 64) {
        close(i);
        continue;
      }
      if (tokenOf[found] !== token || begin < 0) {
        close(i);
        begin = i;
        token = tokenOf[found]!;
      }
      position = found + 1;
    }
    close(text.length);
  }
  return marks;
}

function add(name: Name, ranges: Range[]): () => void {
  const set = sets.get(name);
  if (!set) return () => {};
  for (const range of ranges) set.add(range);
  return () => {
    for (const range of ranges) set.delete(range);
  };
}

export function tint(marks: Mark[], tokens: Token[]): () => void {
  const levels: Range[][] = [[], [], [], [], []];
  for (const mark of marks) levels[level(tokens[mark.token]!.logprob)]!.push(mark.range);
  const undo = [1, 2, 3, 4].map((n) => add(`sure-${n}` as Name, levels[n]!));
  return () => undo.forEach((f) => f());
}

export const single = (ranges: Range[]) => add("token", ranges);

// The words of references whose statement is no longer in memory.
export function callOut(root: HTMLElement, references: string[]): () => void {
  const ranges: Range[] = [];
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const text = (node.nodeValue ?? "").toLowerCase();
    for (const reference of references) {
      const word = reference.toLowerCase();
      for (let at = text.indexOf(word); word && at >= 0; at = text.indexOf(word, at + word.length)) {
        const range = new Range();
        range.setStart(node, at);
        range.setEnd(node, at + word.length);
        ranges.push(range);
      }
    }
  }
  return add("detached", ranges);
}

export function caretAt(x: number, y: number): { node: Node; offset: number } | null {
  const position = document.caretPositionFromPoint?.(x, y);
  if (position) return { node: position.offsetNode, offset: position.offset };
  const range = document.caretRangeFromPoint?.(x, y);
  return range ? { node: range.startContainer, offset: range.startOffset } : null;
}
