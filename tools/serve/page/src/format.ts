// Numbers as people read them.
export const count = (n: number) => n.toLocaleString("en");
export const many = (n: number, one: string, more = one + "s") => `${count(n)} ${n === 1 ? one : more}`;
export const probability = (p: number | null | undefined) => (p === null || p === undefined ? "none" : p.toFixed(3));
export const percent = (share: number, digits = 0) => `${(100 * share).toFixed(digits)}%`;

export function milliseconds(ms: number): string {
  if (!Number.isFinite(ms)) return "";
  if (ms === 0) return "0 ms";
  if (ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return `${(ms / 1000).toFixed(ms < 10000 ? 2 : 1)} s`;
}

export function bytes(n: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (n >= 1024 && unit < units.length - 1) {
    n /= 1024;
    ++unit;
  }
  return `${unit > 0 && n < 10 ? n.toFixed(1) : Math.round(n)} ${units[unit]}`;
}

export const words = (name: string) => name.replaceAll("_", " ").replaceAll("-", " ");

// A token as one can see it: blanks and line ends would otherwise be nothing on the screen.
export function visible(piece: string): string {
  if (piece === "") return "(end)";
  return piece.replaceAll("\n", "\u21b5").replaceAll("\t", "\u21e5").replaceAll(" ", "\u00b7").replaceAll("\u2581", "\u00b7");
}

export function when(stamp: string | number): string {
  const date = new Date(stamp);
  const today = new Date().toDateString() === date.toDateString();
  const time = date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: today ? "2-digit" : undefined });
  return today ? time : `${date.toLocaleDateString("en-GB", { day: "numeric", month: "short" })}, ${time}`;
}
