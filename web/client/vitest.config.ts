import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { environment: "happy-dom", include: ["test/*.test.ts"], environmentOptions: { happyDOM: { url: "http://127.0.0.1:3000/" } } },
});
