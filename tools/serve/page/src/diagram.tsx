// The route of an answer as a drawing: time goes to the right, a lane for the router and one for each model asked. An
// attempt shows its probability on a scale with the threshold it had to reach.
import { milliseconds, probability, words } from "./format";
import type { Answer, Attempt, Step } from "./types";

const generates = ["generate", "escalate", "resample", "ground", "verify_model"];
const left = 84;
const narrow = 96;
const gap = 30;
const wide = 168;
const lane = 92;

interface Placed {
  step: Step;
  attempt: Attempt | null;
  lane: number;
  x: number;
  width: number;
}

function layout(answer: Answer): { nodes: Placed[]; lanes: string[]; width: number } {
  const attempts = answer.attempts ?? [];
  const lanes = ["router", ...new Set(attempts.map((attempt) => attempt.alias || attempt.model))];
  let next = 0;
  let x = left;
  const nodes = (answer.path ?? []).map((step) => {
    // Steps in which a model answered are those whose detail begins with its name; attempts are in the same order.
    const candidate = attempts[next];
    const asks = !!candidate && generates.includes(step.state) && step.detail.startsWith(candidate.alias || candidate.model);
    const attempt = asks ? candidate : null;
    if (attempt) ++next;
    const width = attempt ? wide : narrow;
    const node = { step, attempt, lane: attempt ? lanes.indexOf(attempt.alias || attempt.model) : 0, x: x + width / 2, width };
    x += width + gap;
    return node;
  });
  return { nodes, lanes, width: x + 8 };
}

export function Diagram({ answer }: { answer: Answer }) {
  const { nodes, lanes, width } = layout(answer);
  const y = (n: number) => 46 + n * lane;
  const height = y(lanes.length - 1) + 54;
  const end = nodes.at(-1);
  const ended = answer.outcome === "answered" ? "good" : "held";
  return (
    <div class="diagram" tabIndex={0} role="group" aria-label="Route, can be scrolled sideways">
      <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="img"
        aria-label={`Route: ${nodes.map(({ step }) => words(step.state)).join(", then ")}. The steps are listed below.`}>
        {lanes.map((name, n) => (
          <g key={name}>
            <line class="lane" x1={left - 8} x2={width} y1={y(n)} y2={y(n)} />
            <text class="name" x={8} y={y(n) + 4}>{name}</text>
          </g>
        ))}
        {nodes.slice(1).map((node, i) => {
          const from = nodes[i]!;
          const x0 = from.x + (from.attempt ? from.width / 2 : 6);
          const x1 = node.x - (node.attempt ? node.width / 2 : 6);
          if (from.lane === node.lane) return <path key={i} class="edge" d={`M${x0} ${y(from.lane)}H${x1}`} />;
          // Changes of the lane lie between the columns, clear of what is written under the steps.
          const a = from.x + from.width / 2;
          const b = node.x - node.width / 2;
          const middle = (a + b) / 2;
          return (
            <path key={i} class="edge"
              d={`M${x0} ${y(from.lane)}H${a}C${middle + 6} ${y(from.lane)} ${middle - 6} ${y(node.lane)} ${b} ${y(node.lane)}H${x1}`} />
          );
        })}
        {nodes.map((node, i) => node.attempt
          ? <AttemptBox key={i} node={node} attempt={node.attempt} y={y(node.lane)} />
          : (
            <g key={i} class={node === end ? `stop ${ended}` : "stop"}>
              <title>{`${words(node.step.state)}${node.step.rule ? ", " + words(node.step.rule) : ""}: ${node.step.detail}`}</title>
              <circle cx={node.x} cy={y(node.lane)} r={node === end ? 7 : 5} />
              <text x={node.x} y={y(node.lane) - 16}>{words(node.step.state)}</text>
              {node.step.rule && <text class="rule" x={node.x} y={y(node.lane) + 24}>{words(node.step.rule)}</text>}
            </g>
          ))}
      </svg>
    </div>
  );
}

function AttemptBox({ node, attempt, y }: { node: Placed; attempt: Attempt; y: number }) {
  const x = node.x - wide / 2;
  const scale = wide - 24;
  const failed = attempt.checks.filter((check) => check.verdict === "fail").length;
  const checks = attempt.checks.length === 0 ? "no checks" : failed > 0 ? `${failed} of ${attempt.checks.length} checks failed`
    : `${attempt.checks.length} checks passed`;
  return (
    <g class="attempt">
      <title>{attempt.reason}</title>
      <rect x={x} y={y - 36} width={wide} height={72} rx={4} />
      <text class="what" x={x + 12} y={y - 18}>{words(attempt.purpose)}</text>
      <text class="cost" x={x + wide - 12} y={y - 18}>{milliseconds(attempt.cpu_s * 1000)}</text>
      <rect class="scale" x={x + 12} y={y - 6} width={scale} height={5} />
      {attempt.p !== null && <rect class="fill" x={x + 12} y={y - 6} width={scale * attempt.p} height={5} />}
      {attempt.threshold !== null && (
        <line class="need" x1={x + 12 + scale * attempt.threshold} x2={x + 12 + scale * attempt.threshold} y1={y - 10} y2={y + 3} />
      )}
      <text class="p" x={x + 12} y={y + 16}>
        {attempt.p === null ? "p none" : `p ${probability(attempt.p)}`}
        {attempt.threshold !== null ? `, needs ${probability(attempt.threshold)}` : ""}
      </text>
      <text class={failed > 0 ? "checks bad" : "checks"} x={x + 12} y={y + 29}>{checks}</text>
    </g>
  );
}
