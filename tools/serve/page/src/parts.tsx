// Small parts that several views are made of.
import type { ComponentChildren, JSX } from "preact";
import { count, words } from "./format";
import { settle } from "./route";
import type { Sequence } from "./types";

export const Button = (props: JSX.IntrinsicElements["button"]) => <button type="button" {...props} />;
export const Bad = ({ text }: { text: string }) => (text ? <p class="bad" role="alert">{text}</p> : null);

// Which of the sequences is looked at.
export function Picker({ all, chosen }: { all: Sequence[]; chosen: Sequence | undefined }) {
  if (!chosen) return null;
  return (
    <label class="pick">
      <span>Sequence</span>
      <select value={chosen.id} onChange={(e) => settle(e.currentTarget.value)}>
        {all.map(({ id, model, state, tokens }) => (
          <option key={id} value={id}>{model}, {count(tokens)} tokens, {words(state)} ({id})</option>
        ))}
      </select>
    </label>
  );
}

// A table that may be wider than the screen.
export const Wide = ({ name, children }: { name: string; children: ComponentChildren }) => (
  <div class="wide" tabIndex={0} role="group" aria-label={`${name}, can be scrolled sideways`}>
    <table>{children}</table>
  </div>
);

// A cell of figures.
export const N = ({ children, title }: { children?: ComponentChildren; title?: string }) => <td class="number" title={title}>{children}</td>;
export const H = ({ children, title }: { children?: ComponentChildren; title?: string }) => <th class="number" title={title}>{children}</th>;
