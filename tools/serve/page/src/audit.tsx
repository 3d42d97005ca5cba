// The audit log: its records, whether they are unchanged, and any of them generated again.
import { signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { get, post, request, said } from "./api";
import { saveText } from "./compare";
import { count, many, when, words } from "./format";
import { Bad, Button, H, N } from "./parts";
import { route, settle } from "./route";
import type { Answer, Passage, RecordRow, RecordShown, Verified } from "./types";
import { Explained } from "./why";

const rows = signal<RecordRow[]>([]);
const total = signal(0);
const wrong = signal("");
const busy = signal("");
const verified = signal<Verified | null>(null);
const filter = signal({ model: "", outcome: "", since: "", text: "", limit: 50 });

async function attempt(name: string, f: () => Promise<void>): Promise<void> {
  busy.value = name;
  wrong.value = "";
  await f().catch((error) => (wrong.value = said(error)));
  busy.value = "";
}

const load = () =>
  attempt("list", async () => {
    const { model, outcome, since, limit } = filter.value;
    const query = new URLSearchParams({ limit: String(limit) });
    if (model) query.set("model", model);
    if (outcome) query.set("outcome", outcome);
    if (since) query.set("since", since);
    const answer = await get<{ records: RecordRow[]; total: number }>(`/v1/kedge/records?${query}`);
    rows.value = answer.records;
    total.value = answer.total;
  });

export function Audit() {
  useEffect(() => void load(), []);
  const set = (change: Partial<typeof filter.value>, again = true) => {
    filter.value = { ...filter.value, ...change };
    if (again) void load();
  };
  const { text } = filter.value;
  const listed = rows.value.filter((row) => (row.question ?? "").toLowerCase().includes(text.toLowerCase()));
  const { id } = route.value;
  const save = (format: string) =>
    attempt("export", async () => {
      const answer = await request("GET", `/v1/kedge/records/export?format=${format}`);
      saveText(format === "jsonl" ? "records.jsonl" : "records.intoto.jsonl", await answer.text(), "application/x-ndjson");
    });
  return (
    <div class="page">
      <div class="bar">
        <h1>Audit</h1>
        <Button disabled={!!busy.value} onClick={() => void attempt("verify", async () => {
          verified.value = await post<Verified>("/v1/kedge/records/verify");
        })}>{busy.value === "verify" ? "Verifying" : "Verify all"}</Button>
        <Button disabled={!!busy.value} onClick={() => void save("jsonl")}>Export JSONL</Button>
        <Button disabled={!!busy.value} onClick={() => void save("in-toto")}>Export in-toto</Button>
      </div>
      <div role="status">
        {wrong.value && <p class="bad">{wrong.value}</p>}
        {verified.value && <VerifyResult verified={verified.value} />}
      </div>
      <form class="filters" onSubmit={(e) => e.preventDefault()}>
        <label><span>Question has</span><input type="search" value={text} onInput={(e) => set({ text: e.currentTarget.value }, false)} /></label>
        <label><span>Model</span><input value={filter.value.model} placeholder="any" onChange={(e) => set({ model: e.currentTarget.value.trim() })} /></label>
        <label><span>Outcome</span>
          <select value={filter.value.outcome} onChange={(e) => set({ outcome: e.currentTarget.value })}>
            <option value="">any</option>
            {["answered", "low_confidence", "not_found", "failed"].map((name) => <option key={name} value={name}>{words(name)}</option>)}
          </select>
        </label>
        <label><span>Since (UTC)</span><input type="datetime-local" value={filter.value.since} onChange={(e) => set({ since: e.currentTarget.value })} /></label>
      </form>
      <div class="records">
        <div class="rows wide" tabIndex={0} role="group" aria-label="Records, can be scrolled">
          <table>
            <thead><tr><H>#</H><th>Time</th><th>Question</th><th>Outcome</th><th>Model</th></tr></thead>
            <tbody>
              {listed.map((row) => (
                <tr key={row.id} class={row.id === id ? "on" : ""}>
                  <N>{row.seq}</N>
                  <td class="time">{when(row.created)}</td>
                  <td><Button class="link" aria-current={row.id === id ? "true" : undefined} onClick={() => settle(row.id === id ? "" : row.id)}>{row.question || "(no question)"}</Button></td>
                  <td class={row.outcome === "answered" ? "" : "held"}>{words(row.outcome)}</td>
                  <td>{row.model ?? "none"}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {listed.length === 0 && busy.value !== "list" && <p class="quiet">No record{rows.value.length > 0 ? " has that" : " yet"}.</p>}
        </div>
        <p class="quiet">
          {count(rows.value.length)} of {many(total.value, "record")}
          {rows.value.length === filter.value.limit && <> <Button class="plain" onClick={() => set({ limit: Math.min(10000, filter.value.limit * 4) })}>More</Button></>}
        </p>
        {id && <RecordView key={id} id={id} />}
      </div>
    </div>
  );
}

function VerifyResult({ verified: result }: { verified: Verified }) {
  return (
    <div class={result.ok ? "result good" : "result bad"}>
      <p>
        {result.ok ? "Unchanged: " : "Changed: "}
        {many(result.records, "record")}, {many(result.artifacts, "artifact")} and {many(result.heads, "signed head")}
        {result.ok ? " agree." : " were read."}
      </p>
      {result.problems.length > 0 && <ul>{result.problems.map((problem, i) => <li key={i}>{problem.where}{problem.seq ? ` ${problem.seq}` : ""}: {problem.what}</li>)}</ul>}
      {result.notes.map((note, i) => <p key={i} class="quiet">{note}</p>)}
      <p class="mono hash">last hash {result.last_hash}<br />public key {result.public_key}</p>
    </div>
  );
}

function RecordView({ id }: { id: string }) {
  const record = useSignal<RecordShown | null>(null);
  const failed = useSignal("");
  useEffect(() => {
    get<RecordShown>(`/v1/kedge/records/${encodeURIComponent(id)}`)
      .then((found) => {
        record.value = found;
        document.getElementById("record")?.scrollIntoView({ block: "nearest" });
      })
      .catch((error) => (failed.value = said(error)));
  }, [id]);
  const shown = record.value;
  if (failed.value) return <Bad text={failed.value} />;
  if (!shown) return <p class="quiet">Reading record</p>;
  const texts = (kind: string) => shown.artifacts.filter((entry) => entry.kind === kind && entry.text).map((entry) => entry.text!);
  const inner = shown.record.kedge ?? {};
  const attempts = inner.attempts ?? [];
  const chosen = attempts[(inner as { chosen?: number }).chosen ?? attempts.length - 1];
  const answer: Answer = {
    ...inner,
    answer: texts("response")[0] ?? null,
    outcome: shown.record["outcome"] as string,
    model: (shown.record["model"] as string | null) ?? chosen?.model ?? null,
    alias: chosen?.alias ?? null,
    confidence: inner.confidence ?? chosen?.p ?? null,
    threshold: inner.threshold ?? chosen?.threshold ?? null,
    usage: {
      input_tokens: (shown.record["gen_ai.usage.input_tokens"] as number) ?? 0,
      output_tokens: (shown.record["gen_ai.usage.output_tokens"] as number) ?? 0,
    },
    record: { id: shown.id, seq: shown.seq, hash: shown.hash },
  };
  const given = texts("evidence").flatMap((text) => [JSON.parse(text)].flat() as Passage[]);
  return (
    <section id="record" class="record">
      <p class="asked">{shown.question}</p>
      <p class="quiet">{new Date(shown.created).toISOString().replace("T", " ").slice(0, 19)} UTC{shown.hash_checked ? ", hash agrees" : ""}</p>
      <Explained answer={answer} given={given} />
      <details>
        <summary>{many(shown.artifacts.length, "artifact")}</summary>
        {shown.artifacts.map((entry) => (
          <div key={entry.sha256}>
            <h3>{entry.kind} <small>{count(entry.bytes)} bytes, {entry.sha256}</small></h3>
            {entry.text !== undefined && <pre tabIndex={0}>{entry.text}</pre>}
          </div>
        ))}
      </details>
      <details>
        <summary>Whole record</summary>
        <pre tabIndex={0}>{JSON.stringify(shown.record, null, 2)}</pre>
      </details>
    </section>
  );
}
