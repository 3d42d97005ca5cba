// The arena, asked for once a second while somebody looks at it; and what became of each position, now or back then.
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Failure, get, said } from "./api";
import type { Arena, LogEntry, Run, Sequence, SessionKv, TokenState } from "./types";

export const arena = signal<Arena | null>(null);
export const arenaTrouble = signal("");
let watchers = 0;
let timer = 0;

async function ask(): Promise<void> {
  if (document.visibilityState === "visible") {
    try {
      const next = await get<Arena>("/v1/kedge/arena");
      if (JSON.stringify(next) !== JSON.stringify(arena.value)) arena.value = next;
      arenaTrouble.value = "";
    } catch (error) {
      arenaTrouble.value = said(error);
      if (error instanceof Failure && [401, 403, 404].includes(error.status)) return;
    }
  }
  if (watchers > 0) timer = setTimeout(ask, 1000) as unknown as number;
}

export function useArena(): void {
  useEffect(() => {
    if (++watchers === 1) void ask();
    return () => {
      if (--watchers === 0) clearTimeout(timer);
    };
  }, []);
}

// Those at work first, then the latest: their ids are numbered.
const number = (id: string) => +(/\d+$/.exec(id)?.[0] ?? 0);
export const sequences = (): Sequence[] =>
  (arena.value?.engines ?? []).flatMap((engine) => engine.sequences).toSorted((a, b) =>
    +(b.state === "working") - +(a.state === "working") || number(b.id) - number(a.id));

export type Cell = TokenState | "hot" | "absent";

// What an entry of the log makes of its tokens.
const becomes: Record<LogEntry["why"], Cell | null> = { evict: "lost", lose: "lost", demote: "demoted", recall: "recalled", refuse: null };

// By position, in the first table. `at`: how many events of the log have happened; null: now.
export function cells(kv: SessionKv, log: LogEntry[], at: number | null): Cell[] {
  const now = new Array<Cell>(kv.n_past).fill("kept");
  for (const run of kv.tokens) now.fill(run.state, run.first, Math.min(run.last, kv.n_past));
  if (at === null) return now;
  const events = [...new Set(log.map((entry) => entry.event))].slice(0, at);
  const last = events.at(-1);
  const done = log.filter((entry) => last !== undefined && entry.event <= last);
  const position = at === 0 ? (log[0]?.position ?? kv.n_past) : (done.at(-1)?.position ?? 0);
  // What stays for good was there then, too; of the others only that they were in memory is known.
  const then = now.map((state, i): Cell => (i >= position ? "absent" : state === "sink" || state === "pinned" ? state : "hot"));
  const own = log.filter((entry) => !entry.table && becomes[entry.why]);
  const named = new Uint8Array(now.length);
  for (const { first, last: behind } of own) named.fill(1, first, behind);
  // What went before the log begins.
  now.forEach((state, i) => {
    if (!named[i] && i < position && (state === "lost" || state === "demoted")) then[i] = state;
  });
  for (const { why, first, last: behind, event } of own) {
    if (last !== undefined && event <= last) then.fill(becomes[why]!, first, Math.min(behind, position));
  }
  return then;
}

// Of each table (a layer's KV head), where tables lose different tokens; empty where all lose the same.
export function tables(log: LogEntry[], at: number | null, n: number): Cell[][] {
  const most = log.reduce((m, entry) => Math.max(m, entry.table ?? -1), -1);
  const events = [...new Set(log.map((entry) => entry.event))];
  const last = events[(at ?? events.length) - 1] ?? -1;
  const rows = Array.from({ length: most + 1 }, () => new Array<Cell>(n).fill("hot"));
  for (const { why, first, last: behind, event, table } of log) {
    const state = becomes[why];
    if (!state || event > last) continue;
    rows.forEach((row, t) => (table === undefined || table === t) && row.fill(state, first, Math.min(behind, n)));
  }
  // Then the tokens that had not come yet.
  const position = at === null ? n : (log.findLast((entry) => entry.event <= last) ?? log[0])?.position;
  for (const row of rows) row.fill("absent", position);
  return rows;
}

export function runsOf(states: Cell[]): { first: number; last: number; state: Cell }[] {
  const runs: { first: number; last: number; state: Cell }[] = [];
  states.forEach((state, i) => {
    const run = runs.at(-1);
    if (run?.state === state) run.last = i + 1;
    else runs.push({ first: i, last: i + 1, state });
  });
  return runs;
}

export type { Run };
