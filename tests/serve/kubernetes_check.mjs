// The manifests of docs/examples/serve/kubernetes against the schemas of Kubernetes, of the Prometheus operator and of the
// Gateway API; objects of the Gateway API Inference Extension, which no package has, against inference_schemas.mjs.
//   npm install --no-save kubernetes-models @kubernetes-models/prometheus-operator @kubernetes-models/gateway-api js-yaml ajv
//   node tests/serve/kubernetes_check.mjs THAT_FOLDER/node_modules
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { configured, schemas } from "./inference_schemas.mjs";

const modules = resolve(process.argv[2] ?? "node_modules");
const fromModules = createRequire(join(modules, "x.js"));
const yaml = fromModules("js-yaml");
const Ajv = fromModules("ajv");
const ajv = new (Ajv.default ?? Ajv)({ strict: false });
const packages = { "monitoring.coreos.com": "@kubernetes-models/prometheus-operator", "gateway.networking.k8s.io": "@kubernetes-models/gateway-api" };
const folder = join(dirname(fileURLToPath(import.meta.url)), "../../docs/examples/serve/kubernetes");

async function model(object) {
  const [group, version] = object.apiVersion.includes("/") ? object.apiVersion.split("/") : ["", object.apiVersion];
  const place = packages[group] ?? "kubernetes-models";
  const file = ["", ".mjs", ".js"].map((end) => join(modules, place, group, version, object.kind + end)).find(existsSync);
  if (!file) throw new Error(`no schema of ${object.apiVersion} ${object.kind}`);
  const loaded = await import(pathToFileURL(file).href);
  return loaded[object.kind] ?? loaded.default[object.kind];
}

function validate(schema, object) {
  if (!ajv.validate(schema, object)) throw new Error(ajv.errorsText());
}

// An object against its schema, and what stands as text in a ConfigMap against that of its kind.
async function check(object) {
  const schema = schemas[`${object.apiVersion} ${object.kind}`];
  if (schema) validate(schema, object);
  else new (await model(object))(object).validate();
  for (const text of object.kind === "ConfigMap" ? Object.values(object.data) : []) {
    if (/^kind: EndpointPickerConfig$/m.test(text)) validate(configured, yaml.load(text));
  }
}

let passed = 0;
let failed = 0;
for (const file of readdirSync(folder).filter((name) => name.endsWith(".yaml"))) {
  for (const object of yaml.loadAll(readFileSync(join(folder, file), "utf8"))) {
    const name = `${file}: ${object.kind} ${object.metadata.name}`;
    try {
      await check(object);
      console.log(`ok ${name}`);
      ++passed;
    } catch (error) {
      console.log(`not ok ${name}: ${error.message}`);
      ++failed;
    }
  }
}
// The schemas say no where they should.
for (const [what, schema, object] of [
  ["a pool without ports", "inference.networking.k8s.io/v1 InferencePool", { spec: { selector: { matchLabels: { app: "x" } } } }],
  ["a pool with matchExpressions", "inference.networking.k8s.io/v1 InferencePool", { spec: { targetPorts: [{ number: 1 }],
    selector: { matchLabels: { app: "x" }, matchExpressions: [] } } }],
  ["an objective without a pool", "llm-d.ai/v1alpha2 InferenceObjective", { spec: { priority: 1 } }],
]) {
  const [apiVersion, kind] = schema.split(" ");
  const refused = !ajv.validate(schemas[schema], { apiVersion, kind, metadata: { name: "x" }, ...object });
  console.log(`${refused ? "ok" : "not ok"} refused: ${what}`);
  refused ? ++passed : ++failed;
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed || !passed ? 1 : 0);
