// Where the page is: "#/why/<message>". The browser's back button works.
import { signal } from "@preact/signals";

export const views = [
  { id: "chat", name: "Chat", about: "Ask, edit, branch" },
  { id: "why", name: "Why", about: "How an answer came about" },
  { id: "memory", name: "Memory", about: "What the KV cache holds, and why" },
  { id: "experts", name: "Experts", about: "Which experts work, by layer" },
  { id: "compare", name: "Compare", about: "The fast and the deep model side by side" },
  { id: "live", name: "Live", about: "Speed, queue and latency now" },
  { id: "audit", name: "Audit", about: "The record of every answer" },
] as const;
export type View = (typeof views)[number]["id"];

function parse(): { view: View; id: string } {
  const [, view = "", id = ""] = location.hash.split("/");
  const known = views.find((entry) => entry.id === view);
  return { view: known?.id ?? "chat", id: known ? decodeURIComponent(id) : "" };
}

export const route = signal(parse());
addEventListener("hashchange", () => (route.value = parse()));

export const address = (view: View, id = "") => `#/${view}${id ? "/" + encodeURIComponent(id) : ""}`;
export function go(view: View, id = ""): void {
  location.hash = address(view, id);
}
// Another id of the same view is no step back in the history.
export function settle(id: string): void {
  history.replaceState(null, "", address(route.value.view, id));
  route.value = parse();
}
