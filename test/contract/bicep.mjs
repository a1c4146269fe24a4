// Prints the syntax trees of Bicep files as JSON: for each its path, whether it has an error, and its nodes as
// {type, text, children}.
// usage: node bicep.mjs FILE…
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Language, Parser } from "web-tree-sitter";

await Parser.init();
const parser = new Parser();
const grammar = new URL("node_modules/tree-sitter-bicep/tree-sitter-bicep.wasm", import.meta.url);
parser.setLanguage(await Language.load(fileURLToPath(grammar)));

function plain(node) {
  return { type: node.type, text: node.text, children: node.namedChildren.map(plain) };
}

const files = process.argv.slice(2).map((path) => {
  const root = parser.parse(readFileSync(path, "utf8")).rootNode;
  return { path, broken: root.hasError, root: plain(root) };
});
process.stdout.write(JSON.stringify(files));
