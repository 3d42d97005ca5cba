// Light, dark, or what the system says; and the colours for what is painted on a canvas, taken from the style sheet.
import { effect, signal } from "@preact/signals";
import { remember, remembered } from "./local";

export type Theme = "system" | "light" | "dark";
export const theme = signal<Theme>(remembered<Theme>("theme", "system"));
export const painted = signal(0);  // counts changes of the colours

const system = matchMedia("(prefers-color-scheme: dark)");
effect(() => {
  const dark = theme.value === "dark" || (theme.value === "system" && system.matches);
  document.documentElement.dataset["theme"] = dark ? "dark" : "light";
  remember("theme", theme.value === "system" ? undefined : theme.value);
  painted.value = painted.peek() + 1;
});
system.addEventListener("change", () => {
  if (theme.value === "system") {
    document.documentElement.dataset["theme"] = system.matches ? "dark" : "light";
    painted.value = painted.peek() + 1;
  }
});

export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
}
