// Makes the reference of the npm package from its declarations.

import path from "node:path";
import ts from "typescript";

const entries = { "@cloakroom/client": "index", "@cloakroom/client/react": "react", "@cloakroom/client/vue": "vue", "@cloakroom/client/angular": "angular" };

/** Returns a page with every exported name of the package in a folder of declarations. */
export function typesPage(dist) {
  const files = Object.values(entries).map((entry) => path.join(dist, `${entry}.d.ts`));
  const program = ts.createProgram(files, { moduleResolution: ts.ModuleResolutionKind.Bundler, module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ESNext, noResolve: false });
  const checker = program.getTypeChecker();
  const out = [
    "# The npm package's types",
    "Every name that `@cloakroom/client` exports, by entry point. [The npm package](./client.md) says how to use them.",
  ];
  for (const [name, entry] of Object.entries(entries)) {
    const source = program.getSourceFile(path.join(dist, `${entry}.d.ts`));
    out.push(`## ${name}`);
    const symbols = checker.getExportsOfModule(checker.getSymbolAtLocation(source)).sort((a, b) => (a.name < b.name ? -1 : 1));
    if (symbols.length === 0) throw new Error(`${name} exports nothing`);
    for (const exported of symbols) {
      const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      const declarations = symbol.declarations ?? [];
      const doc = ts.displayPartsToString(symbol.getDocumentationComment(checker)).replace(/\{@link ([^}]+)\}/g, "`$1`");
      const text = declarations.map((d) => (ts.isVariableDeclaration(d) ? d.parent.parent : d).getText()).join("\n");
      out.push(`### ${exported.name} {#${entry}-${exported.name.toLowerCase()}}`, doc, `\`\`\`ts\n${text.replace(/^export (declare )?/gm, "")}\n\`\`\``);
    }
  }
  return out.filter(Boolean).join("\n\n") + "\n";
}
