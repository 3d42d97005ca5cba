// The router's policy and its breakers, to be looked at and changed: the server makes a record of each change.
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { get, request, said } from "./api";
import { percent, words } from "./format";
import { NumberField } from "./knobs";
import { Bad, Button, H, N, Wide } from "./parts";
import { address } from "./route";

interface State {
  models: { name: string; aliases: string[]; breaker: { state: string; failures: number; weak_share: number } }[];
  settings: Record<string, number>;  // others too, which are not shown here
}
const state = signal<State | null>(null);
const changes = signal<Record<string, number | null>>({});
const wrong = signal("");
const record = signal("");

const shown: [setting: string, name: string, about?: string][] = [
  ["alpha", "Wrong answers allowed", "A share; thresholds follow from it"],
  ["min_confidence", "Least confidence"],
  ["min_gain", "Least gain of the deep model"],
  ["cost_cap", "Most cost", "In answers of the fast model"],
  ["max_attempts", "Attempts at most"],
  ["deadline_s", "Deadline, s"],
];

async function load(): Promise<void> {
  state.value = await get<State>("/v1/kedge/router").catch(() => null);
}
async function change(patch: unknown): Promise<void> {
  wrong.value = record.value = "";
  try {
    const answer = await request("PATCH", "/v1/kedge/router", patch);
    record.value = ((await answer.json()) as { record: { id: string } | null }).record?.id ?? "";
    changes.value = {};
  } catch (error) {
    wrong.value = said(error);
  }
  await load();
}

export function Router() {
  useEffect(() => void load(), []);
  if (!state.value) return null;
  const { models, settings } = state.value;
  return (
    <section>
      <h2>Router</h2>
      <form class="pair policy" onSubmit={(e) => (e.preventDefault(), Object.keys(changes.value).length > 0 && void change({ policy: changes.value }))}>
        {shown.map(([setting, name, about]) => (
          <NumberField key={setting} name={name} about={about} value={changes.value[setting] ?? settings[setting] ?? null}
            set={(value) => (changes.value = { ...changes.value, [setting]: value })} />
        ))}
        <button type="submit">Change</button>
      </form>
      <Bad text={wrong.value} />
      {record.value && <p class="good" role="status">Changed, in <a href={address("audit", record.value)}>a record</a>.</p>}
      <Wide name="Breakers">
        <thead><tr><th>Model</th><th>Breaker</th><H>Failures</H><H>Weak answers</H><td /></tr></thead>
        <tbody>
          {models.map(({ name, aliases, breaker }) => {
            const open = breaker.state !== "closed";
            return (
              <tr key={name}>
                <td>{name} <small>{aliases.join(", ")}</small></td><td>{words(breaker.state)}</td><N>{breaker.failures}</N><N>{percent(breaker.weak_share)}</N>
                <td>
                  <Button class="small" onClick={() => void change({ breakers: { [name]: open ? "closed" : "open" } })}>
                    {open ? "Close" : "Hold open"}
                  </Button>
                </td>
              </tr>
            );
          })}
        </tbody>
      </Wide>
    </section>
  );
}
