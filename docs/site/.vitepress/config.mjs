import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { defineConfig } from "vitepress";
import { httpTags } from "../http.mjs";

const site = path.join(import.meta.dirname, "..");
const tags = httpTags(readFileSync(path.join(site, "../../internal/httpapi/openapi.yaml"), "utf8"));

/** A section of the sidebar. Each page is named by its file, and its title is its heading. */
function section(text, pages) {
  return { text, items: pages.map((page) => ({ text: title(page), link: existsSync(path.join(site, ".pages", page, "index.md")) ? `/${page}/` : `/${page}` })) };
}

function title(page) {
  const file = [`${page}.md`, `${page}/index.md`].map((name) => path.join(site, ".pages", name)).find(existsSync);
  if (!file) throw new Error(`the sidebar has ${page}, which is no page`);
  return readFileSync(file, "utf8").match(/^# (.*?)(?: \{#.*)?$/m)[1].replaceAll("`", "");
}

export default defineConfig({
  title: "Cloakroom",
  description: "Sign-in for single-page apps, with server-side sessions",
  lang: "en",
  srcDir: ".pages",
  outDir: "dist",
  ignoreDeadLinks: "localhostLinks",
  head: [["link", { rel: "icon", href: "/mark.svg" }]],
  markdown: {
    languageAlias: { caddyfile: "nginx" },
    theme: { light: "github-light-high-contrast", dark: "github-dark-high-contrast" },
    anchor: { slugify: anchorOf },
    config: (md) => {
      md.renderer.rules.table_open = () => '<table tabindex="0">\n'; // those that scroll must be reachable by keyboard
    },
  },
  themeConfig: {
    logo: "/mark.svg",
    nav: [
      { text: "Get started", link: "/" },
      { text: "HTTP reference", link: "/http/" },
      { text: "Changelog", link: "/changelog" },
    ],
    sidebar: [
      section("Get started", ["start/go", "start/front-end", "start/django", "start/operator", "start/administrator"]),
      section("Guides", ["providers", "second-factors", "mail", "look", "gallery", "gateway", "go", "your-data", "personal-data", "webhooks", "django", "moving"]),
      section("Reference", ["commands", "http-api", "client", "client-types", "compatibility", "revocation"]),
      { text: "HTTP reference", items: [{ text: "All routes", link: "/http/" }, ...[...tags, "schemas"].map((tag) => ({ text: tag, link: `/http/${tag}` }))] },
      section("Operations", ["install", "deploy", "architecture", "benchmarks"]),
      section("Security", ["threat-model", "device-bound-sessions", "reporting"]),
      section("Field notes and more", ["field-notes", "adr", "contributing", "changelog"]),
    ],
    outline: [2, 3],
    search: { provider: "local" },
    externalLinkIcon: true,
    footer: { message: "Apache-2.0" },
  },
});

/** The fragment that code hosts give a heading, so that links to headings work there and here. */
function anchorOf(title) {
  return title.toLowerCase().replaceAll(" ", "-").replace(/[^\p{L}\p{N}_-]/gu, "");
}
