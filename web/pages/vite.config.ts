import { defineConfig } from "vite";

// The build is committed and embedded in the binary, so it must have the same bytes on every machine: it must not depend on
// the clock, the environment or the path of the checkout.
export default defineConfig({
  base: "/auth/",
  publicDir: false,
  build: {
    // The Content-Security-Policy allows no inline scripts, and data: URLs only for images: every asset is a file.
    assetsInlineLimit: 0,
    modulePreload: false,
    license: { fileName: "licenses.md" },
    rolldownOptions: {
      // "use client" is for server rendering and has no effect here.
      onwarn: (warning, warn) => warning.code !== "MODULE_LEVEL_DIRECTIVE" && warn(warning),
    },
  },
  server: {
    host: "127.0.0.1",
    proxy: { "/api": process.env["CLOAKROOM_URL"] ?? "http://localhost:8000" },
  },
});
