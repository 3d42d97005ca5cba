// The memory: what became of every position of a sequence, why, and how it came to be so.
import { signal, useSignal } from "@preact/signals";
import { useCallback, useEffect } from "preact/hooks";
import { arena, arenaTrouble, cells, runsOf, sequences, tables, useArena, type Cell } from "./arena";
import { get } from "./api";
import { Canvas, type Draw } from "./canvas";
import { bytes, count, many, percent, visible } from "./format";
import { Bad, Button, H, N, Picker, Wide } from "./parts";
import { route } from "./route";
import { colour } from "./theme";
import type { LogEntry, Sequence, SessionKv } from "./types";

const states: { state: Cell; name: string; about: string }[] = [
  { state: "sink", name: "Sink", about: "the first tokens, which always stay" },
  { state: "pinned", name: "Pinned", about: "references and their statements" },
  { state: "recent", name: "Recent", about: "the latest tokens, which always stay" },
  { state: "kept", name: "Kept", about: "attended to more than what went" },
  { state: "recalled", name: "Recalled", about: "brought back when something referred to it" },
  { state: "demoted", name: "Demoted", about: "out of the hot set, can be recalled" },
  { state: "lost", name: "Lost", about: "gone: neither hot nor cold" },
];
const names = new Map<Cell, string>([...states.map(({ state, name }) => [state, name] as const), ["hot", "In memory"], ["absent", "Not there yet"]]);

interface Detail {
  log: LogEntry[];
  pieces: string[];
  events: number;
  tokens: number;
}
const details = signal<Record<string, Detail>>({});

async function fetchDetail(sequence: Sequence): Promise<void> {
  const { id, kv } = sequence;
  const have = details.peek()[id];
  if (!kv || (have && have.events === kv.events && have.tokens === kv.n_past)) return;
  try {
    const [log, text] = await Promise.all([
      get<LogEntry[] | { entries: LogEntry[] }>(`/v1/kedge/arena/${encodeURIComponent(id)}/log?from=0`),
      get<{ tokens: { position: number; piece: string }[] }>(`/v1/kedge/arena/${encodeURIComponent(id)}/text`),
    ]);
    const pieces: string[] = [];
    for (const { position, piece } of text.tokens) pieces[position] = piece;
    details.value = { ...details.peek(), [id]: { log: Array.isArray(log) ? log : log.entries, pieces, events: kv.events, tokens: kv.n_past } };
  } catch {
    // States are shown without text and reasons then.
  }
}

export function Memory() {
  useArena();
  const all = sequences().filter((sequence) => sequence.kv && sequence.kv.n_past > 0);
  const chosen = all.find((sequence) => sequence.id === route.value.id) ?? all[0];
  useEffect(() => {
    if (chosen) void fetchDetail(chosen);
  }, [chosen?.id, chosen?.kv?.events, chosen?.kv?.n_past]);
  return (
    <div class="page">
      <div class="bar">
        <h1>Memory</h1>
        <Picker all={all} chosen={chosen} />
      </div>
      <Bad text={arenaTrouble.value} />
      <Engines />
      {chosen?.kv ? <SequenceView key={chosen.id} sequence={chosen} kv={chosen.kv} /> : arena.value && (
        <p class="quiet">No sequence yet: ask something, and what the memory holds of it appears here.</p>
      )}
    </div>
  );
}

function Engines() {
  return (
    <section class="engines" aria-label="Arenas">
      {arena.value?.engines.map(({ model, stats, prefix }) => {
        const { pages } = stats;
        const share = pages && pages.total > 0 ? pages.in_use / pages.total : 0;
        return (
          <div key={model} class="engine">
            <h2>{model}</h2>
            {pages && (
              <>
                <div class="track" role="meter" aria-label={`Pages of ${model} in use`} aria-valuemin={0} aria-valuemax={pages.total} aria-valuenow={pages.in_use}>
                  <i style={{ width: `${100 * share}%` }} />
                </div>
                <p class="quiet">
                  {count(pages.in_use)} of {count(pages.total)} pages ({percent(share, share < 0.1 ? 1 : 0)}), {bytes(pages.in_use * pages.bytes_each)}
                  {prefix?.["entries"] ? `; ${many(prefix["entries"], "cached prefix", "cached prefixes")}` : ""}
                </p>
              </>
            )}
          </div>
        );
      })}
    </section>
  );
}

function SequenceView({ sequence, kv }: { sequence: Sequence; kv: SessionKv }) {
  const detail = details.value[sequence.id];
  const log = detail?.log ?? [];
  const events = [...new Set(log.map((entry) => entry.event))];
  const at = useSignal<number | null>(null);
  const cursor = useSignal<number | null>(null);
  const shown = cells(kv, log, at.value);
  const counts = new Map<Cell, number>();
  for (const state of shown) counts.set(state, (counts.get(state) ?? 0) + 1);
  const event = at.value === null || at.value === 0 ? undefined : log.filter((entry) => entry.event === events[at.value! - 1]);
  const legend = at.value === null ? states : [...states.filter(({ state }) => !["recent", "kept"].includes(state)), { state: "hot" as Cell, name: "In memory", about: "not known more closely for then" }];
  return (
    <>
      <Strip states={shown} cursor={cursor} />
      <ul class="legend">
        {legend.map(({ state, name, about }) => (
          <li key={state} title={about}><i class={`swatch ${state}`} />{name} <b>{count(counts.get(state) ?? 0)}</b></li>
        ))}
      </ul>
      <div class="replay">
        <label>
          <span>Evictions</span>
          <input type="range" min={0} max={events.length} value={at.value ?? events.length} disabled={events.length === 0}
            aria-valuetext={at.value === null ? "now" : `after ${many(at.value, "event")}`}
            onInput={(e) => {
              const n = +e.currentTarget.value;
              at.value = n === events.length ? null : n;
            }} />
        </label>
        <output>
          {events.length === 0 ? "nothing has been evicted"
            : at.value === null ? `now, after ${many(events.length, "event")}`
            : at.value === 0 ? `before the first of ${many(events.length, "event")}`
            : `after ${at.value} of ${events.length}, at token ${count(event?.at(-1)?.position ?? 0)}`}
        </output>
        <Button disabled={at.value === null} onClick={() => (at.value = null)}>Now</Button>
      </div>
      <Tables rows={tables(log, at.value, kv.n_past)} begins={log[0]?.number ?? 0} />
      <At position={cursor.value} states={shown} detail={detail} />
      {event && <EventTable entries={event} />}
      <Numbers kv={kv} />
      {(kv.detached?.length ?? 0) > 0 && (
        <section>
          <h2>References to what is not all there</h2>
          <table>
            <thead><tr><th>Reference</th><th>Statement now</th><H>Mentioned at</H></tr></thead>
            <tbody>
              {kv.detached!.slice(-20).map((entry, i) => (
                <tr key={i}><td><mark class="detached">{entry.reference}</mark></td><td>{entry.state}</td><N>{count(entry.position)}</N></tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </>
  );
}

const margin = 48;
const cell = (width: number, n: number) => (n <= 600 && width > 600 ? 14 : n <= 3000 ? 9 : 6);

function grid(width: number, n: number) {
  const size = cell(width, n);
  const columns = Math.max(8, Math.floor((width - margin) / size / 8) * 8);
  return { size, columns, rows: Math.max(1, Math.ceil(n / columns)) };
}

function Strip({ states: shown, cursor }: { states: Cell[]; cursor: { value: number | null } }) {
  const width = useSignal(800);
  const { size, rows } = grid(width.value, shown.length);
  const at = cursor.value;
  const draw = useCallback<Draw>((context, w) => {
    width.value = w;
    const { size, columns } = grid(w, shown.length);
    const fill = new Map<Cell, string>([...names.keys()].map((state) => [state, colour("kv-" + state)]));
    shown.forEach((state, i) => {
      context.fillStyle = fill.get(state)!;
      context.fillRect(margin + (i % columns) * size, Math.floor(i / columns) * size, size - 1, size - 1);
    });
    context.fillStyle = colour("quiet");
    context.font = "11px ui-monospace, monospace";
    context.textAlign = "right";
    context.textBaseline = "middle";
    const every = Math.max(1, Math.ceil(14 / size));
    for (let row = 0; row * columns < shown.length; row += every) context.fillText(String(row * columns), margin - 10, row * size + size / 2);
    if (at !== null && at < shown.length) {
      context.strokeStyle = colour("ink");
      context.lineWidth = 2;
      context.strokeRect(margin + (at % columns) * size - 1, Math.floor(at / columns) * size - 1, size + 1, size + 1);
    }
  }, [shown.map((state) => state[0]! + state[1]).join(""), at]);
  const point = (x: number, y: number, w: number) => {
    const { size, columns } = grid(w, shown.length);
    const column = Math.floor((x - margin) / size);
    const position = Math.floor(y / size) * columns + column;
    cursor.value = column >= 0 && column < columns && position < shown.length ? position : null;
  };
  const keys = (event: KeyboardEvent, w: number) => {
    const { columns } = grid(w, shown.length);
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -shown.length, End: shown.length }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    cursor.value = cursor.value === null ? 0 : Math.max(0, Math.min(shown.length - 1, cursor.value + step));
  };
  return (
    <div class="strip">
      <Canvas height={rows * size + 2} draw={draw} onPoint={point} onKey={keys}
        label={`${count(shown.length)} positions by what became of them. Arrow keys go along them.`} />
    </div>
  );
}

// By layer: a row for each table, the positions from left to right.
function Tables({ rows, begins }: { rows: Cell[][]; begins: number }) {
  const n = rows[0]?.length ?? 0;
  const tall = rows.length > 64 ? 3 : 6;
  const stamp = rows.map((row) => row.reduce((sum, state, i) => (sum * 31 + state.charCodeAt(0) * (i + 1)) | 0, 7)).join();
  const draw = useCallback<Draw>((context, width) => {
    const wide = (width - margin) / n;
    const fill = (state: Cell) => colour("kv-" + state);
    rows.forEach((row, t) => runsOf(row).forEach(({ first, last, state }) => {
      context.fillStyle = fill(state);
      context.fillRect(margin + first * wide, t * tall, (last - first) * wide, tall - 1);
    }));
    context.fillStyle = colour("quiet");
    context.font = "11px ui-monospace, monospace";
    context.textAlign = "right";
    context.textBaseline = "top";
    for (let t = 0; t < rows.length; t += Math.ceil(24 / tall)) context.fillText(String(t), margin - 10, t * tall);
  }, [stamp]);
  if (rows.length === 0) return null;
  return (
    <section>
      <h2>By layer <small>one row for each KV head of each layer: they keep different tokens{begins > 0 ? `; the log begins with entry ${count(begins)}` : ""}</small></h2>
      <div><Canvas height={rows.length * tall + 2} draw={draw} label={`What became of the positions in each of ${rows.length} tables`} /></div>
    </section>
  );
}

// What stands at the cursor. Its room is always there, so that nothing jumps.
function At(props: { position: number | null; states: Cell[]; detail: Detail | undefined }) {
  const { position, states: shown, detail } = props;
  if (position === null || position >= shown.length) {
    return <div class="at" role="status"><p class="quiet">Point at a position, or go along them with the arrow keys.</p></div>;
  }
  const pieces = detail?.pieces ?? [];
  const state = shown[position]!;
  const reasons = (detail?.log ?? []).filter((entry) => entry.first <= position && position < entry.last).slice(-4);
  const about = states.find((entry) => entry.state === state)?.about;
  return (
    <div class="at" role="status">
      <p>
        <span class="number">{count(position)}</span> <i class={`swatch ${state}`} /> <b>{names.get(state)}</b>{about ? `: ${about}` : ""}
      </p>
      <p class="context">
        {Array.from({ length: 33 }, (_, i) => position - 16 + i).filter((p) => p >= 0 && p < shown.length && pieces[p] !== undefined)
          .map((p) => p === position ? <mark key={p}>{visible(pieces[p]!)}</mark> : <span key={p} class={`in-${shown[p]}`}>{pieces[p]!.replaceAll("\n", "\u21b5")}</span>)}
      </p>
      <ul class="plain-list quiet">
        {reasons.map((entry) => (
          <li key={entry.number}>{reason(entry)}</li>
        ))}
      </ul>
    </div>
  );
}

function reason({ why, event, position, first, last, score, tier, table }: LogEntry): string {
  const done = { evict: "evicted", demote: "demoted", recall: "recalled", lose: "lost", refuse: "pin refused" }[why];
  const parts = [`${done} in event ${event}, when token ${count(position)} came, with ${last - first > 1 ? `${count(first)} to ${count(last - 1)}` : "no other"}`];
  if (tier !== undefined && tier !== "") parts.push(`tier ${tier}`);
  if (score !== undefined && score !== null) parts.push(`score ${+score.toPrecision(3)}`);
  if (table !== undefined && table >= 0) parts.push(`table ${table}`);
  return parts.join(", ");
}

function EventTable({ entries }: { entries: LogEntry[] }) {
  return (
    <section>
      <h2>Event {entries[0]?.event}</h2>
      <Wide name="Entries of the event">
          <thead><tr><th>What</th><H>Positions</H><H>Tokens</H><th>Tier</th><H>Score</H></tr></thead>
          <tbody>
            {entries.slice(0, 12).map((entry) => (
              <tr key={entry.number}>
                <td>{entry.why}</td><N>{count(entry.first)} to {count(entry.last - 1)}</N>
                <N>{count(entry.last - entry.first)}</N><td>{entry.tier ?? ""}</td>
                <N>{entry.score === undefined || entry.score === null ? "" : +entry.score.toPrecision(3)}</N>
              </tr>
            ))}
          </tbody>
      </Wide>
      {entries.length > 12 && <p class="quiet">and {many(entries.length - 12, "further entry", "further entries")}</p>}
    </section>
  );
}

function Numbers({ kv }: { kv: SessionKv }) {
  const figures: [string, string][] = [
    ["Policy", kv.policy], ["Budget", many(kv.budget, "token")], ["Read and written", many(kv.n_past, "token")], ["In memory", count(kv.hot)],
    ["Evicted", count(kv.evicted)], ["Demoted", count(kv.demoted)], ["Recalled", count(kv.recalled)], ["Gone now", count(kv.gone ?? 0)],
    ["Anchors", count(kv.anchors)], ["Pins refused", count(kv.pins_refused)], ["Hot pages", bytes(kv.hot_bytes)],
    ["Cold", kv.cold_tokens > 0 ? `${bytes(kv.cold_bytes)}, ${many(kv.cold_tokens, "token")}` : "none"],
  ];
  return <dl class="figures">{figures.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>;
}
