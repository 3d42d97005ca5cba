// The chat: messages as a tree of which one path is shown, and beside it the model and its knobs.
import { signal, useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { get } from "./api";
import { Body, setTinted, tinted } from "./body";
import { Composer } from "./composer";
import { saveText } from "./compare";
import { count, many, milliseconds, probability, words } from "./format";
import { regenerate, writing, writingId } from "./generate";
import { KnobsPanel } from "./knobs";
import { Bad, Button } from "./parts";
import { address, route, settle } from "./route";
import { contextOf, model, models } from "./server";
import { change, current, kept, save } from "./store";
import { shown, type Message, type Placed } from "./tree";

const editing = signal("");
const roomy = matchMedia("(min-width: 1181px)");
const side = signal(roomy.matches);
roomy.addEventListener("change", () => (side.value = roomy.matches));

export function Chat() {
  const conversation = current.value;
  const path = shown(conversation);
  const last = path.at(-1)?.message;
  const scroller = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (conversation.messages.length > 0 && route.value.view === "chat" && route.value.id !== conversation.id) settle(conversation.id);
  }, [conversation.id, conversation.messages.length > 0]);
  useScrollToEnd(scroller, conversation.id, last?.id);
  const rows = useRows();
  return (
    <div class="chat-grid" data-side={side.value ? "open" : "closed"}>
      <div class="talk">
        <div class="bar">
          <h1 class="title">{conversation.messages.length > 0 ? conversation.title : "New conversation"}</h1>
          {conversation.messages.length > 0 && <Button class="plain" onClick={() => void exportTalk()}>Export</Button>}
          <label class="check">
            <input type="checkbox" checked={tinted.value} onChange={(e) => setTinted(e.currentTarget.checked)} />
            Confidence
          </label>
          <Button class="plain" aria-expanded={side.value} aria-controls="knobs" onClick={() => (side.value = !side.value)}>
            Settings
          </Button>
        </div>
        <div class="messages" ref={scroller} tabIndex={0} role="log" aria-label="Messages" aria-live="off">
          {path.length === 0 ? <Welcome /> : rows(path)}
        </div>
        <Meter path={path} />
        <Composer key={conversation.id} parent={last?.id ?? null} waiting={last?.role === "user" && !writingId.value ? last.id : null} />
        <p class="hidden" role="status">{writingId.value ? "The answer is being written" : last?.role === "assistant" ? "The answer is complete" : ""}</p>
      </div>
      <KnobsPanel open={side.value} close={() => (side.value = false)} />
    </div>
  );
}

// With the records of its answers when the server keeps it.
async function exportTalk(): Promise<void> {
  await save.now();
  const { id } = current.value;
  const whole = kept.value === "server" ? await get(`/v1/kedge/conversations/${id}/export`).catch(() => null) : null;
  saveText(`conversation-${id.slice(0, 8)}.json`, JSON.stringify(whole ?? { conversation: current.value }, null, 1));
}

// Stays at the end while the user is there, and leaves the user alone who has scrolled up.
function useScrollToEnd(scroller: { current: HTMLDivElement | null }, conversation: string, last: string | undefined) {
  const follow = useRef(true);
  useEffect(() => {
    const element = scroller.current!;
    const watch = () => (follow.current = element.scrollHeight - element.scrollTop - element.clientHeight < 80);
    element.addEventListener("scroll", watch, { passive: true });
    return () => element.removeEventListener("scroll", watch);
  }, []);
  useLayoutEffect(() => {
    follow.current = true;
    // Heights of what has not been drawn are guesses: once more when they are known.
    const down = () => scroller.current && (scroller.current.scrollTop = scroller.current.scrollHeight);
    down();
    const frame = requestAnimationFrame(() => (down(), requestAnimationFrame(down)));
    return () => cancelAnimationFrame(frame);
  }, [conversation, last]);
  useEffect(() =>
    writing.subscribe(() => {
      if (!follow.current) return;
      requestAnimationFrame(() => scroller.current && (scroller.current.scrollTop = scroller.current.scrollHeight));
    }), []);
}

function Welcome() {
  const routed = models.value.some((entry) => entry.id === "auto");
  return (
    <div class="welcome">
      <h2>Ask something.</h2>
      {routed && (
        <p class="quiet">
          The fast model answers first; what it is not sure of is checked, looked up, given to the deep one, or withheld. Why an
          answer came about is kept with it.
        </p>
      )}
    </div>
  );
}

// A message that is as it was keeps its element: of thousands only the one that changed is looked at.
function useRows() {
  const drawn = useRef(new Map<string, { placed: Placed; element: VNode }>());
  return (path: Placed[]) => {
    const next: typeof drawn.current = new Map();
    for (const placed of path) {
      const { message, index, siblings } = placed;
      const before = drawn.current.get(message.id);
      const same = before && before.placed.message === message && before.placed.index === index &&
        before.placed.siblings.length === siblings.length;
      const Kind = message.role === "user" ? Question : Reply;
      next.set(message.id, same ? before : { placed, element: <Kind key={message.id} {...placed} /> });
    }
    drawn.current = next;
    return [...next.values()].map(({ element }) => element);
  };
}

function Branches({ message, index, siblings }: Placed) {
  if (siblings.length < 2) return null;
  const choose = (step: number) =>
    change(({ chosen }) => ({ chosen: { ...chosen, [message.parent ?? ""]: siblings[index + step]! } }));
  return (
    <span class="branches" role="group" aria-label="Branches">
      <Button class="bare" aria-label="Branch before" disabled={index === 0} onClick={() => choose(-1)}>{"\u2039"}</Button>
      <span>{index + 1} of {siblings.length}</span>
      <Button class="bare" aria-label="Next branch" disabled={index === siblings.length - 1} onClick={() => choose(1)}>
        {"\u203a"}
      </Button>
    </span>
  );
}

function Question(props: Placed) {
  const { message } = props;
  return (
    <article class="message user" aria-label="You">
      {editing.value === message.id ? (
        <Composer parent={message.parent} edits={message} done={() => (editing.value = "")} />
      ) : (
        <>
          <p class="raw">{message.content}</p>
          {message.attachments?.map((file) => <p key={file.name} class="file">{file.name}, {count(file.text.length)} characters</p>)}
          <div class="acts">
            <Button class="act" onClick={() => (editing.value = message.id)} disabled={!!writingId.value}>Edit</Button>
            <Copy text={message.content} />
            <Branches {...props} />
          </div>
        </>
      )}
    </article>
  );
}

function Copy({ text }: { text: string }) {
  const done = useSignal(false);
  return (
    <Button class="act" onClick={() => {
      void navigator.clipboard?.writeText(text).then(() => {
        done.value = true;
        setTimeout(() => (done.value = false), 1500);
      });
    }}>
      {done.value ? "Copied" : "Copy"}
    </Button>
  );
}

function Reply(props: Placed) {
  const { message } = props;
  if (writingId.value === message.id) return <Streaming id={message.id} />;
  const { kedge } = message;
  const withheld = kedge?.outcome !== undefined && kedge.outcome !== "answered" && (kedge.withheld || !kedge.alias);
  return (
    <article class="message assistant" aria-label="Answer">
      {message.content && !withheld && <Body text={message.content} tokens={message.tokens} detached={kedge?.detached} />}
      {withheld && <p class="withheld">{message.content || `No answer is given: ${kedge?.reason}`}</p>}
      {withheld && kedge?.matches?.slice(0, 3).map((match, i) => (
        <blockquote key={i}>{match.text} <cite>{match.source || match.id}</cite></blockquote>
      ))}
      {!message.content && !withheld && !message.error && <p class="quiet">(no text)</p>}
      <Bad text={message.error ?? ""} />
      {!!kedge?.detached?.length && (
        <p class="warn">
          {many(kedge.detached.length, "reference")} to what has left the memory:{" "}
          {[...new Set(kedge.detached.map((entry) => entry.reference))].join(", ")}
        </p>
      )}
      <div class="acts">
        <Facts message={message} />
        <span class="doing">
          <Branches {...props} />
          <Copy text={message.content} />
          <Button class="act" disabled={!!writingId.value} onClick={() => void regenerate(message.id)}>Again</Button>
          {kedge && <a class="act" href={address("why", message.id)}>Why</a>}
        </span>
      </div>
    </article>
  );
}

function Facts({ message }: { message: Message }) {
  const { kedge, usage } = message;
  const facts: string[] = [];
  const name = kedge?.alias && kedge.model ? `${kedge.alias} (${kedge.model})` : (kedge?.model ?? message.model ?? "");
  if (kedge?.source === "deterministic") facts.push("worked out, no model asked");
  else if (name) facts.push(name);
  if (kedge?.confidence !== undefined && kedge.confidence !== null) facts.push(`p ${probability(kedge.confidence)}`);
  if (kedge?.outcome && kedge.outcome !== "answered") facts.push(words(kedge.outcome));
  if (usage?.completion_tokens) facts.push(many(usage.completion_tokens, "token"));
  const time = kedge?.timings;
  if (time?.decode_ms && usage && usage.completion_tokens > 8) {
    facts.push(`${(usage.completion_tokens / time.decode_ms * 1000).toFixed(0)} tokens/s`);
  } else if (kedge?.wall_s) {
    facts.push(milliseconds(kedge.wall_s * 1000));
  }
  if (message.finish === "stopped") facts.push("stopped");
  if (message.finish === "length") facts.push("cut at its longest");
  return <span class="facts">{facts.join(" \u00b7 ")}</span>;
}

function Streaming({ id }: { id: string }) {
  const now = writing.value;
  if (now?.id !== id) return null;
  return (
    <article class="message assistant writing" aria-label="Answer, being written" aria-busy="true">
      {now.superseded && <p class="superseded"><s>{now.superseded}</s></p>}
      {now.text ? <Body text={now.text} now /> : <p class="quiet note">{now.note || "Writing"}</p>}
      <div class="acts"><span class="facts">{now.text ? "writing" : "\u00a0"}</span></div>
    </article>
  );
}

function Meter({ path }: { path: Placed[] }) {
  const usage = path.findLast((placed) => placed.message.usage)?.message.usage;
  const size = contextOf(model.value);
  if (!usage || !size) return <div class="meter" aria-hidden="true" />;
  const share = Math.min(1, usage.total_tokens / size);
  return (
    <div class="meter">
      <div class="track" role="meter" aria-label="Context in use" aria-valuemin={0} aria-valuemax={size} aria-valuenow={usage.total_tokens}>
        <i style={{ width: `${100 * share}%` }} data-full={share > 0.85 ? "" : undefined} />
      </div>
      <span>{count(usage.total_tokens)} of {count(size)} tokens{usage.prompt_tokens_details?.cached_tokens
        ? `, ${count(usage.prompt_tokens_details.cached_tokens)} from the cache` : ""}</span>
    </div>
  );
}

