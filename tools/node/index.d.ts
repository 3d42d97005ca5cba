// Types of the Node package; docs/node.md says what the parts are for.
/// <reference lib="es2022" />
/// <reference lib="esnext.disposable" />
/// <reference lib="dom" />

export type Json = unknown;
export type ErrorCode =
  | 'invalid_argument' | 'not_found' | 'corrupt' | 'unsupported' | 'capacity' | 'io' | 'cancelled' | 'internal';

/** What the library says went wrong. A call that a signal ended is rejected with the signal's reason instead. */
export class KedgeError extends Error {
  readonly code: ErrorCode;
}

export const version: string;
/** The addon that was loaded. */
export const libraryPath: string;
/** The cores this process may run on, within its cgroup's quota. */
export function defaultThreads(): number;
export function systemInfo(): Record<string, Json>;
/** Sampler settings, memory policies and cache types there are. */
export function settingsSchema(): Record<string, Json>;
/** References in a text, as the memory's detector marks them; positions are bytes of its UTF-8. */
export function detectReferences(text: string): Array<{ range: [number, number]; span: [number, number]; kind: string; strong: boolean }>;
/** Names and files of the models that are here: embedded ones and those of `kedge pull`. */
export function models(): Record<string, string>;

export type CacheType = 'f32' | 'f16' | 'q8_0' | 'q4_0';
export type Numerics = 'exact' | 'fast';

export interface ModelOptions {
  /** Tokenizer and chat template only: no sessions. */
  vocabOnly?: boolean;
  /** Default true: the file is mapped. */
  mmap?: boolean;
  onProgress?: (done: number, total: number) => void;
  signal?: AbortSignal;
}

export interface ModelInfo {
  vocabulary: number;
  contextTrained: number;
  layers: number;
  width: number;
  /** -1: none. */
  bosToken: number;
  eosToken: number;
  parameters: number;
  weightBytes: number;
  bytesPerToken: number;
  hasChatTemplate: boolean;
}

export type Message = { role: string; content?: Json; [name: string]: Json };
export type Tokens = Int32Array | readonly number[];

declare class Owner {
  /** Frees it now, not when the collector comes; in any order. */
  close(): void;
  [Symbol.dispose](): void;
}

export class Model extends Owner {
  private constructor();
  /** A file, an embedded model's name, or one of models(). */
  static open(model: string, options?: ModelOptions): Promise<Model>;
  readonly path: string;
  readonly info: ModelInfo;
  describe(plan?: SessionOptions): Record<string, Json>;
  tokenize(text: string, options?: { addBos?: boolean; parseSpecial?: boolean; exactBytes?: boolean }): Int32Array;
  detokenize(tokens: Tokens, options?: { special?: boolean }): string;
  bytes(tokens: Tokens, options?: { special?: boolean }): Uint8Array;
  chatText(messages: readonly Message[], options?: Record<string, Json>): string;
  chatTokens(messages: readonly Message[], options?: Record<string, Json>): Int32Array;
  chatFormat(): { format: string | null; reasoning: [string, string] | null; triggers: string[]; tools: boolean };
  checkConstraint(constraint: Record<string, Json>): Promise<{ bytes: number; compile_ms: number; cached: boolean }>;
}

/** A LoRA adapter or control vector. */
export class Adapter extends Owner {
  static open(model: Model, path: string): Promise<Adapter>;
  describe(): Record<string, Json>;
}

export interface SessionOptions {
  /** Positions; default: the context the model was trained with. */
  context?: number;
  threads?: number;
  chunk?: number;
  kvType?: CacheType;
  numerics?: Numerics;
  /** Memory options, "Memory" in kedge.h: {budget: '25%', policy, cold, ...}. */
  kv?: Record<string, Json>;
  adapters?: ReadonlyArray<readonly [Adapter, number?]>;
}

export interface Logprob {
  token: number;
  /** Natural logarithm, by the raw logits. */
  logprob: number;
}

/** One of these at most. */
export interface Constraints {
  jsonSchema?: Json;
  jsonObject?: boolean;
  grammar?: string;
  regex?: string;
  choice?: readonly string[];
  constraint?: Record<string, Json>;
}

/** Settings of settingsSchema(), in camelCase or as they are there; an unknown one is an error. */
export interface SamplerSettings {
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  [setting: string]: Json;
}

export interface GenerateOptions extends Constraints, SamplerSettings {
  maxTokens?: number;
  stop?: string | readonly string[];
  /** Default 0: equal calls, equal answers. */
  seed?: number | bigint;
  request?: number | bigint;
  logprobs?: number;
  ignoreEos?: boolean;
  renderSpecial?: boolean;
  logitBias?: Map<number, number> | Record<number, number>;
  samplers?: readonly string[];
  speculation?: 'ngram' | Record<string, Json>;
  draft?: Session;
  key?: string;
  weight?: number;
  deadlineMs?: number;
  signal?: AbortSignal;
  onText?: (text: string) => void;
  onToken?: (token: number, logprobs: Logprob[]) => void;
  onPrefill?: (done: number, total: number) => void;
}

export interface Result {
  text: string;
  tokens: Int32Array;
  finishReason: 'stop_token' | 'stop_string' | 'length' | 'context_full' | 'cancelled' | 'deadline';
  /** Index of the stop string met, or -1. */
  stopIndex: number;
  promptTokens: number;
  prefillMs: number;
  decodeMs: number;
  cpuSeconds: number;
  /** It ended where its constraint's text is not whole. */
  unfinished: boolean;
  logprobs?: Logprob[][];
  settings: Record<string, Json>;
  kv: Record<string, Json>;
  speculation: Record<string, Json> | null;
}

/** Iterating it gives text as it becomes certain; result() the whole answer. A loop that is left early ends it. */
export class Generation implements AsyncIterable<string> {
  private constructor();
  [Symbol.asyncIterator](): AsyncIterator<string>;
  result(): Promise<Result>;
  close(): Promise<void>;
}

export class Checkpoint extends Owner {
  private constructor();
}

/** One text and what the model made of it. One call at a time: a second one is an error, not a queue. */
export class Session extends Owner {
  private constructor();
  static create(model: Model, options?: SessionOptions): Promise<Session>;
  static load(model: Model, path: string, options?: SessionOptions): Promise<Session>;
  readonly model: Model;
  readonly info: { context: number; threads: number; past: number; vocabulary: number; kvBytes: number; scratchBytes: number };
  readonly tokens: Int32Array;
  readonly logits: Float32Array;
  eval(text: string | Tokens, options?: { signal?: AbortSignal }): Promise<void>;
  generate(prompt?: string | Tokens, options?: GenerateOptions): Generation;
  chat(messages: readonly Message[], options?: ChatOptions): Chat;
  save(path: string): Promise<void>;
  kv(): Record<string, Json>;
  kvLog(from?: number): Array<Record<string, Json>>;
  recall(what: Record<string, Json>): { recalled: number; missing: number };
  addSegments(segments: ReadonlyArray<Record<string, Json>>): { accepted: number; refused: Json[] };
  truncate(n: number): void;
  fork(): Session;
  checkpoint(): Checkpoint;
  rollback(checkpoint: Checkpoint): void;
}

export interface ChatOptions extends GenerateOptions {
  tools?: ReadonlyArray<Record<string, Json>>;
  toolChoice?: 'auto' | 'none' | 'required' | Record<string, Json>;
  parallelToolCalls?: boolean;
  /** Options of the model's template: {enable_thinking: false, ...}. */
  template?: Record<string, Json>;
}

export type ChatEvent =
  | { content: string } | { reasoning: string }
  | { call: number; name: string; id: string | null } | { call: number; arguments: string } | { call: number; end: true };

export interface ToolCall {
  name: string;
  /** JSON text. */
  arguments: string;
  id: string | null;
  complete: boolean;
}

export interface Reply {
  content: string;
  reasoning: string;
  toolCalls: ToolCall[];
  result: Result;
  /** For the messages of the next turn. */
  message(): Message;
}

export class Chat implements AsyncIterable<ChatEvent> {
  private constructor();
  [Symbol.asyncIterator](): AsyncIterator<ChatEvent>;
  reply(): Promise<Reply>;
  close(): Promise<void>;
}

export class ChatReader extends Owner {
  constructor(model: Model, options?: Record<string, Json>);
  push(text: string, options?: { end?: boolean }): ChatEvent[];
}

export interface EngineOptions {
  threads?: number;
  sequences?: number;
  /** Bytes for pages and buffers; 0: room for `sequences` contexts. */
  memory?: number | bigint;
  stepTokens?: number;
  stepMs?: number;
  waiting?: number;
  defaultTokens?: number;
  kvType?: CacheType;
  numerics?: Numerics;
  spill?: string;
}

/** Many sessions of one model in common steps. */
export class Engine extends Owner {
  private constructor();
  static create(model: Model, options?: EngineOptions): Promise<Engine>;
  readonly model: Model;
  session(options?: SessionOptions): Session;
  loadSession(path: string): Promise<Session>;
  embed(text: string | Tokens, options?: {
    pooling?: 'model' | 'none' | 'mean' | 'cls' | 'last'; normalise?: boolean; key?: string; deadlineMs?: number; signal?: AbortSignal;
  }): Promise<Float32Array>;
  stats(): Record<string, Json>;
}

export interface AskOptions {
  signal?: AbortSignal;
  onEvent?: (event: AskEvent) => void;
  /** Events with the text of attempts while they are written, before they are checked. */
  stream?: boolean;
  /** The others of kedge_router_ask: evidence, grounding, index, schema, tools, min_confidence, seed, ... */
  [member: string]: Json;
}

export interface AskEvent {
  state: string;
  rule?: string;
  detail?: string;
  attempt?: number;
  text?: string;
  [member: string]: Json;
}

export interface RoutedAnswer {
  outcome: 'answered' | 'not_found' | 'low_confidence' | 'failed';
  answer: string | null;
  confidence: number | null;
  [member: string]: Json;
}

/** Awaiting it gives the answer, iterating it the steps on the way. */
export class Answer implements PromiseLike<RoutedAnswer>, AsyncIterable<AskEvent> {
  private constructor();
  answer(): Promise<RoutedAnswer>;
  then: Promise<RoutedAnswer>['then'];
  catch: Promise<RoutedAnswer>['catch'];
  finally: Promise<RoutedAnswer>['finally'];
  close(): Promise<void>;
  [Symbol.asyncIterator](): AsyncIterator<AskEvent>;
}

/** A pool of models behind one question; they are loaded when they are first asked. */
export class Router extends Owner {
  private constructor();
  static open(path?: string, overrides?: Record<string, Json>): Promise<Router>;
  ask(question: string | readonly Message[], options?: AskOptions): Answer;
  replay(record?: string | number): Promise<Record<string, Json>>;
  swap(request: Record<string, Json>): Promise<Record<string, Json>>;
  configure(patch: Record<string, Json>): Promise<Record<string, Json>>;
  state(): Record<string, Json>;
  models(): Array<Record<string, Json>>;
  engine(alias: string): Promise<{ model: Model; engine: Engine }>;
}

type Call = (request: Record<string, Json>) => Promise<Record<string, Json>>;
export function indexBuild(request: Record<string, Json>, options?: { onProgress?: (done: number, total: number) => void }): Promise<Record<string, Json>>;
export const indexSearch: Call;
export function indexInfo(index: string): Promise<Record<string, Json>>;
export function auditList(db: string, more?: Record<string, Json>): Promise<Record<string, Json>>;
export function auditShow(db: string, record?: string): Promise<Record<string, Json>>;
export function auditVerify(db: string, more?: Record<string, Json>): Promise<Record<string, Json>>;
/** Records as JSON Lines. */
export function auditExport(db: string, more?: Record<string, Json>): Promise<string>;
export const calibrate: Call;
export const routeReport: Call;
export const calibratorApply: Call;
export function checkAnswer(answer: string, more?: Record<string, Json>): Promise<Record<string, Json>>;
