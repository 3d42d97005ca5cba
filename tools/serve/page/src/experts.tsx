// Which experts of a mixture did how much, by layer, and how sure the router of each layer was.
import { useSignal } from "@preact/signals";
import { useCallback } from "preact/hooks";
import { arena, arenaTrouble, sequences, useArena } from "./arena";
import { Canvas, type Draw } from "./canvas";
import { count, many, percent } from "./format";
import { Bad, H, N, Picker, Wide } from "./parts";
import { route } from "./route";
import { colour } from "./theme";
import type { Experts as Counts } from "./types";

export function Experts() {
  useArena();
  const all = sequences().filter((sequence) => (sequence.experts?.layers.length ?? 0) > 0);
  const chosen = all.find((sequence) => sequence.id === route.value.id) ?? all[0];
  return (
    <div class="page">
      <div class="bar">
        <h1>Experts</h1>
        <Picker all={all} chosen={chosen} />
      </div>
      <Bad text={arenaTrouble.value} />
      {chosen?.experts ? <Heat key={chosen.id} experts={chosen.experts} /> : arena.value && (
        <p class="quiet">Nothing to show: only mixture-of-experts models have experts, and none of the sequences now known ran on one.
          Ask the deep model something.</p>
      )}
    </div>
  );
}

const margin = 48;
const row = 26;

function Heat({ experts }: { experts: Counts }) {
  const { n_experts, n_used, layers } = experts;
  const at = useSignal<{ layer: number; expert: number } | null>(null);
  const even = n_used / n_experts;
  const share = (layer: number, expert: number) => {
    const { tokens, n_tokens } = layers[layer]!;
    return n_tokens > 0 ? (tokens[expert] ?? 0) / n_tokens : 0;
  };
  const most = Math.max(even, ...layers.flatMap((_, layer) => Array.from({ length: n_experts }, (_, expert) => share(layer, expert))));
  const stamp = layers.map((layer) => layer.n_tokens).join();
  const cursor = at.value;
  const draw = useCallback<Draw>((context, width) => {
    const cell = (width - margin) / n_experts;
    const paint = colour("heat");
    context.font = "11px ui-monospace, monospace";
    context.textBaseline = "middle";
    layers.forEach((_, layer) => {
      context.globalAlpha = 1;
      context.fillStyle = colour("quiet");
      context.textAlign = "right";
      context.fillText(String(layer), margin - 10, layer * row + row / 2);
      for (let expert = 0; expert < n_experts; ++expert) {
        context.globalAlpha = 1;
        context.fillStyle = colour("side");
        context.fillRect(margin + expert * cell, layer * row, Math.max(1, cell - 1), row - 1);
        context.globalAlpha = Math.min(1, share(layer, expert) / most);
        context.fillStyle = paint;
        context.fillRect(margin + expert * cell, layer * row, Math.max(1, cell - 1), row - 1);
      }
    });
    context.globalAlpha = 1;
    context.fillStyle = colour("quiet");
    context.textAlign = "center";
    const every = Math.max(1, Math.ceil(28 / cell));
    for (let expert = 0; expert < n_experts; expert += every) {
      context.fillText(String(expert), margin + (expert + 0.5) * cell, layers.length * row + 12);
    }
    if (cursor) {
      context.strokeStyle = colour("ink");
      context.lineWidth = 2;
      context.strokeRect(margin + cursor.expert * cell - 1, cursor.layer * row - 1, cell + 1, row + 1);
    }
  }, [stamp, cursor, n_experts]);
  const point = (x: number, y: number, width: number) => {
    const expert = Math.floor((x - margin) / ((width - margin) / n_experts));
    const layer = Math.floor(y / row);
    const inside = expert >= 0 && expert < n_experts && layer < layers.length;
    if (!inside) at.value = null;
    else if (at.value?.layer !== layer || at.value.expert !== expert) at.value = { layer, expert };
  };
  const keys = (event: KeyboardEvent) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!step) return;
    event.preventDefault();
    const { layer, expert } = at.value ?? { layer: 0, expert: 0 };
    at.value = {
      layer: Math.max(0, Math.min(layers.length - 1, layer + step[0]!)),
      expert: Math.max(0, Math.min(n_experts - 1, expert + step[1]!)),
    };
  };
  return (
    <>
      <p class="quiet">
        {many(layers.length, "layer")} of {many(n_experts, "expert")}, {n_used} for a token. An even router would give each expert {percent(even)} of
        the tokens; the darkest cell here has {percent(most)}.
      </p>
      <Canvas height={layers.length * row + 22} draw={draw} onPoint={point} onLeave={() => (at.value = null)} onKey={keys}
        label={`Share of tokens by layer and expert, ${layers.length} by ${n_experts}. Arrow keys go along the cells.`} />
      <p class="at short" role="status">
        {cursor ? <>Layer {cursor.layer}, expert {cursor.expert}: <b>{percent(share(cursor.layer, cursor.expert), 1)}</b> of the tokens
          ({count(layers[cursor.layer]!.tokens[cursor.expert] ?? 0)} of {count(layers[cursor.layer]!.n_tokens)})</>
          : <span class="quiet">Rows are layers, columns are experts. Point at a cell.</span>}
      </p>
      <section>
        <h2>Routers</h2>
        <Wide name="Routers by layer">
            <thead>
              <tr><H>Layer</H><H>Tokens</H>
                <H title="Smallest chosen probability minus the largest left out">Margin</H>
                <H title="Of the router, in nats; an even one has the logarithm of the number of experts">Entropy</H>
                <H title="Experts of a token that the token before did not use">Switched</H>
                <th>Busiest</th></tr>
            </thead>
            <tbody>
              {layers.map((layer, i) => (
                <tr key={i}>
                  <N>{i}</N><N>{count(layer.n_tokens)}</N>
                  <N>{layer.margin.toFixed(3)}</N>
                  <N>{layer.entropy.toFixed(2)} of {Math.log(n_experts).toFixed(2)}</N>
                  <N>{percent(layer.switch_rate)}</N>
                  <td class="quiet once">
                    {layer.n_tokens > 0 && layer.tokens.map((n, expert) => [n, expert] as const).toSorted((a, b) => b[0] - a[0]).slice(0, 3)
                      .map(([n, expert]) => `${expert} (${percent(n / layer.n_tokens)})`).join(", ")}
                  </td>
                </tr>
              ))}
            </tbody>
      </Wide>
      </section>
    </>
  );
}
