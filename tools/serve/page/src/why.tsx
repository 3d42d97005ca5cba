// Why an answer is what it is: its route, its attempts, what it rests on, what the memory had lost, and its record.
import { signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { get, post, said } from "./api";
import { Body } from "./body";
import { Diagram } from "./diagram";
import { count, many, milliseconds, percent, probability, words } from "./format";
import { passages } from "./generate";
import { Button, H, N, Wide } from "./parts";
import { go, route } from "./route";
import { current } from "./store";
import { find, shown, type Message } from "./tree";
import type { Answer, Attempt, Citation, Passage, RecordRef, RecordShown, Replayed } from "./types";

export function Why() {
  const path = shown(current.value);
  const answers = path.filter(({ message }) => message.role === "assistant" && message.kedge).map(({ message }) => message);
  const message = (route.value.id && find(current.value, route.value.id)) || answers.at(-1);
  if (!message?.kedge) {
    return (
      <div class="empty">
        <h1>Why</h1>
        <p>Every answer keeps how it came about: which models were asked, how sure they were, what was checked, what it rests on.
          There is none in this conversation yet.</p>
        <Button class="main" onClick={() => go("chat")}>Ask something</Button>
      </div>
    );
  }
  const question = (message.parent && find(current.value, message.parent)) || null;
  return (
    <div class="page">
      <div class="bar">
        <h1>Why</h1>
        <label class="pick">
          <span>Answer</span>
          <select value={message.id} onChange={(e) => go("why", e.currentTarget.value)}>
            {!answers.includes(message) && <option value={message.id}>{question?.content ?? "this answer"}</option>}
            {answers.map((entry, i) => (
              <option key={entry.id} value={entry.id}>
                {i + 1}. {(entry.parent && find(current.value, entry.parent)?.content.slice(0, 60)) || "answer"}
              </option>
            ))}
          </select>
        </label>
      </div>
      {question && <p class="asked">{question.content}</p>}
      <Explained answer={message.kedge} message={message} given={question ? passages(question.attachments ?? []) : []} />
    </div>
  );
}

// Also of a record, and of the columns of a comparison.
export function Explained(props: { answer: Answer; message?: Message; given?: Passage[] }) {
  const { answer, message } = props;
  const text = message?.content ?? answer.answer ?? "";
  const attempts = answer.attempts ?? [];
  const detached = answer.detached ?? answer.kv?.detached ?? [];
  return (
    <div class="explained">
      <section class="verdict">
        {text ? <Body text={text} tokens={message?.tokens} detached={detached} now /> : <p class="withheld">No answer was given.</p>}
        <p class="because">{answer.reason || "The model named in the request answered; no router was asked."}</p>
      </section>
      <Figures answer={answer} />
      {!!answer.path?.length && (
        <section>
          <h2>Route</h2>
          <Diagram answer={answer} />
          <details>
            <summary>{many(answer.path.length, "step")} in words</summary>
            <ol class="steps">
              {answer.path.map((step, i) => (
                <li key={i}><b>{words(step.state)}</b>{step.rule && <i> {words(step.rule)}</i>} <span>{step.detail}</span></li>
              ))}
            </ol>
          </details>
        </section>
      )}
      {attempts.length > 0 && <Attempts attempts={attempts} />}
      {!!answer.derivation && (
        <section>
          <h2>Worked out</h2>
          <p class="mono">{answer.derivation.steps}</p>
        </section>
      )}
      <Evidence answer={answer} given={props.given ?? []} />
      {detached.length > 0 && (
        <section>
          <h2>References to what has left the memory</h2>
          <Wide name="References">
              <thead><tr><th>Reference</th><th>Statement now</th><H>Mentioned at</H><H>Stated at</H></tr></thead>
              <tbody>
                {detached.map((entry, i) => (
                  <tr key={i}>
                    <td><mark class="detached">{entry.reference}</mark></td>
                    <td>{entry.state}</td>
                    <N>{count(entry.position)}</N>
                    <N>{entry.range ? `${count(entry.range[0])} to ${count(entry.range[1] - 1)}` : ""}</N>
                  </tr>
                ))}
              </tbody>
      </Wide>
        </section>
      )}
      {answer.record && <RecordBox record={answer.record} />}
      {answer.settings && (
        <details>
          <summary>Settings as they took effect</summary>
          <dl class="figures">
            {settingsOf(answer.settings).map(([name, value]) => <div key={name}><dt>{words(name)}</dt><dd>{value}</dd></div>)}
          </dl>
        </details>
      )}
    </div>
  );
}

// Sampler settings are one level down in what the library says.
function settingsOf(settings: Record<string, unknown>): [string, string][] {
  return Object.entries(settings).flatMap(([name, value]): [string, string][] => {
    if (name === "settings") return settingsOf(value as Record<string, unknown>);
    if (typeof value === "number") return [[name, String(+value.toFixed(4))]];
    return value === null || (Array.isArray(value) && value.length === 0) ? [] : [[name, typeof value === "object" ? JSON.stringify(value) : String(value)]];
  });
}

function Figures({ answer }: { answer: Answer }) {
  const { timings, kv } = answer;
  const figures: [string, string][] = [
    ["Outcome", answer.outcome ? words(answer.outcome) : "answered"],
    ["Model", answer.model ? (answer.alias ? `${answer.alias} (${answer.model})` : answer.model) : "none"],
  ];
  if (answer.attempts) figures.push(["Confidence", probability(answer.confidence)], ["Threshold", probability(answer.threshold)]);
  if (answer.task) figures.push(["Task", answer.task]);
  if (answer.cpu_s !== undefined) figures.push(["CPU time", milliseconds(answer.cpu_s * 1000)]);
  if (answer.wall_s !== undefined) figures.push(["Time", milliseconds(answer.wall_s * 1000)]);
  if (timings) {
    const { queue_ms, prefill_ms, decode_ms } = timings;
    figures.push(["Waited", milliseconds(queue_ms)]);
    if (prefill_ms !== undefined) figures.push(["Reading", milliseconds(prefill_ms)]);
    if (decode_ms !== undefined) figures.push(["Writing", milliseconds(decode_ms)]);
  }
  if (answer.usage) figures.push(["Tokens", `${count(answer.usage.input_tokens)} in, ${count(answer.usage.output_tokens)} out`]);
  if (kv) figures.push(["In memory", many(kv.hot, "token")], ["Evicted", count(kv.evicted)]);
  if (answer.seed !== undefined) figures.push(["Seed", String(answer.seed)]);
  if (answer.ignored?.length) figures.push(["Not understood", answer.ignored.join(", ")]);
  return <dl class="figures">{figures.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>;
}

function Attempts({ attempts }: { attempts: Attempt[] }) {
  const total = attempts.reduce((sum, attempt) => sum + attempt.cpu_s, 0);
  return (
    <section>
      <h2>{many(attempts.length, "attempt")}</h2>
      <Wide name="Attempts">
          <thead>
            <tr><H>#</H><th>Asked</th><H>p</H><H>Threshold</H><th>Then</th>
              <th>Checks</th><H>Tokens</H><H>CPU</H><H>Share</H></tr>
          </thead>
          <tbody>
            {attempts.map((attempt, i) => (
              <tr key={i}>
                <N>{i + 1}</N>
                <td>{attempt.alias || attempt.model}<small>{words(attempt.purpose)}{attempt.temperature > 0 ? `, temperature ${attempt.temperature}` : ""}</small></td>
                <N>{attempt.p === null ? "none" : probability(attempt.p)}</N>
                <N>{attempt.accepts_nothing ? "accepts none" : probability(attempt.threshold)}</N>
                <td>{words(attempt.action)}<small>{attempt.reason}</small></td>
                <td>
                  {attempt.checks.length === 0 ? <span class="quiet">none applied</span> : attempt.checks.map((check, n) => (
                    <span key={n} class={check.verdict === "fail" ? "check-line bad" : "check-line"} title={check.explanation}>
                      {check.verdict === "fail" ? "\u2717" : "\u2713"} {words(check.name)}<small>{check.explanation}</small>
                    </span>
                  ))}
                </td>
                <N>{count(attempt.prompt_tokens)} + {count(attempt.n_tokens ?? attempt.tokens?.length ?? 0) || "?"}</N>
                <N>{milliseconds(attempt.cpu_s * 1000)}</N>
                <N>{total > 0 ? percent(attempt.cpu_s / total) : ""}</N>
              </tr>
            ))}
          </tbody>
      </Wide>
    </section>
  );
}

const fromRecords = signal<Record<string, Passage[]>>({});

// The text of evidence stands in the record of the answer, whoever sent it.
async function evidenceOf(record: RecordRef): Promise<void> {
  if (fromRecords.peek()[record.id]) return;
  try {
    const found = await get<RecordShown>(`/v1/kedge/records/${record.id}`);
    const texts = found.artifacts.filter((entry) => entry.kind === "evidence" && entry.text)
      .flatMap((entry) => [JSON.parse(entry.text!)].flat() as Passage[]);
    fromRecords.value = { ...fromRecords.peek(), [record.id]: texts };
  } catch {
    // The passages are listed without their text then.
  }
}

function Evidence({ answer, given }: { answer: Answer; given: Passage[] }) {
  const listed = answer.evidence ?? [];
  const citations = (answer.citations ?? []).filter((citation) => citation.resolved_by !== "none");
  const { record } = answer;
  const known = new Map([...given, ...((record && fromRecords.value[record.id]) ?? [])].map((passage) => [passage.id, passage]));
  const missing = listed.some((passage) => !passage.text && !known.get(passage.id)?.text);
  useEffect(() => {
    if (missing && record) void evidenceOf(record);
  }, [missing, record?.id]);
  if (listed.length === 0) return null;
  const quoted = (id: string) => citations.filter((citation) => citation.id === id);
  const ordered = listed.toSorted((a, b) => quoted(b.id).length - quoted(a.id).length);
  const wrong = (answer.citations ?? []).filter((citation) => citation.resolved_by === "none" || citation.id_agrees === false);
  return (
    <section>
      <h2>Evidence</h2>
      {wrong.map((citation, i) => (
        <p key={i} class="warn">
          {citation.resolved_by === "none" ? `Cited but not found in the sources: ${citation.quote || citation.value}`
            : `The answer gives "${citation.written_id}" as the source; the sentence stands in ${citation.id}.`}
        </p>
      ))}
      {ordered.map((passage) => {
        const text = passage.text ?? known.get(passage.id)?.text;
        return (
          <article key={passage.id} class="passage">
            <h3>{passage.id}{passage.source && passage.source !== passage.id && <small> {passage.source}</small>}
              {quoted(passage.id).length === 0 && <small> not cited</small>}</h3>
            {text ? <p><Marked text={text} citations={quoted(passage.id)} /></p> : <p class="quiet">{count(passage.bytes ?? 0)} bytes, {passage.sha256}</p>}
          </article>
        );
      })}
    </section>
  );
}

function Marked({ text, citations }: { text: string; citations: Citation[] }) {
  const ranges: [number, number, string][] = [];
  for (const citation of citations) {
    const sentence = citation.sentence || citation.quote || "";
    const at = sentence ? text.indexOf(sentence) : -1;
    if (at >= 0) ranges.push([at, at + sentence.length, citation.value]);
  }
  ranges.sort((a, b) => a[0] - b[0]);
  const parts = [];
  let end = 0;
  for (const [from, to, value] of ranges) {
    if (from < end) continue;
    parts.push(text.slice(end, from), <mark title={`The answer's "${value}" rests on this`}>{text.slice(from, to)}</mark>);
    end = to;
  }
  parts.push(text.slice(end));
  return <>{parts}</>;
}

export function RecordBox({ record }: { record: RecordRef }) {
  const replayed = useSignal<Replayed | null>(null);
  const verified = useSignal<string>("");
  const wrong = useSignal("");
  const busy = useSignal("");
  useEffect(() => {
    replayed.value = null;
    verified.value = "";
    wrong.value = "";
  }, [record.id]);
  const run = async (name: string, f: () => Promise<void>) => {
    busy.value = name;
    wrong.value = "";
    await f().catch((error) => (wrong.value = said(error)));
    busy.value = "";
  };
  return (
    <section>
      <h2>Record {count(record.seq)}</h2>
      <p class="mono hash">{record.id}<br />{record.hash}</p>
      <div class="row">
        <Button disabled={!!busy.value} onClick={() => void run("verify", async () => {
          const answer = await get<{ ok?: boolean; hash_checked?: boolean; problems?: { what: string }[] }>(`/v1/kedge/records/${record.id}/verify`);
          const problems = answer.problems ?? [];
          verified.value = answer.ok === false || problems.length > 0
            ? `Changed: ${problems.map((problem) => problem.what).join("; ") || "the hash is another"}` : "Unchanged: hash and artifacts agree.";
        })}>{busy.value === "verify" ? "Verifying" : "Verify"}</Button>
        <Button disabled={!!busy.value} onClick={() => void run("replay", async () => {
          replayed.value = await post<Replayed>(`/v1/kedge/records/${record.id}/replay`);
        })}>{busy.value === "replay" ? "Replaying" : "Replay"}</Button>
        <Button onClick={() => go("audit", record.id)}>Open</Button>
      </div>
      <div role="status">
        {verified.value && <p class={verified.value.startsWith("Changed") ? "bad" : "good"}>{verified.value}</p>}
        {replayed.value && <ReplayResult replayed={replayed.value} />}
        {wrong.value && <p class="bad">{wrong.value}</p>}
      </div>
    </section>
  );
}

function ReplayResult({ replayed }: { replayed: Replayed }) {
  return (
    <>
      <p class={replayed.same ? "good" : "bad"}>
        {replayed.same ? "Same bits: every attempt was generated again and every logit is equal." : "Not the same: something differs."}
      </p>
      {replayed.derivation && <p class="quiet">No model had been asked; {replayed.derivation.same ? "the same was worked out again" : "another result was worked out"}.</p>}
      {replayed.attempts.length > 0 && (
        <ul class="plain-list">
          {replayed.attempts.map((attempt, i) => (
            <li key={i}>
              {attempt.model}: tokens {attempt.tokens_same ? "equal" : "differ"}, logits {attempt.logits_same ? "equal" : "differ"}{" "}
              <span class="mono quiet">{attempt.logits_hash}</span>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
