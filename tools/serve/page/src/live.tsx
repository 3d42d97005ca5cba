// What the server does now: one stream of samples, a second apart, while this view is looked at.
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { Failure, events, request, said } from "./api";
import { bytes, count, milliseconds, percent } from "./format";
import { Bad } from "./parts";
import { Router } from "./router";
import { colour, painted } from "./theme";
import type { LiveSample } from "./types";

const most = 300;
const samples: { time: number; sample: LiveSample }[] = [];
const latest = signal<LiveSample | null>(null);
const trouble = signal("");

async function listen(control: AbortController): Promise<void> {
  while (!control.signal.aborted) {
    try {
      const reply = await request("GET", "/v1/kedge/live", undefined, control.signal);
      trouble.value = "";
      for await (const data of events(reply)) {
        const sample = JSON.parse(data) as LiveSample;
        samples.push({ time: Date.now() / 1000, sample });
        if (samples.length > most) samples.shift();
        latest.value = sample;
      }
    } catch (error) {
      if (control.signal.aborted) return;
      trouble.value = said(error);
      if (error instanceof Failure && [401, 403, 404].includes(error.status)) return;
    }
    await new Promise((done) => setTimeout(done, 2000));
  }
}

type Line = { name: string; of: (sample: LiveSample) => number | null; paint: string };
type Chart = { title: string; lines: Line[]; show: (value: number) => string; least: number; most?: number; steps?: number[] };
const charts: Chart[] = [
  {
    title: "Tokens per second", least: 10, show: (n) => count(+n.toFixed(n < 10 ? 1 : 0)),
    lines: [
      { name: "written", of: (s) => s.tokens_per_second, paint: "line-1" },
      { name: "read", of: (s) => s.prompt_tokens_per_second, paint: "line-2" },
    ],
  },
  {
    title: "Requests", least: 1.2, steps: [1, 2, 5, 10, 20, 50, 100, 200, 500], show: (n) => String(Math.round(n)),
    lines: [
      { name: "running", of: (s) => s.running, paint: "line-1" },
      { name: "waiting", of: (s) => s.waiting, paint: "line-2" },
    ],
  },
  {
    title: "Time to the first token", least: 10, show: milliseconds,
    lines: [
      { name: "median", of: (s) => s.ttft_ms?.p50 ?? null, paint: "line-1" },
      { name: "99th percentile", of: (s) => s.ttft_ms?.p99 ?? null, paint: "line-2" },
    ],
  },
  {
    title: "Between tokens", least: 10, show: milliseconds,
    lines: [
      { name: "median", of: (s) => s.inter_token_ms?.p50 ?? null, paint: "line-1" },
      { name: "99th percentile", of: (s) => s.inter_token_ms?.p99 ?? null, paint: "line-2" },
      { name: "engine step", of: (s) => s.step_ms, paint: "line-3" },
    ],
  },
  {
    title: "Memory bandwidth", least: 2 ** 30, show: (n) => `${bytes(n)}/s`,
    lines: [{ name: "weights read", of: (s) => s.weight_bytes_per_second, paint: "line-1" }],
  },
  {
    title: "KV pages", least: 1, show: (n) => percent(n, n > 0 && n < 0.1 ? 1 : 0), most: 1,
    lines: [{ name: "in use", of: (s) => s.kv_usage, paint: "line-1" }],
  },
];

// The last minutes, a minute at least.
function span(): [number, number] {
  const last = samples.at(-1)?.time ?? Date.now() / 1000;
  return [Math.min(samples[0]?.time ?? last, last - 60), last];
}

export function Live() {
  useEffect(() => {
    let control = new AbortController();
    const begin = () => {
      control.abort();
      control = new AbortController();
      if (document.visibilityState === "visible") void listen(control);
    };
    begin();
    document.addEventListener("visibilitychange", begin);
    return () => {
      document.removeEventListener("visibilitychange", begin);
      control.abort();
    };
  }, []);
  return (
    <div class="page">
      <div class="bar"><h1>Live</h1></div>
      <Bad text={trouble.value} />
      <div class="charts">{charts.map((chart) => <ChartBox key={chart.title} chart={chart} />)}</div>
      <Router />
    </div>
  );
}

function ChartBox({ chart }: { chart: Chart }) {
  const room = useRef<HTMLDivElement>(null);
  const now = latest.value;
  const plot = useRef<uPlot | null>(null);
  const colours = painted.value;
  const data = (): uPlot.AlignedData => [
    samples.map(({ time }) => time),
    ...chart.lines.map((line) => samples.map(({ sample }) => line.of(sample) ?? null)),
  ];
  useEffect(() => {
    const element = room.current!;
    const width = () => element.clientWidth;
    const axis = { stroke: colour("quiet"), font: "11px system-ui, sans-serif", grid: { stroke: colour("rule"), width: 1 }, ticks: { show: false } };
    plot.current = new uPlot({
      width: width(), height: 150, legend: { show: false }, cursor: { show: false },
      scales: { x: { time: true, range: () => span() }, y: { range: (_, __, max) => [0, chart.most ?? Math.max(max * 1.15, chart.least)] } },
      axes: [
        { ...axis, grid: { show: false }, size: 28, space: 90, values: (_, ticks) => ticks.map((t) => new Date(t * 1000).toLocaleTimeString("en-GB")) },
        { ...axis, size: 64, space: 36, ...(chart.steps ? { incrs: chart.steps } : {}), values: (_, ticks) => ticks.map((tick) => chart.show(tick)) },
      ],
      series: [{}, ...chart.lines.map((line) => ({ stroke: colour(line.paint), width: 1.5, points: { show: false }, spanGaps: false }))],
    }, data(), element);
    const watch = new ResizeObserver(() => plot.current?.setSize({ width: width(), height: 150 }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [colours]);
  useEffect(() => plot.current?.setData(data()), [now]);
  return (
    <section class="chart">
      <h2>{chart.title}</h2>
      <dl>
        {chart.lines.map((line) => {
          const value = now ? line.of(now) : null;
          const share = line.name === "weights read" ? now?.bandwidth_share : undefined;
          return (
            <div key={line.name}>
              <dt><i class={`swatch ${line.paint}`} />{line.name}</dt>
              <dd>{value === null || value === undefined ? "none yet" : chart.show(value)}{share !== undefined && `, ${percent(share)} of this machine`}</dd>
            </div>
          );
        })}
      </dl>
      <div ref={room} class="plot" role="img" aria-label={`${chart.title} over the last minutes`} />
    </section>
  );
}
