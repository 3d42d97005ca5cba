// The shapes the server speaks in: docs/serve.md, include/kedge/kedge.h and kedge_router.h.

export interface Top {
  token: string;
  logprob: number;
}
export interface Token extends Top {
  top_logprobs?: Top[];
}

export interface Check {
  name: string;
  verdict: "pass" | "fail";
  explanation: string;
}

export interface Step {
  state: string;
  rule: string;
  detail: string;
}

export interface Detached {
  reference: string;
  position: number;
  range?: [number, number];
  state: "lost" | "demoted" | "hot";
}

export interface KvCounts {
  hot: number;
  evicted: number;
  demoted: number;
  recalled: number;
  lost: number;
  pins_refused: number;
  gone?: number;
  references?: "on" | "off";
  detached?: Detached[];
}

export interface Attempt {
  purpose: string;
  alias: string;
  model: string;
  temperature: number;
  prompt_tokens: number;
  tokens?: number[] | null;
  n_tokens?: number | undefined;
  finish_reason: string;
  features?: Record<string, number>;
  gate?: { inside: boolean; why: string } | null;
  p: number | null;
  p_deep: number | null;
  threshold: number | null;
  accepts_nothing?: boolean;
  checks: Check[];
  agreement: number | null;
  verifier: string;
  p_true: number | null;
  action: string;
  reason: string;
  logits_hash?: string;
  model_digest?: string;
  cpu_s: number;
  wall_s: number;
  kv?: KvCounts;
}

export interface Citation {
  value: string;
  id: string | null;
  written_id?: string;
  quote?: string;
  resolved_by: string;
  id_agrees?: boolean;
  sentence?: string;
  source?: string;
}

export interface Passage {
  id: string;
  text?: string;
  source?: string;
  sha256?: string;
  bytes?: number;
}

export interface Match {
  id: string;
  source: string;
  text: string;
  score: number;
}

export interface RecordRef {
  id: string;
  seq: number;
  hash: string;
  anchored?: boolean;
}

// The answer's member "kedge"; the middle members are the router's. An answer of kedge_router_ask has them all.
export interface Answer {
  model?: string | null;
  alias?: string | null;
  outcome?: string;
  answer?: string | null;
  withheld?: boolean;
  reason?: string;
  task?: string;
  source?: "model" | "deterministic";
  derivation?: { kind: string; answer: string; steps: string } | null;
  confidence?: number | null;
  threshold?: number | null;
  path?: Step[];
  attempts?: Attempt[];
  checks?: Check[];
  citations?: Citation[];
  evidence?: Passage[];
  matches?: Match[];
  record?: RecordRef | null;
  kv?: KvCounts | null;
  detached?: Detached[];
  settings?: Record<string, unknown>;
  seed?: number;
  max_tokens?: number;
  ignored?: string[];
  timings?: { queue_ms: number; prefill_ms?: number; decode_ms?: number; wall_ms?: number };
  usage?: { input_tokens: number; output_tokens: number };
  cpu_s?: number;
  wall_s?: number;
  overhead_s?: number;
  compare?: Comparison;
}

export interface Comparison {
  fast: Answer;
  deep: Answer;
  routed: Answer;
  same_answer: boolean;
  cpu_ratio: Record<string, number | null>;
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details?: { cached_tokens?: number };
}

export interface ModelEntry {
  id: string;
  kedge?: { n_ctx?: number; alias?: string; aliases?: string[]; description?: string };
  [extension: string]: unknown;
}

export interface Setting {
  name: string;
  sampler: string;
  type: "float" | "int";
  default: number;
  min: number | null;
  max: number | null;
  off: number | null;
  doc: string;
}
export interface Schema {
  order: string[];
  settings: Setting[];
  policies: { name: string; evicts: boolean; doc: string }[];
}

export type TokenState = "sink" | "pinned" | "recent" | "kept" | "recalled" | "demoted" | "lost";
export interface Run {
  first: number;
  last: number;
  state: TokenState;
}
export interface SessionKv extends KvCounts {
  budget: number;
  policy: string;
  n_past: number;
  gone_ranges: [number, number][];
  detached_total: number;
  pages: { in_use: number; total: number; bytes_each: number };
  hot_bytes: number;
  cold_bytes: number;
  cold_tokens: number;
  anchors: number;
  events: number;
  tokens: Run[];
}
export interface LogEntry {
  number: number;
  event: number;
  position: number;
  why: "evict" | "demote" | "recall" | "lose" | "refuse";
  first: number;
  last: number;
  tier?: string | number;
  score?: number;
  table?: number;
}
export interface Experts {
  n_experts: number;
  n_used: number;
  layers: { tokens: number[]; n_tokens: number; margin: number; entropy: number; switch_rate: number }[];
}
export interface Sequence {
  id: string;
  model: string;
  state: string;
  tokens: number;
  kv: SessionKv | null;
  experts: Experts | null;
}
export interface EngineStats {
  running?: number;
  waiting?: number;
  sequences?: number;
  pages?: { in_use: number; total: number; reserved: number; bytes_each: number };
  memory?: { limit: number; pages: number; buffers: number; sequences: number };
}
export interface Arena {
  engines: { model: string; stats: EngineStats; prefix: Record<string, number> | null; sequences: Sequence[] }[];
}

export interface Quantiles {
  p50: number | null;
  p99: number | null;
}
export interface LiveSample {
  running: number;
  waiting: number;
  tokens_per_second: number;
  prompt_tokens_per_second: number;
  step_ms: number | null;
  kv_usage: number | null;
  weight_bytes_per_second: number | null;
  bandwidth_share?: number;
  ttft_ms: Quantiles;
  inter_token_ms: Quantiles;
}

export interface RecordRow {
  seq: number;
  id: string;
  created: string;
  hash: string;
  model: string | null;
  outcome: string;
  question: string | null;  // null: a change of the router's policy
  artifacts: number;
}
export interface RecordShown {
  seq: number;
  id: string;
  created: string;
  prev: string;
  hash: string;
  hash_checked: boolean;
  question: string;
  record: Record<string, unknown> & { kedge?: Answer };
  artifacts: { kind: string; sha256: string; bytes: number; text?: string; base64?: string }[];
}
export interface Verified {
  ok: boolean;
  records: number;
  artifacts: number;
  heads: number;
  last_hash: string;
  public_key: string;
  problems: { where: string; seq: number | null; what: string }[];
  notes: string[];
}
export interface Replayed {
  id: string;
  seq: number;
  same: boolean;
  replayed: number;
  not_generated: number;
  derivation: { kind: string; answer: string; same: boolean } | null;
  attempts: {
    model: string;
    prompt_same: boolean;
    tokens_same: boolean;
    logits_same: boolean;
    logits_hash: string;
    text: string;
    cpu_s: number;
    same: boolean;
  }[];
}
