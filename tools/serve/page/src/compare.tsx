// One question to the fast and the deep model, with what each answer cost; and which was right, kept as an observation
// that a calibration can use.
import { signal, useSignal } from "@preact/signals";
import { post, said } from "./api";
import { Body } from "./body";
import { many, milliseconds, probability, words } from "./format";
import { remember, remembered } from "./local";
import { Bad, Button } from "./parts";
import { newId } from "./tree";
import type { Answer, Comparison } from "./types";

interface Compared {
  id: string;
  question: string;
  created: number;
  answer: Comparison;
  vote?: Vote;
  sent?: boolean;  // to the server; else this browser alone has the vote
}
const votes = ["fast", "deep", "both", "neither"] as const;
type Vote = (typeof votes)[number];

const asked = signal<Compared[]>(remembered<Compared[]>("compared", []));
const shown = signal<string>("");
const busy = signal(false);
const wrong = signal("");

function keep(list: Compared[]): void {
  asked.value = list.slice(0, 50);
  remember("compared", asked.value);
}

async function compare(question: string): Promise<void> {
  busy.value = true;
  wrong.value = "";
  try {
    const reply = await post<{ kedge: Answer }>("/v1/chat/completions", {
      model: "auto", messages: [{ role: "user", content: question }], kedge: { compare: true },
    });
    if (!reply.kedge.compare) throw new Error("The server does not compare.");
    const entry: Compared = { id: newId(), question, created: Date.now(), answer: reply.kedge.compare };
    keep([entry, ...asked.value]);
    shown.value = entry.id;
  } catch (error) {
    wrong.value = said(error);
  }
  busy.value = false;
}

// As kedge_calibrate takes it: the features of the fast model's first attempt and whether it was right.
function observation({ id, question, answer, vote }: Compared) {
  const side = (one: Answer | undefined, right: boolean) => ({
    correct: right, features: one?.attempts?.[0]?.features ?? {}, cpu_s: one?.cpu_s,
  });
  return {
    id, task: answer.fast?.task, question, ...side(answer.fast, vote === "fast" || vote === "both"),
    deep: side(answer.deep, vote === "deep" || vote === "both"),
  };
}

async function cast(entry: Compared, vote: Vote): Promise<void> {
  const voted = { ...entry, vote, sent: false };
  const set = (next: Compared) => keep(asked.value.map((other) => (other.id === entry.id ? next : other)));
  set(voted);
  try {
    await post("/v1/kedge/observations", observation(voted));
    set({ ...voted, sent: true });
  } catch {
    // Kept here, and in what can be saved below.
  }
}

export function Compare() {
  const text = useSignal("");
  const entry = asked.value.find((other) => other.id === shown.value) ?? asked.value[0];
  const { fast, deep, routed } = entry?.answer ?? {};
  const voted = asked.value.filter((other) => other.vote);
  const send = () => {
    const question = text.value.trim();
    if (!question || busy.value) return;
    text.value = "";
    void compare(question);
  };
  return (
    <div class="page">
      <div class="bar">
        <h1>Compare</h1>
        {asked.value.length > 0 && (
          <label class="pick">
            <span>Question</span>
            <select value={entry?.id} onChange={(e) => (shown.value = e.currentTarget.value)}>
              {asked.value.map(({ id, question, vote }) => <option key={id} value={id}>{question.slice(0, 70)}{vote ? ` (${vote})` : ""}</option>)}
            </select>
          </label>
        )}
      </div>
      <form class="ask-line" onSubmit={(e) => (e.preventDefault(), send())}>
        <input value={text.value} placeholder="Ask both models" aria-label="Question for both models" onInput={(e) => (text.value = e.currentTarget.value)} />
        <button type="submit" class="main" disabled={busy.value || !text.value.trim()}>{busy.value ? "Asking" : "Ask"}</button>
      </form>
      <Bad text={wrong.value} />
      {!entry && <p class="quiet">The fast model, the deep model and the router answer the same question; beside each answer stand its confidence and its cost.</p>}
      {entry && (
        <>
          <p class="asked">{entry.question}</p>
          <div class="columns">
            <Column name="Fast" answer={fast} most={worst(fast, deep)} />
            <Column name="Deep" answer={deep} most={worst(fast, deep)} />
          </div>
          <p class="quiet">
            {entry.answer.same_answer === undefined ? "" : entry.answer.same_answer ? "Both say the same. " : "They differ. "}
            {routed && `The router ${routed.outcome === "answered" ? `took ${routed.alias ?? "its own working out"}` : `gave no answer (${words(routed.outcome ?? "")})`}, for ${milliseconds((routed.cpu_s ?? 0) * 1000)} of CPU time${
              entry.answer.cpu_ratio?.["routed"] ? `, ${entry.answer.cpu_ratio["routed"].toFixed(2)} of the deep model's` : ""}. `}
            {routed?.reason && `Because: ${routed.reason}.`}
          </p>
          <fieldset class="vote">
            <legend>Which is right?</legend>
            {votes.map((vote) => (
              <label key={vote}>
                <input type="radio" name="vote" checked={entry.vote === vote} onChange={() => void cast(entry, vote)} />
                {vote[0]!.toUpperCase() + vote.slice(1)}
              </label>
            ))}
            <span class="quiet" role="status">{entry.vote ? (entry.sent ? "Kept by the server as an observation." : "Kept in this browser.") : ""}</span>
          </fieldset>
        </>
      )}
      {voted.length > 0 && (
        <p>
          <Button onClick={() => saveText("observations.json", JSON.stringify({ observations: voted.map(observation) }, null, 1))}>
            Save {many(voted.length, "observation")} for a calibration
          </Button>
        </p>
      )}
    </div>
  );
}

const worst = (a?: Answer, b?: Answer) => Math.max(a?.cpu_s ?? 0, b?.cpu_s ?? 0) || 1;

function Column({ name, answer, most }: { name: string; answer: Answer | undefined; most: number }) {
  if (!answer) return null;
  const draft = answer.answer;
  return (
    <section class="column">
      <h2>{name} <small>{answer.model ?? "no model asked"}</small></h2>
      <div class="said">{draft ? <Body text={draft} now /> : <p class="withheld">No answer: {words(answer.outcome ?? "")}</p>}</div>
      <dl class="figures">
        <div><dt>Confidence</dt><dd>{probability(answer.confidence)}</dd></div>
        <div><dt>Threshold</dt><dd>{probability(answer.threshold)}</dd></div>
        <div><dt>Tokens</dt><dd>{answer.usage ? `${answer.usage.input_tokens} in, ${answer.usage.output_tokens} out` : ""}</dd></div>
        <div><dt>Time</dt><dd>{milliseconds((answer.wall_s ?? 0) * 1000)}</dd></div>
      </dl>
      <div class="cost">
        <span>CPU {milliseconds((answer.cpu_s ?? 0) * 1000)}</span>
        <div class="track"><i style={{ width: `${(100 * (answer.cpu_s ?? 0)) / most}%` }} /></div>
      </div>
    </section>
  );
}

export function saveText(name: string, text: string, type = "application/json"): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
