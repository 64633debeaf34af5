// Draws the pictures of docs/gallery.md: three looks, in two languages and on two sizes. Run it with `bash e2e/run.sh gallery.mjs`.

import { mkdir } from "node:fs/promises";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { checkAccessible } from "./lib/axe.mjs";
import { openPage, startBrowser } from "./lib/browser.mjs";
import { admin, startServer } from "./lib/server.mjs";

const folder = fileURLToPath(new URL("../docs/gallery/", import.meta.url));
const file = (name) => fileURLToPath(new URL(`looks/${name}`, import.meta.url));

const looks = {
  plain: [],
  hat: ["--name", "Hat & Co", "--accent", "#7a1fa2", "--logo", file("hat.svg"), "--style", file("hat.css"), "--link-help", "/help", "--link-privacy", "/privacy"],
  owl: ["--name", "Night Owl", "--accent", "#0b5394", "--logo", file("owl.svg"), "--style", file("owl.css"), "--link-terms", "/terms", "--link-privacy", "/privacy"],
};
// The theme of each size: both are seen.
const sizes = {
  desktop: { viewport: { width: 1000, height: 720 }, colorScheme: "light" },
  phone: { viewport: { width: 390, height: 780 }, colorScheme: "dark" },
};
const languages = {
  en: { locale: "en-GB", signIn: "Sign in", login: "Username or e-mail", password: "Password", account: "Your account" },
  de: { locale: "de-DE", signIn: "Anmelden", login: "Benutzername oder E-Mail", password: "Passwort", account: "Dein Konto" },
};

for (const [look, flags] of Object.entries(looks)) {
  test(look, async (t) => {
    await mkdir(folder, { recursive: true });
    const server = await startServer(t, flags);
    await server.makeAdmin();
    const browser = await startBrowser(t);
    for (const [language, words] of Object.entries(languages)) {
      for (const [size, { viewport, colorScheme }] of Object.entries(sizes)) {
        const page = await openPage(t, browser, { locale: words.locale, viewport, colorScheme });
        const draw = async (name) => {
          await checkAccessible(page, `${look}, ${name}`);
          await page.evaluate(() => scrollTo(0, 0));
          await page.screenshot({ path: `${folder}${look}-${name}-${language}-${size}.png`, caret: "hide" });
        };
        await page.goto(`${server.url}/signin`);
        await page.getByRole("heading", { name: words.signIn }).waitFor();
        await draw("signin");
        await page.getByLabel(words.login).fill(admin.username);
        await page.getByLabel(words.password, { exact: true }).fill(admin.password);
        await page.getByRole("button", { name: words.signIn, exact: true }).click();
        await page.getByRole("heading", { name: words.account }).waitFor();
        await page.getByText("Chrome").first().waitFor();
        await draw("account");
      }
    }
  });
}
