// Where conversations are kept: with the server when it keeps them (/v1/kedge/conversations), else in this browser.
import { signal } from "@preact/signals";
import { Failure, get, put, remove, said } from "./api";
import { remember, remembered } from "./local";
import { newConversation, type Conversation, type Listed } from "./tree";

export const list = signal<Listed[]>([]);
export const current = signal<Conversation>(newConversation());
export const kept = signal<"server" | "browser" | "unknown">("unknown");
export const trouble = signal("");  // of the last attempt to keep something

const absent = (error: unknown) => error instanceof Failure && [404, 405, 501].includes(error.status);
const path = (id: string) => `/v1/kedge/conversations/${encodeURIComponent(id)}`;

export async function loadList(): Promise<void> {
  try {
    const answer = await get<{ conversations: { id: string; title: string | null; updated: number }[] }>("/v1/kedge/conversations");
    kept.value = "server";
    list.value = answer.conversations
      .map(({ id, title, updated }) => ({ id, title: title ?? "Conversation", updated }))
      .toSorted((a, b) => b.updated - a.updated);
  } catch (error) {
    if (!absent(error)) throw error;
    kept.value = "browser";
    list.value = remembered<Listed[]>("conversations", []);
  }
}

const fetchOne = async (id: string): Promise<Conversation | null> =>
  kept.value === "server" ? await get<Conversation>(path(id)) : remembered<Conversation | null>("conversation." + id, null);

export async function open(id: string): Promise<boolean> {
  if (current.value.id === id) return true;
  await save.now();
  try {
    const found = await fetchOne(id);
    if (!found) return false;
    current.value = { ...found, chosen: found.chosen ?? {}, system: found.system ?? "" };
    return true;
  } catch (error) {
    trouble.value = said(error);
    return false;
  }
}

export function startNew(): void {
  void save.now();
  current.value = newConversation();
}

export async function forget(id: string): Promise<void> {
  if (kept.value === "server") await remove(path(id)).catch((error) => (trouble.value = said(error)));
  else remember("conversation." + id, undefined);
  list.value = list.value.filter((entry) => entry.id !== id);
  if (kept.value === "browser") remember("conversations", list.value);
  if (current.value.id === id) current.value = newConversation();
}

// What changes the conversation goes through here: a new value, so that what shows it sees it, and a save soon after.
export function change(f: (conversation: Conversation) => Partial<Conversation>): void {
  const next = { ...current.value, ...f(current.value), updated: Date.now() };
  current.value = next;
  if (next.messages.length > 0 && !list.value.some((entry) => entry.id === next.id)) {
    list.value = [{ id: next.id, title: next.title, updated: next.updated }, ...list.value];
  }
  save.soon();
}

// The same for a conversation that may no longer be the one shown.
export async function changeIn(id: string, f: (conversation: Conversation) => Partial<Conversation>): Promise<void> {
  if (current.value.id === id) return change(f);
  const found = await fetchOne(id).catch(() => null);
  if (found) await keep({ ...found, ...f(found), updated: Date.now() });
}

let timer = 0;
export const save = {
  soon(): void {
    clearTimeout(timer);
    timer = setTimeout(() => void save.now(), 700) as unknown as number;
  },
  async now(): Promise<void> {
    if (timer === 0) return;
    clearTimeout(timer);
    timer = 0;
    if (current.value.messages.length > 0) await keep(current.value);
  },
};

async function keep(conversation: Conversation): Promise<void> {
  const entry: Listed = { id: conversation.id, title: conversation.title, updated: conversation.updated };
  list.value = [entry, ...list.value.filter((other) => other.id !== entry.id)];
  if (kept.value === "server") {
    try {
      await put(path(conversation.id), conversation);
      trouble.value = "";
    } catch (error) {
      trouble.value = `This conversation is not kept: ${said(error)}`;
    }
    return;
  }
  const room = remember("conversation." + conversation.id, conversation) && remember("conversations", list.value);
  trouble.value = room ? "" : "This conversation is not kept: the browser's storage is full.";
}

addEventListener("pagehide", () => void save.now());
