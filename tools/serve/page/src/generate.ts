// One answer: the request, the stream, and where its pieces go. What is being written lives in signals of its own, so
// that only the message concerned is drawn again; the conversation gets it when it is complete.
import { computed, signal } from "@preact/signals";
import { Failure, events, request, said } from "./api";
import { knobs, model, requestMembers, routed } from "./server";
import { change, changeIn, current } from "./store";
import { find, lineage, newId, titled, type Attachment, type Message } from "./tree";
import type { Answer, Attempt, Token, Usage } from "./types";

export interface Writing {
  conversation: string;
  id: string;       // of the message to come
  text: string;
  note: string;     // "Waiting", "Reading the question: 40 of 95 tokens"
  superseded: string;  // a first answer that was replaced (stream_mode optimistic)
}
export const writing = signal<Writing | null>(null);
export const writingId = computed(() => writing.value?.id ?? null);
let control: AbortController | null = null;

export const stop = () => control?.abort();

interface Chunk {
  choices?: {
    index: number;
    delta?: { content?: string | null };
    logprobs?: { content?: Token[] | null } | null;
    finish_reason?: string | null;
  }[];
  usage?: Usage | null;
  kedge?: Answer & { superseded?: { choice: number; by: number; reason: string } };
  prompt_progress?: { processed?: number; done?: number; total: number };
  error?: { message: string; code?: string };
  model?: string;
}

// A document goes to the router as passages, so that an answer can quote one; another model finds it in the message.
export function passages(attachments: Attachment[]): { id: string; text: string; source: string }[] {
  return attachments.flatMap((file) => {
    const blocks: string[] = [];
    for (const paragraph of file.text.split(/\n\s*\n/).map((text) => text.trim()).filter(Boolean)) {
      const last = blocks.length - 1;
      if (last >= 0 && blocks[last]!.length + paragraph.length < 900) blocks[last] += "\n" + paragraph;
      else blocks.push(paragraph);
    }
    const stem = file.name.replace(/\.[^.]*$/, "").replace(/[^\w-]+/g, "-");
    return blocks.map((text, i) => ({ id: blocks.length === 1 ? stem : `${stem}-${i + 1}`, text, source: file.name }));
  });
}

function requestBody(system: string, line: Message[]): Record<string, unknown> {
  const members = requestMembers();
  const attached = line.filter((message) => message.role === "user").at(-1)?.attachments ?? [];
  const messages = line.map((message) => {
    const files = routed.value ? [] : (message.attachments ?? []);
    const documents = files.map((file) => `${file.name}:\n\n${file.text}\n\n`).join("");
    return { role: message.role, content: documents + message.content };
  });
  if (system.trim()) messages.unshift({ role: "system", content: system });
  const kedge = { ...(members["kedge"] as object | undefined) } as Record<string, unknown>;
  if (routed.value && attached.length > 0) kedge["evidence"] = passages(attached);
  kedge["conversation"] = current.value.id;
  const body: Record<string, unknown> = { ...members, kedge, messages, stream: true, stream_options: { include_usage: true } };
  body["return_progress"] = true;
  if (!routed.value) {
    body["logprobs"] = true;
    body["top_logprobs"] = knobs.value.alternatives;
  }
  return body;
}

// What a conversation keeps of an answer's attempts; all of it is in the record.
function slim(answer: Answer): Answer {
  const attempts = answer.attempts?.map(({ features: _, tokens, ...attempt }): Attempt => ({ ...attempt, n_tokens: tokens?.length }));
  return attempts ? { ...answer, attempts } : answer;
}
const digits = (logprob: number) => +logprob.toFixed(4);

// Answers the user's message `parent` of the current conversation.
export async function answer(parent: string): Promise<void> {
  if (writing.value) return;
  const conversation = current.value.id;
  const message: Message = { id: newId(), parent, role: "assistant", content: "", created: Date.now(), model: model.value };
  const tokens: Token[] = [];
  writing.value = { conversation, id: message.id, text: "", note: routed.value && !knobs.value.optimistic ? "Asking; the answer is shown when it has passed its checks" : "Waiting", superseded: "" };
  change(({ messages, chosen }) => ({ messages: [...messages, message], chosen: { ...chosen, [parent]: message.id } }));
  control = new AbortController();

  let frame = 0;
  const show = (update: Partial<Writing>) => {
    Object.assign(pending, update);
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      if (writing.value) writing.value = { ...pending };
    });
  };
  const pending: Writing = { ...writing.value };
  const texts: string[] = [];
  let chosenChoice = 0;

  try {
    const line = lineage(current.value, parent);
    const reply = await request("POST", "/v1/chat/completions", requestBody(current.value.system, line), control.signal);
    for await (const data of events(reply)) {
      if (data === "[DONE]") break;
      const chunk = JSON.parse(data) as Chunk;
      if (chunk.error) throw new Failure(chunk.error.message, 0, chunk.error.code ?? "", chunk);
      if (chunk.prompt_progress) {
        const { processed, done, total } = chunk.prompt_progress;
        show({ note: `Reading: ${processed ?? done ?? 0} of ${total} tokens` });
      }
      for (const choice of chunk.choices ?? []) {
        texts[choice.index] = (texts[choice.index] ?? "") + (choice.delta?.content ?? "");
        if (choice.logprobs?.content) {
          for (const { token, logprob, top_logprobs } of choice.logprobs.content) {
            tokens.push({
              token, logprob: digits(logprob), top_logprobs: (top_logprobs ?? []).map((top) => ({ token: top.token, logprob: digits(top.logprob) })),
            });
          }
        }
        if (choice.finish_reason) message.finish = choice.finish_reason;
      }
      if (chunk.usage) message.usage = chunk.usage;
      if (chunk.kedge?.superseded) {
        const { choice, by, reason } = chunk.kedge.superseded;
        show({ superseded: `${texts[choice] ?? ""} (${reason})` });
        tokens.length = 0;
        chosenChoice = by;
      } else if (chunk.kedge) {
        message.kedge = { ...message.kedge, ...slim(chunk.kedge) };
      }
      message.content = texts[chosenChoice] ?? "";
      if (message.content) show({ text: message.content, note: "" });
    }
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") message.finish = "stopped";
    else message.error = said(error);
  } finally {
    cancelAnimationFrame(frame);
    control = null;
    if (tokens.length > 0) message.tokens = tokens;
    writing.value = null;
    // The user may have gone to another conversation meanwhile.
    void changeIn(conversation, ({ messages }) => ({ messages: messages.map((other) => (other.id === message.id ? { ...message } : other)) }));
  }
}

// A user's message as a new branch under `parent`, and its answer.
export async function ask(parent: string | null, content: string, attachments: Attachment[]): Promise<void> {
  if (writing.value) return;
  const message: Message = { id: newId(), parent, role: "user", content, created: Date.now() };
  if (attachments.length > 0) message.attachments = attachments;
  change(({ messages, chosen, title }) => ({
    title: messages.length === 0 ? titled(content) : title,
    messages: [...messages, message],
    chosen: { ...chosen, [parent ?? ""]: message.id },
  }));
  await answer(message.id);
}

export async function regenerate(id: string): Promise<void> {
  const parent = find(current.value, id)?.parent;
  if (parent) await answer(parent);
}
