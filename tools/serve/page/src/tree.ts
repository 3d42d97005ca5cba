// A conversation: a tree of messages of which one path is shown. Editing and asking again add branches; nothing is
// overwritten.
import type { Answer, Token, Usage } from "./types";

export interface Attachment {
  name: string;
  text: string;
}

export interface Message {
  id: string;
  parent: string | null;
  role: "system" | "user" | "assistant";
  content: string;
  created: number;
  attachments?: Attachment[];
  model?: string;
  finish?: string;
  error?: string;
  usage?: Usage;
  tokens?: Token[];
  kedge?: Answer;
}

export interface Conversation {
  id: string;
  title: string;
  created: number;
  updated: number;
  system: string;
  messages: Message[];
  chosen: Record<string, string>;  // of a message (or "" for the beginning) with several answers: the one shown
}

export interface Listed {
  id: string;
  title: string;
  updated: number;
}

export function newId(): string {
  const random = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function newConversation(): Conversation {
  const now = Date.now();
  return { id: newId(), title: "New conversation", created: now, updated: now, system: "", messages: [], chosen: {} };
}

export interface Placed {
  message: Message;
  index: number;  // among the branches of its parent
  siblings: string[];
}

// The messages shown, from the first to the last.
export function shown(conversation: Conversation): Placed[] {
  const children = new Map<string, Message[]>();
  for (const message of conversation.messages) {
    const parent = message.parent ?? "";
    const list = children.get(parent);
    if (list) list.push(message);
    else children.set(parent, [message]);
  }
  const path: Placed[] = [];
  for (let at = ""; ; ) {
    const branches = children.get(at);
    if (!branches) return path;
    const chosen = conversation.chosen[at];
    let index = branches.findIndex((message) => message.id === chosen);
    if (index < 0) index = branches.length - 1;
    const message = branches[index]!;
    path.push({ message, index, siblings: branches.map((branch) => branch.id) });
    at = message.id;
  }
}

export function find(conversation: Conversation, id: string): Message | undefined {
  return conversation.messages.find((message) => message.id === id);
}

// From the beginning to this message, this one included.
export function lineage(conversation: Conversation, id: string | null): Message[] {
  const byId = new Map(conversation.messages.map((message) => [message.id, message]));
  const line: Message[] = [];
  for (let at = id; at !== null; ) {
    const message = byId.get(at);
    if (!message) break;
    line.push(message);
    at = message.parent;
  }
  return line.reverse();
}

export function titled(text: string): string {
  const line = text.trim().split("\n")[0] ?? "";
  return line.length <= 60 ? line || "New conversation" : line.slice(0, 57).trimEnd() + "\u2026";
}
