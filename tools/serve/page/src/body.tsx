// The text of a message: Markdown by blocks, drawn when it comes near the screen; plain text before that, so that a chat
// of thousands of messages opens at once and the browser's search finds everything.
import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { signal } from "@preact/signals";
import { probability, visible } from "./format";
import { remember, remembered } from "./local";
import { blocks, toHtml } from "./markdown";
import { N } from "./parts";
import { callOut, canTint, caretAt, place, single, tint, type Mark } from "./tint";
import type { Detached, Token } from "./types";

export const tinted = signal(remembered("tint", true));
export function setTinted(on: boolean): void {
  tinted.value = on;
  remember("tint", on);
}

const near = new WeakMap<Element, (on: boolean) => void>();
const observer = new IntersectionObserver(
  (entries) => entries.forEach((entry) => near.get(entry.target)?.(entry.isIntersecting)),
  { rootMargin: "1200px 0px" },
);

// "<|ref|>[ID] "quote"" is how the embedded models cite.
const readable = (text: string) =>
  text.replace(/\s*<\|ref\|>\s*(?:\[([^\]\n]+)\])?\s*("[^"\n]*")?/g, (_, id?: string, quote?: string) =>
    quote ? `\n\n> ${quote}${id ? ` \u2013 ${id}` : ""}` : id ? ` [${id}]` : " ");

export function Body(props: { text: string; tokens?: Token[] | undefined; detached?: Detached[] | undefined; now?: boolean }) {
  const { text, tokens, detached } = props;
  const root = useRef<HTMLDivElement>(null);
  const drawn = useSignal(!!props.now);
  const visibleNow = useSignal(!!props.now);
  const before = useRef<string[]>([]);
  useEffect(() => {
    const element = root.current!;
    near.set(element, (on) => {
      visibleNow.value = on;
      if (on) drawn.value = true;
    });
    observer.observe(element);
    return () => observer.unobserve(element);
  }, []);
  const parts = useMemo(() => (drawn.value ? (before.current = blocks(readable(text), before.current)) : []), [text, drawn.value]);

  const marks = useRef<Mark[]>([]);
  const show = tinted.value && canTint && visibleNow.value && !!tokens;
  useLayoutEffect(() => {
    marks.current = [];
    if (!show || !drawn.value) return;
    marks.current = place(root.current!, tokens!);
    return tint(marks.current, tokens!);
  }, [show, drawn.value, text, tokens]);
  useLayoutEffect(() => {
    if (!detached?.length || !visibleNow.value || !canTint) return;
    return callOut(root.current!, detached.map((entry) => entry.reference));
  }, [detached, visibleNow.value, drawn.value, text]);

  return (
    <div class="body" ref={root}>
      {drawn.value ? parts.map((part, i) => <Block key={i} source={part} />) : <p class="raw">{text}</p>}
      {show && <Alternatives root={root} marks={marks} tokens={tokens!} />}
    </div>
  );
}

function Block({ source }: { source: string }) {
  const html = useMemo(() => toHtml(source), [source]);
  return <div class="block" dangerouslySetInnerHTML={{ __html: html }} />;
}

// What else could have stood where the pointer is; with the keyboard, left and right go along the tokens.
function Alternatives(props: { root: { current: HTMLDivElement | null }; marks: { current: Mark[] }; tokens: Token[] }) {
  const { root, marks, tokens } = props;
  const at = useSignal<{ token: number; x: number; y: number } | null>(null);

  useEffect(() => {
    const element = root.current!;
    const set = (token: number) => {
      const range = marks.current.find((mark) => mark.token === token)?.range;
      if (!range) return;
      const box = range.getBoundingClientRect();
      at.value = { token, x: Math.max(8, Math.min(box.left, innerWidth - 240)), y: box.bottom + 180 < innerHeight ? box.bottom + 4 : box.top - 4 };
    };
    const move = (event: PointerEvent) => {
      const caret = caretAt(event.clientX, event.clientY);
      const mark = caret && marks.current.find(({ range }) =>
        range.startContainer === caret.node && range.startOffset <= caret.offset && caret.offset < range.endOffset);
      if (!mark) at.value = null;
      else if (at.value?.token !== mark.token) set(mark.token);
    };
    const leave = () => (at.value = null);
    const keys = (event: KeyboardEvent) => {
      if (event.target !== element || !["ArrowLeft", "ArrowRight", "Escape"].includes(event.key)) return;
      event.preventDefault();
      if (event.key === "Escape") return leave();
      const order = [...new Set(marks.current.map((mark) => mark.token))];
      const now = at.value ? order.indexOf(at.value.token) : -1;
      const next = event.key === "ArrowRight" ? now + 1 : Math.max(0, now - 1);
      if (order[next] !== undefined) set(order[next]!);
    };
    element.addEventListener("pointermove", move);
    element.addEventListener("pointerleave", leave);
    element.addEventListener("keydown", keys);
    element.addEventListener("blur", leave);
    element.tabIndex = 0;
    element.setAttribute("role", "group");
    element.setAttribute("aria-label", "Answer. Left and right go along its tokens.");
    return () => {
      element.removeEventListener("pointermove", move);
      element.removeEventListener("pointerleave", leave);
      element.removeEventListener("keydown", keys);
      element.removeEventListener("blur", leave);
      element.removeAttribute("tabindex");
      element.removeAttribute("role");
      element.removeAttribute("aria-label");
    };
  }, [tokens]);

  const place = at.value;
  useLayoutEffect(
    () => (place ? single(marks.current.filter((mark) => mark.token === place.token).map((mark) => mark.range)) : undefined),
    [place],
  );
  // In the top layer: what a message lays out is cut at its edges.
  const card = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (place) card.current!.showPopover();
    else if (card.current!.matches(":popover-open")) card.current!.hidePopover();
  }, [place]);
  useEffect(() => {
    const close = () => (at.value = null);
    addEventListener("scroll", close, { capture: true, passive: true });
    return () => removeEventListener("scroll", close, { capture: true });
  }, []);
  const token = place ? tokens[place.token] : undefined;
  const tops = token?.top_logprobs?.length ? token.top_logprobs : token ? [token] : [];
  return (
    <div ref={card} class="alternatives" role="status" popover="manual"
      style={place ? { left: `${place.x}px`, top: `${place.y}px`, translate: place.y < innerHeight - 180 ? "none" : "0 -100%" } : {}}>
      {token && (
        <table>
          <caption class="hidden">{`Token ${visible(token.token)}, probability ${probability(Math.exp(token.logprob))}`}</caption>
          <tbody>
            {[...(tops.some((top) => top.token === token.token) ? [] : [token]), ...tops].map((top, i) => (
              <tr key={i} class={top.token === token.token ? "on" : ""}>
                <td class="mono">{visible(top.token)}</td>
                <td class="bar"><i style={{ width: `${100 * Math.exp(top.logprob)}%` }} /></td>
                <N>{probability(Math.exp(top.logprob))}</N>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}
