// Validates the AsyncAPI document on standard input with the official parser; prints what it finds wrong.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(readFileSync(0, "utf8"));
const errors = diagnostics.filter((found) => found.severity === 0);
for (const { path, message } of errors) console.error(`${path.join(".")}: ${message}`);
console.log(document ? document.messages().length : 0);
process.exit(document && errors.length === 0 ? 0 : 1);
