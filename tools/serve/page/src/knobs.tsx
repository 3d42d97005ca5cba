// The model and its knobs. What is not turned is the server's: nothing is sent for it.
import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { put, said } from "./api";
import { many, words } from "./format";
import { Button } from "./parts";
import { fresh, indexes, knobs, model, models, routed, schema, turn } from "./server";
import { change, current } from "./store";
import type { Setting } from "./types";

const all = signal(false);
// Of the sampler's settings those that most people know; the others are behind a button.
const known = ["temperature", "top_p", "top_k", "min_p", "repeat_penalty"];

export function KnobsPanel({ open, close }: { open: boolean; close: () => void }) {
  const k = knobs.value;
  return (
    <aside id="knobs" class="knobs" aria-label="Settings" hidden={!open} onKeyDown={(e) => e.key === "Escape" && close()}>
      <div class="head">
        <h2>Settings</h2>
        <Button class="plain" onClick={() => (knobs.value = { ...fresh, model: k.model })}>Reset</Button>
        <Button class="plain close" onClick={close}>Close</Button>
      </div>
      <Field name="Model">
        <select value={model.value} onChange={(e) => turn({ model: e.currentTarget.value })}>
          {models.value.map((entry) => (
            <option key={entry.id} value={entry.id}>{entry.id === "auto" ? "auto (the router decides)" : entry.id}</option>
          ))}
        </select>
      </Field>
      <Field name="System message">
        <textarea rows={2} value={current.value.system} onChange={(e) => change(() => ({ system: e.currentTarget.value }))} />
      </Field>
      <div class="pair">
        <NumberField name="Longest answer" unit="tokens" value={k.max_tokens} min={1} step={1} set={(max_tokens) => turn({ max_tokens })} />
        <NumberField name="Seed" value={k.seed} min={0} step={1} otherwise="drawn" set={(seed) => turn({ seed })} />
      </div>
      {routed.value ? <RouterKnobs /> : (
        <NumberField name="Alternatives of a token" value={k.alternatives} min={0} max={20} step={1}
          set={(n) => turn({ alternatives: n ?? fresh.alternatives })} />
      )}
      <SamplerKnobs />
      {!routed.value && <MemoryKnobs />}
    </aside>
  );
}

function Field({ name, children, about }: { name: string; children: ComponentChildren; about?: string | undefined }) {
  return (
    <label class="field" title={about}>
      <span>{name}</span>
      {children}
    </label>
  );
}

export function NumberField(props: { name: string; value: number | null; set: (value: number | null) => void; unit?: string; about?: string | undefined;
  min?: number | null; max?: number | null; step?: number | "any"; otherwise?: string }) {
  return (
    <Field name={props.unit ? `${props.name}, ${props.unit}` : props.name} about={props.about}>
      <input type="number" inputMode="decimal" value={props.value ?? ""} placeholder={props.otherwise ?? "default"}
        min={props.min ?? undefined} max={props.max ?? undefined} step={props.step ?? "any"}
        onChange={(e) => {
          const text = e.currentTarget.value;
          if (e.currentTarget.reportValidity()) props.set(text === "" ? null : +text);
        }} />
    </Field>
  );
}

const making = signal("");  // what becomes of documents given to an index

const plain = (name: string) => name.replace(/[^\w.-]+/g, "_").replace(/^\.+/, "");
const base64 = (file: File) =>
  new Promise<string>((done, fail) => {
    const reader = new FileReader();
    reader.onload = () => done((reader.result as string).replace(/^[^,]*,/, ""));
    reader.onerror = fail;
    reader.readAsDataURL(file);
  });

async function makeIndex(input: HTMLInputElement): Promise<void> {
  const chosen = [...(input.files ?? [])];
  input.value = "";
  const name = chosen.length > 0 && prompt("Name of the index", plain(chosen[0]!.name).replace(/\.\w+$/, ""));
  if (!name) return;
  making.value = `Reading ${many(chosen.length, "document")}`;
  try {
    const files = await Promise.all(chosen.map(async (file) => ({ name: plain(file.name), base64: await base64(file) })));
    const made = await put<{ documents: number; passages: number }>(`/v1/kedge/indexes/${encodeURIComponent(name)}`, { files });
    indexes.value = [...new Set([...indexes.value, name])].toSorted();
    turn({ index: name });
    making.value = `${many(made.documents, "document")}, ${many(made.passages, "passage")}`;
  } catch (error) {
    making.value = said(error);
  }
}

function RouterKnobs() {
  const k = knobs.value;
  return (
    <fieldset>
      <legend>Router</legend>
      <div class="pair">
        <NumberField name="Least confidence" value={k.min_confidence} min={0} max={1} step="any" set={(min_confidence) => turn({ min_confidence })} />
        <NumberField name="Deadline" unit="s" value={k.deadline_s} min={0.1} step="any" set={(deadline_s) => turn({ deadline_s })} />
      </div>
      <NumberField name="Attempts at most" value={k.max_attempts} min={1} max={16} step={1} set={(max_attempts) => turn({ max_attempts })} />
      {indexes.value.length > 0 && (
        <Field name="Answer from the index">
          <select value={k.index} onChange={(e) => turn({ index: e.currentTarget.value })}>
            <option value="">none</option>
            {indexes.value.map((name) => <option key={name}>{name}</option>)}
          </select>
        </Field>
      )}
      <Field name="Make an index of documents" about="Text, Markdown, HTML, PDF, JSONL">
        <input type="file" multiple accept=".txt,.md,.html,.pdf,.jsonl"
          onChange={(e) => void makeIndex(e.currentTarget)} />
      </Field>
      {making.value && <small role="status">{making.value}</small>}
      <label class="check">
        <input type="checkbox" checked={k.optimistic} onChange={(e) => turn({ optimistic: e.currentTarget.checked })} />
        Show answers before they are checked
      </label>
    </fieldset>
  );
}

function SamplerKnobs() {
  const settings = schema.value?.settings ?? [];
  if (settings.length === 0) return null;
  const chosen = knobs.value.settings;
  // The router takes a temperature for first answers; the rest is a model's, asked by its name.
  const few = routed.value ? ["temperature"] : known;
  const every = all.value && !routed.value;
  const listed = every ? settings : settings.filter(({ name }) => few.includes(name) || (!routed.value && name in chosen));
  const set = (setting: Setting, value: number | null) => {
    const next = { ...chosen };
    if (value === null || value === setting.default) delete next[setting.name];
    else next[setting.name] = value;
    turn({ settings: next });
  };
  return (
    <fieldset>
      <legend>Sampler</legend>
      <div class="pair">
        {listed.map((setting) => (
          <NumberField key={setting.name} name={words(setting.name)} about={setting.doc} value={chosen[setting.name] ?? null}
            min={setting.min} max={setting.max} step={setting.type === "int" ? 1 : "any"} otherwise={routed.value ? "0" : String(+setting.default.toFixed(4))}
            set={(value) => set(setting, value)} />
        ))}
      </div>
      {!routed.value && (
        <Button class="plain" aria-expanded={all.value} onClick={() => (all.value = !all.value)}>
          {all.value ? "Fewer" : `All ${settings.length}`}
        </Button>
      )}
    </fieldset>
  );
}

function MemoryKnobs() {
  const k = knobs.value;
  return (
    <fieldset>
      <legend>Memory</legend>
      <Field name="Budget: tokens, bytes or a share" about="2048, 64MiB or 25%. Empty: nothing is evicted.">
        <input value={k.kv_budget} placeholder="the whole context" onChange={(e) => turn({ kv_budget: e.currentTarget.value })} />
      </Field>
      {schema.value && (
        <Field name="What stays when it is full">
          <select value={k.kv_policy} onChange={(e) => turn({ kv_policy: e.currentTarget.value })}>
            <option value="">default</option>
            {schema.value.policies.map(({ name, doc }) => <option key={name} value={name} title={doc}>{name}</option>)}
          </select>
        </Field>
      )}
      <label class="check">
        <input type="checkbox" checked={k.kv_cold} onChange={(e) => turn({ kv_cold: e.currentTarget.checked })} />
        Keep evicted tokens for recall
      </label>
    </fieldset>
  );
}
