// A server of its own for a test, a browser on it, and the checks that hold in every view.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

// The packages of the page, where check.sh or npm put them.
const packages = process.env["KEDGE_PAGE_PACKAGES"];
const require = createRequire(packages ? join(packages, "package.json") : new URL("../../tools/serve/page/package.json", import.meta.url));
const { chromium } = require("playwright-core");
const axe = require.resolve("axe-core");

const [command = "build/ci/kedge", browserPath = "/usr/bin/chromium"] = process.argv.slice(2);

export async function startServer({ flags = [], env = {} } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "kedge-page-"));
  const child = spawn(command, ["serve", "--port", "0", "--state", join(folder, "state"), "--audit", join(folder, "audit.db"),
    "--drain-lame-ms", "0", "--drain-grace-ms", "0", ...flags], { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, XDG_STATE_HOME: folder, ...env } });
  const log = [];
  const url = await new Promise((found, failed) => {
    child.on("error", failed);
    child.on("exit", (code) => failed(new Error(`kedge serve ended with ${code}:\n${log.join("\n")}`)));
    createInterface({ input: child.stderr }).on("line", (line) => {
      log.push(line);
      const event = line.startsWith("{") ? JSON.parse(line) : {};
      if (event.url) found(event.url);
    });
  });
  child.removeAllListeners("exit");
  const end = () => new Promise((done) => {
    child.on("exit", (code) => {
      rmSync(folder, { recursive: true, force: true });
      done(code);
    });
    child.kill("SIGTERM");
  });
  return { url, log, end };
}

// A page on that server. `problems` gets whatever goes wrong unseen: errors of scripts, refusals of the policy, requests
// to anywhere else. `expected`: parts of messages that belong to the test.
export async function openPage(url, { expected = [], ...options } = {}) {
  const browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox"] });
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, reducedMotion: "reduce", bypassCSP: false, ...options });
  const page = await context.newPage();
  const problems = [];
  const note = (text) => {
    if (!expected.some((part) => text.includes(part))) problems.push(text);
  };
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && note(`${message.text()} (${message.location().url})`));
  page.on("pageerror", (error) => note(`script: ${error.message}`));
  page.on("request", (request) => {
    const own = request.url().startsWith(url) || /^(data|blob):/.test(request.url());
    if (!own) note(`request to ${request.url()}`);
  });
  await page.goto(url);
  return { browser, context, page, problems };
}

// axe-core, read into the page's world past its own policy, which forbids what a test does.
export async function violations(page) {
  const { readFileSync } = await import("node:fs");
  const session = await page.context().newCDPSession(page);
  const evaluate = async (expression) => {
    const answer = await session.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (answer.exceptionDetails) throw new Error(`axe: ${answer.exceptionDetails.exception?.description}`);
    return answer.result.value;
  };
  await evaluate(readFileSync(axe, "utf8") + ";0");
  return evaluate(`axe.run(document, { resultTypes: ["violations"] }).then((r) =>
    r.violations.map((v) => v.id + ": " + v.help + " " + v.nodes.map((n) => n.target.join(" ") + " " + (n.any[0]?.message ?? "")).slice(0, 3).join(" | ")))`);
}

const failures = [];
let passed = 0;
export function check(what, good, about = "") {
  if (good) ++passed;
  else {
    failures.push(what);
    console.log(`FAILED ${what}${about === "" ? "" : `: ${typeof about === "string" ? about : JSON.stringify(about)}`}`);
  }
}

export function finish() {
  console.log(`${passed} passed, ${failures.length} failed`);
  process.exit(failures.length === 0 ? 0 : 1);
}
