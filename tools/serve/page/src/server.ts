// What the server has (models, settings, indexes) and what the user chose of it.
import { computed, effect, signal } from "@preact/signals";
import { Failure, get, said } from "./api";
import { remember, remembered } from "./local";
import type { ModelEntry, Schema } from "./types";

export const models = signal<ModelEntry[]>([]);
export const schema = signal<Schema | null>(null);
export const indexes = signal<string[]>([]);
export const state = signal<"connecting" | "ready" | "failed">("connecting");
export const stateText = signal("");

export interface Knobs {
  model: string;
  max_tokens: number | null;
  seed: number | null;
  settings: Record<string, number>;  // of the sampler, those that differ from the defaults
  alternatives: number;
  min_confidence: number | null;
  deadline_s: number | null;
  max_attempts: number | null;
  index: string;
  optimistic: boolean;
  kv_budget: string;
  kv_policy: string;
  kv_cold: boolean;
}

export const fresh: Knobs = {
  model: "", max_tokens: null, seed: null, settings: {}, alternatives: 5, min_confidence: null, deadline_s: null,
  max_attempts: null, index: "", optimistic: false, kv_budget: "", kv_policy: "", kv_cold: false,
};
export const knobs = signal<Knobs>({ ...fresh, ...remembered<Partial<Knobs>>("knobs", {}) });
effect(() => void remember("knobs", knobs.value));
export const turn = (change: Partial<Knobs>) => (knobs.value = { ...knobs.value, ...change });

// The model asked: the one chosen if it is still there, else the router, else the first.
export const model = computed(() => {
  const ids = models.value.map((entry) => entry.id);
  if (ids.includes(knobs.value.model)) return knobs.value.model;
  return ids.includes("auto") ? "auto" : (ids[0] ?? "");
});
export const routed = computed(() => model.value === "auto");

export function contextOf(id: string): number | null {
  const own = models.value.find((entry) => entry.id === id);
  const size = (entry: ModelEntry | undefined) =>
    entry?.kedge?.n_ctx ?? (entry?.["n_ctx"] as number | undefined) ?? (entry?.["context_length"] as number | undefined);
  if (size(own)) return size(own)!;
  const sizes = models.value.map(size).filter((n): n is number => !!n);
  return sizes.length > 0 ? Math.min(...sizes) : null;
}

// What a request gets of the knobs: only what was turned, the rest is the server's.
export function requestMembers(): Record<string, unknown> {
  const k = knobs.value;
  // The router draws its first answers at a temperature, the rest of the chain is its own.
  const { temperature } = k.settings;
  const settings = !routed.value ? k.settings : temperature === undefined ? {} : { temperature };
  const members: Record<string, unknown> = { model: model.value, ...settings };
  if (k.max_tokens !== null) members["max_tokens"] = k.max_tokens;
  if (k.seed !== null) members["seed"] = k.seed;
  const kedge: Record<string, unknown> = {};
  const kv: Record<string, unknown> = {};
  if (k.kv_budget.trim()) kv["budget"] = /^\d+$/.test(k.kv_budget.trim()) ? Number(k.kv_budget) : k.kv_budget.trim();
  if (k.kv_policy) kv["policy"] = k.kv_policy;
  if (k.kv_cold) kv["cold"] = "ram";
  if (!routed.value) {
    if (Object.keys(kv).length > 0) kv["log"] = 20000;  // for the view Memory, which replays it
    if (Object.keys(kv).length > 0) kedge["kv"] = kv;
  } else {
    if (k.min_confidence !== null) kedge["min_confidence"] = k.min_confidence;
    if (k.deadline_s !== null) kedge["deadline_ms"] = Math.round(k.deadline_s * 1000);
    if (k.max_attempts !== null) kedge["max_attempts"] = k.max_attempts;
    if (k.index) kedge["index"] = k.index;
    if (k.optimistic) kedge["stream_mode"] = "optimistic";
  }
  if (Object.keys(kedge).length > 0) members["kedge"] = kedge;
  return members;
}

async function optional<T>(path: string): Promise<T | null> {
  try {
    return await get<T>(path);
  } catch (error) {
    if (error instanceof Failure && error.status !== 401) return null;
    throw error;
  }
}

export async function connect(): Promise<void> {
  state.value = "connecting";
  try {
    models.value = (await get<{ data: ModelEntry[] }>("/v1/models")).data;
    schema.value = await optional<Schema>("/v1/kedge/settings");
    const found = await optional<{ indexes: ({ name: string } | string)[] }>("/v1/kedge/indexes");
    indexes.value = (found?.indexes ?? []).map((entry) => (typeof entry === "string" ? entry : entry.name));
    state.value = "ready";
    stateText.value = "";
  } catch (error) {
    stateText.value = said(error);
    if (error instanceof Failure && error.status === 503) {  // models are being loaded
      await new Promise((done) => setTimeout(done, 1000));
      return connect();
    }
    state.value = "failed";
  }
}
