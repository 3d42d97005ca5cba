// One script, one style sheet, one document, under names that stay: the server tells them apart by ETag.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { defineConfig } from "vite";

// THIRD_PARTY.txt: the licence of every package whose code is in the script.
function licences() {
  return {
    name: "licences",
    generateBundle(_, bundle) {
      const packages = new Map();
      for (const chunk of Object.values(bundle)) {
        for (const id of chunk.moduleIds ?? []) {
          const inside = /^(.*\/node_modules\/((?:@[^/]+\/)?[^/]+))\//.exec(id);
          if (inside) packages.set(inside[2], inside[1]);
        }
      }
      const texts = [...packages.keys()].sort().map((name) => {
        const about = JSON.parse(readFileSync(join(packages.get(name), "package.json"), "utf8"));
        let text = "";
        for (const file of ["LICENSE", "LICENSE.md", "LICENSE.txt", "LICENCE", "license"]) {
          try {
            text = readFileSync(join(packages.get(name), file), "utf8").trim();
            break;
          } catch {}
        }
        if (!text && name === "@preact/signals-core") {
          text = readFileSync(join(dirname(packages.get(name)), "signals", "LICENSE"), "utf8").trim();
        }
        if (!text) this.error(`${name} ${about.version}: no licence text found`);
        return `${name} ${about.version} (${about.license})\n\n${text.replaceAll("\r\n", "\n")}\n`;
      });
      const source = "The page of kedge serve contains code of these packages.\n\n" + texts.join(`\n${"-".repeat(80)}\n\n`);
      this.emitFile({ type: "asset", fileName: "third-party.txt", source });
    },
  };
}

export default defineConfig({
  base: "/",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: false,
    cssCodeSplit: false,
    assetsInlineLimit: 100000,
    reportCompressedSize: true,
    rolldownOptions: {
      output: {
        entryFileNames: "app.js",
        chunkFileNames: "[name].js",
        assetFileNames: (asset) => (asset.names[0]?.endsWith(".css") ? "app.css" : "[name][extname]"),
        codeSplitting: false,
      },
    },
  },
  plugins: [licences()],
  server: { proxy: { "/v1": "http://127.0.0.1:8080", "/props": "http://127.0.0.1:8080" } },
});
