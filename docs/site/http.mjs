// Makes the reference of the HTTP API from its OpenAPI document.

import { parse } from "yaml";

const methods = ["get", "post", "put", "patch", "delete"];

/** Returns the pages, by name: one with a list of all routes, one for each tag, and one for the schemas and answers that they share. */
export function httpPages(text) {
  const api = parse(text);
  const operations = Object.entries(api.paths).flatMap(([route, item]) =>
    methods.filter((method) => item[method]).map((method) => {
      const operation = item[method];
      return { ...operation, route, method: method.toUpperCase(), parameters: [...(item.parameters ?? []), ...(operation.parameters ?? [])] };
    }));
  const tags = api.tags.map((tag) => ({ ...tag, operations: operations.filter((o) => o.tags?.[0] === tag.name) }));
  const lost = operations.filter((o) => !tags.some((tag) => tag.name === o.tags?.[0]));
  if (lost.length > 0) throw new Error(`${lost.map((o) => o.route)}: no tag of the document`);
  const find = (ref) => ref.split("/").slice(1).reduce((at, name) => at[name.replaceAll("~1", "/")], api);
  const whole = (x) => (x?.$ref ? find(x.$ref) : x);

  const pages = { "http/index.md": index(api, tags), "http/schemas.md": schemas(api, whole) };
  for (const tag of tags) {
    pages[`http/${tag.name}.md`] = [
      `# HTTP: ${tag.name}`, tag.description ?? "", ...tag.operations.map((o) => operation(o, whole)),
    ].join("\n\n");
  }
  return pages;
}

export function httpTags(text) {
  return parse(text).tags.map(({ name }) => name);
}

function index(api, tags) {
  const rows = (tag) => tag.operations.map((o) => `| [\`${o.method} ${o.route}\`](./${tag.name}.md#${anchor(o)}) | ${cell(o.summary)} |`);
  return [
    "# HTTP reference",
    "Every route, as the [OpenAPI document](/openapi.yaml){target=\"_self\"} of this version has it; a running server answers the document at `/api/auth/openapi.yaml`. " +
    "[The HTTP API](../http-api.md) tells how the routes belong together.",
    api.info.description,
    ...tags.flatMap((tag) => [`## ${tag.name}`, ["| route | what |", "|---|---|", ...rows(tag)].join("\n")]),
  ].join("\n\n");
}

const anchor = (o) => o.operationId.toLowerCase();

function operation(o, whole) {
  const out = [`## ${o.summary} {#${anchor(o)}}`, `\`${o.method} ${o.route}\``, o.description ?? ""];
  const parameters = o.parameters.map(whole);
  if (parameters.length > 0) {
    out.push(table(["parameter", "in", "type", "what"], parameters.map((p) => [`\`${p.name}\`${p.required ? "" : "?"}`, p.in, type(p.schema), p.description])));
  }
  const body = whole(o.requestBody);
  if (body) {
    out.push(`**Body**${body.required ? "" : ", optional"}: ${Object.keys(body.content ?? {}).map((kind) => `\`${kind}\``).join(", ") || "none"}. ${body.description ?? ""}`);
    out.push(contents(body.content));
  }
  const answers = Object.entries(o.responses).map(([status, answer]) => ({ status, ref: answer.$ref, ...whole(answer) }));
  out.push(table(["answer", "what", "body"], answers.map((a) => [
    a.status,
    a.ref ? `[${name(a.ref)}](./schemas.md#answer-${name(a.ref).toLowerCase()})` : a.description,
    Object.values(a.content ?? {}).map((c) => (a.ref ? "" : type(c.schema))).filter(Boolean)[0] ?? "",
  ])));
  for (const a of answers) {
    const own = Object.values(a.content ?? {})[0]?.schema;
    if (!a.ref && own?.properties) out.push(`**${a.status}**`, properties(own));
  }
  return out.filter(Boolean).join("\n\n");
}

function contents(content = {}) {
  const shown = new Map();
  for (const { schema } of Object.values(content)) {
    const text = schema?.properties ? properties(schema) : type(schema);
    if (text) shown.set(text, true);
  }
  return [...shown.keys()].join("\n\n");
}

function schemas(api, whole) {
  const out = ["# HTTP: schemas and answers", "## Schemas"];
  for (const [title, schema] of Object.entries(api.components.schemas)) {
    out.push(`### ${title} {#${title.toLowerCase()}}`, schema.description ?? "");
    out.push(schema.properties ? properties(schema) : type(schema));
    for (const part of schema.allOf ?? []) if (part.properties) out.push(properties(part));
  }
  out.push("## Answers");
  for (const [title, answer] of Object.entries(api.components.responses)) {
    out.push(`### ${title} {#answer-${title.toLowerCase()}}`, answer.description ?? "");
    const own = Object.values(answer.content ?? {})[0]?.schema;
    if (own) out.push(`Body: ${type(own)}`);
    const headers = Object.entries(answer.headers ?? {}).map(([header, h]) => [`\`${header}\``, type(whole(h).schema), whole(h).description]);
    if (headers.length > 0) out.push(table(["header", "type", "what"], headers));
  }
  return out.filter(Boolean).join("\n\n");
}

function properties(schema) {
  const required = new Set(schema.required ?? []);
  return table(["field", "type", "what"], Object.entries(schema.properties).map(([field, s]) => [
    `\`${field}\`${required.has(field) ? "" : "?"}`, type(s), s.description,
  ]));
}

const name = (ref) => ref.split("/").at(-1);

/** Describes a schema in a line. */
function type(schema) {
  if (!schema) return "";
  if (schema.$ref) return `[${name(schema.$ref)}](./schemas.md#${name(schema.$ref).toLowerCase()})`;
  const either = schema.oneOf ?? schema.anyOf;
  if (either) return either.map(type).join(" or ");
  if (schema.allOf) return schema.allOf.map(type).filter(Boolean).join(" and ");
  if (schema.type === "array") return `list of ${type(schema.items)}`;
  if (schema.enum) return schema.enum.map((value) => `\`${JSON.stringify(value)}\``).join(", ") + (schema.nullable ? " or null" : "");
  const limits = [
    schema.format, schema.minLength !== undefined && `from ${schema.minLength} characters`, schema.maxLength !== undefined && `at most ${schema.maxLength} characters`,
    schema.minimum !== undefined && `from ${schema.minimum}`, schema.maximum !== undefined && `to ${schema.maximum}`,
    schema.default !== undefined && `default \`${JSON.stringify(schema.default)}\``,
  ].filter(Boolean);
  return [schema.type ?? "any", limits.length > 0 ? ` (${limits.join(", ")})` : "", schema.nullable ? " or null" : ""].join("");
}

function table(head, rows) {
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.map((text) => cell(text ?? "")).join(" | ")} |`).join("\n");
}

const cell = (text) => String(text).trim().replaceAll("|", "\\|").replaceAll("\n", " ");
