// The frame: the views on the left, the one chosen on the right.
import { effect, signal, untracked } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { key, keyWanted, setKey } from "./api";
import { Audit } from "./audit";
import { Chat } from "./chat";
import { Compare } from "./compare";
import { Experts } from "./experts";
import { many, when } from "./format";
import { Live } from "./live";
import { Memory } from "./memory";
import { Button } from "./parts";
import { address, go, route, views, type View } from "./route";
import { connect, models, state, stateText } from "./server";
import { current, forget, kept, list, loadList, open, startNew, trouble } from "./store";
import { theme, type Theme } from "./theme";
import { Why } from "./why";

const drawer = signal(false);
effect(() => {
  if (route.value) drawer.value = false;
});

async function begin(): Promise<void> {
  await connect();
  if (state.value !== "ready") return;
  await loadList().catch(() => {});
  if (route.value.view === "chat" && route.value.id) await open(route.value.id);
}
void begin();
effect(() => {
  const { view, id } = route.value;
  if (view === "chat" && id) untracked(() => state.value === "ready" && void open(id));
});

const shownViews: Record<View, () => ComponentChildren> = {
  chat: () => <Chat />,
  why: () => <Why />,
  memory: () => <Memory />,
  experts: () => <Experts />,
  compare: () => <Compare />,
  live: () => <Live />,
  audit: () => <Audit />,
};

export function App() {
  const { view } = route.value;
  const name = views.find((entry) => entry.id === view)!.name;
  useEffect(() => {
    document.title = view === "chat" ? "Kedge" : `${name} - Kedge`;
  }, [view]);
  return (
    <div class="frame">
      <a class="skip" href="#main" onClick={(e) => (e.preventDefault(), document.getElementById("main")?.focus())}>
        To the content
      </a>
      <header class="top">
        <Button class="plain" aria-expanded={drawer.value} aria-controls="side"
          onClick={() => (drawer.value = !drawer.value)}>
          Menu
        </Button>
        <span class="where">{name}</span>
        <span class="balance" aria-hidden="true" />
      </header>
      <Side />
      {drawer.value && <div class="veil" onClick={() => (drawer.value = false)} />}
      <main id="main" tabIndex={0} class={"view " + view}>
        {state.value === "failed" ? <Failed /> : shownViews[view]()}
      </main>
      <KeyDialog />
    </div>
  );
}

function Side() {
  return (
    <aside id="side" aria-label="Views and conversations" class={drawer.value ? "side open" : "side"}
      onKeyDown={(e) => e.key === "Escape" && (drawer.value = false)}>
      <div class="brand">
        <svg viewBox="0 0 16 16" width="18" height="18" aria-hidden="true">
          <path d="M8 2v11M5 4.5h6M2.5 9c.6 2.8 2.8 4.5 5.5 4.5s4.9-1.7 5.5-4.5" fill="none" stroke="currentColor"
            stroke-width="1.5" stroke-linecap="round" />
        </svg>
        Kedge
      </div>
      <nav aria-label="Views">
        {views.map(({ id, name, about }) => (
          <a key={id} href={address(id, id === "chat" && current.value.messages.length > 0 ? current.value.id : "")} title={about}
            aria-current={route.value.view === id ? "page" : undefined}>
            {name}
          </a>
        ))}
      </nav>
      <section class="talks" aria-label="Conversations">
        <div class="head">
          <h2>Conversations</h2>
          <Button class="small" onClick={() => (startNew(), go("chat"))}>New</Button>
        </div>
        {list.value.length === 0 && <p class="quiet">None yet.</p>}
        <ul>
          {list.value.map((entry) => (
            <li key={entry.id} class={entry.id === current.value.id ? "on" : ""}>
              <a href={address("chat", entry.id)} aria-current={entry.id === current.value.id ? "true" : undefined}
                title={`${entry.title}, ${when(entry.updated)}`}>
                {entry.title}
              </a>
              <Button class="bare" aria-label={`Delete ${entry.title}`}
                onClick={() => confirm(`Delete "${entry.title}"?`) && void forget(entry.id)}>
                <svg viewBox="0 0 12 12" width="10" height="10" aria-hidden="true">
                  <path d="M2 2l8 8M10 2l-8 8" stroke="currentColor" stroke-width="1.3" />
                </svg>
              </Button>
            </li>
          ))}
        </ul>
      </section>
      <div class="foot">
        {trouble.value && <p class="bad" role="status">{trouble.value}</p>}
        <p class="quiet">
          {state.value === "ready" ? many(models.value.length, "model name") : state.value === "failed" ? "Not connected" : stateText.value || "Connecting"}
          {kept.value === "browser" && ", history in this browser"}
        </p>
        <div class="row">
          <label>
            <span class="hidden">Colours</span>
            <select value={theme.value} onChange={(e) => (theme.value = e.currentTarget.value as Theme)}>
              <option value="system">System colours</option>
              <option value="light">Light</option>
              <option value="dark">Dark</option>
            </select>
          </label>
          <Button class="plain" onClick={() => (keyWanted.value = "Sent with every request of this page.")}>
            Key
          </Button>
        </div>
      </div>
    </aside>
  );
}

function Failed() {
  return (
    <div class="empty">
      <h1>No connection</h1>
      <p>{stateText.value}</p>
      <Button class="main" onClick={() => void begin()}>Try again</Button>
    </div>
  );
}

function KeyDialog() {
  const box = useRef<HTMLDialogElement>(null);
  const wanted = keyWanted.value;
  useEffect(() => {
    if (wanted && !box.current!.open) box.current!.showModal();
    if (!wanted && box.current!.open) box.current!.close();
  }, [wanted]);
  return (
    <dialog ref={box} aria-labelledby="key-title" onClose={() => (keyWanted.value = "")}>
      <form method="dialog" onSubmit={(e) => {
        e.preventDefault();
        setKey(new FormData(e.currentTarget).get("key") as string);
        void begin();
      }}>
        <h2 id="key-title">Key of this server</h2>
        <p class="quiet">{wanted}</p>
        <label>
          Key
          <input name="key" type="password" autocomplete="off" defaultValue={key.value} />
        </label>
        <div class="row end">
          <Button onClick={() => (keyWanted.value = "")}>Cancel</Button>
          <button type="submit" class="main">Use it</button>
        </div>
      </form>
    </dialog>
  );
}
