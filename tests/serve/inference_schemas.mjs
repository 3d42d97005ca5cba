// What objects of the Gateway API Inference Extension may have: InferencePool (inference.networking.k8s.io/v1, stable),
// InferenceObjective (llm-d.ai/v1alpha2, where it moved to in 2026) and the picker's configuration as far as examples use it.
const name = { type: "string", minLength: 1, maxLength: 253 };
const port = object({ number: { type: "integer", minimum: 1, maximum: 65535 } }, ["number"]);

function object(properties, required = []) {
  return { type: "object", additionalProperties: false, properties, required };
}
const manifest = (apiVersion, kind, spec) => object({
  apiVersion: { const: apiVersion }, kind: { const: kind }, metadata: { type: "object", required: ["name"] }, spec,
}, ["apiVersion", "kind", "metadata", "spec"]);

const labels = { type: "object", minProperties: 1, maxProperties: 64, additionalProperties: { type: "string", maxLength: 63 } };
const pool = object({
  selector: object({ matchLabels: labels }, ["matchLabels"]),
  targetPorts: { type: "array", minItems: 1, maxItems: 8, uniqueItems: true, items: port },
  appProtocol: { enum: ["http", "kubernetes.io/h2c"] },
  endpointPickerRef: object({ group: { type: "string" }, kind: name, name, port, failureMode: { enum: ["FailOpen", "FailClose"] } }, ["name", "port"]),
}, ["selector", "targetPorts"]);
const objective = object({
  priority: { type: "integer", minimum: -(2 ** 31), maximum: 2 ** 31 - 1 },
  poolRef: object({ group: name, kind: name, name }, ["name"]),
}, ["poolRef"]);

export const schemas = {
  "inference.networking.k8s.io/v1 InferencePool": manifest("inference.networking.k8s.io/v1", "InferencePool", pool),
  "llm-d.ai/v1alpha2 InferenceObjective": manifest("llm-d.ai/v1alpha2", "InferenceObjective", objective),
};

const metric = { type: "string", pattern: "^[a-zA-Z_:][a-zA-Z0-9_:]*(\\{.*\\})?$" };
const engine = object({ name, queuedRequestsSpec: metric, runningRequestsSpec: metric, kvUsageSpec: metric },
  ["name", "queuedRequestsSpec", "runningRequestsSpec", "kvUsageSpec"]);
export const configured = object({
  apiVersion: { const: "llm-d.ai/v1alpha1" }, kind: { const: "EndpointPickerConfig" },
  plugins: { type: "array", minItems: 1, items: object({ type: name, name, parameters: object({
    defaultEngine: name, engineLabelKey: name, engineConfigs: { type: "array", items: engine } }) }, ["type"]) },
  schedulingProfiles: { type: "array", minItems: 1, items: object({ name, plugins: { type: "array", items:
    object({ pluginRef: name, weight: { type: "number", exclusiveMinimum: 0 } }, ["pluginRef"]) } }, ["name", "plugins"]) },
}, ["apiVersion", "kind", "plugins", "schedulingProfiles"]);
