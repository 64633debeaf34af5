import { defineConfig } from "vite";

// The built files are committed and embedded in the binary, so a build has to
// give the same bytes on every machine: nothing here depends on the clock, the
// environment or the path of the checkout.
export default defineConfig({
  base: "/auth/",
  publicDir: false,
  build: {
    // The pages' Content-Security-Policy allows no inline script and no data:
    // URL but for images; files of their own keep it that way.
    assetsInlineLimit: 0,
    modulePreload: false,
    license: { fileName: "licenses.md" },
    rolldownOptions: {
      // "use client" means something to a server that renders, and nothing here.
      onwarn: (warning, warn) => warning.code !== "MODULE_LEVEL_DIRECTIVE" && warn(warning),
    },
  },
  server: {
    host: "127.0.0.1",
    proxy: { "/api": process.env["CLOAKROOM_URL"] ?? "http://localhost:8000" },
  },
});
