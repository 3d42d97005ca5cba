// Requests to the server: JSON, and streams of events, with the key when there is one. Nothing else is ever asked.
import { signal } from "@preact/signals";
import { remember, remembered } from "./local";

export class Failure extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly code: string,
    readonly body: unknown,
  ) {
    super(message);
  }
}

export const key = signal(remembered<string>("key", ""));
export const keyWanted = signal("");  // why, when the server asks for a key

export function setKey(value: string): void {
  key.value = value.trim();
  remember("key", key.value);
  keyWanted.value = "";
}

async function failure(answer: Response): Promise<Failure> {
  const text = await answer.text().catch(() => "");
  let body: unknown = text;
  let message = "";
  let code = "";
  try {
    body = JSON.parse(text);
    const error = (body as { error?: { message?: string; code?: string } | string }).error;
    message = typeof error === "string" ? error : (error?.message ?? "");
    code = typeof error === "object" ? (error?.code ?? "") : "";
  } catch {
    message = text.length < 300 ? text.trim() : "";
  }
  message ||= `${answer.status} ${answer.statusText}`.trim();
  if (answer.status === 401) keyWanted.value = message;
  return new Failure(message, answer.status, code, body);
}

export async function request(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = {};
  if (key.value) headers["authorization"] = `Bearer ${key.value}`;
  const text = body === undefined ? null : JSON.stringify(body);
  if (text !== null) headers["content-type"] = "application/json";
  let answer: Response;
  try {
    answer = await fetch(path, {
      method,
      headers,
      body: text,
      signal: signal ?? null,
      keepalive: method === "PUT" && text!.length < 60000,  // what is kept when the page goes
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Failure("The server cannot be reached.", 0, "unreachable", null);
  }
  if (!answer.ok) throw await failure(answer);
  return answer;
}

async function json<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const answer = await request(method, path, body, signal);
  const text = await answer.text();
  return (text ? JSON.parse(text) : null) as T;
}

export const get = <T>(path: string, signal?: AbortSignal) => json<T>("GET", path, undefined, signal);
export const post = <T>(path: string, body: unknown = {}, signal?: AbortSignal) => json<T>("POST", path, body, signal);
export const put = <T>(path: string, body: unknown) => json<T>("PUT", path, body);
export const remove = (path: string) => json<unknown>("DELETE", path);

// The data of each server-sent event. fetch and not EventSource, which cannot send a key.
export async function* events(answer: Response): AsyncGenerator<string> {
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let data: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += value;
      const lines = rest.split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop()!;
      for (const line of lines) {
        if (line === "") {
          if (data.length > 0) yield data.join("\n");
          data = [];
        } else if (line.startsWith("data:")) {
          data.push(line.slice(line[5] === " " ? 6 : 5));
        }
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

export const said = (error: unknown) => (error instanceof Error ? error.message : String(error));
