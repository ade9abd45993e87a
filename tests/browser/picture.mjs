// picture.mjs PAGE PICTURE: the upper part of a dashboard as PNG, for the README.
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [page, picture] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
const view = await browser.newPage({ viewport: { width: 1280, height: 1120 }, colorScheme: "light", offline: true });
await view.goto(pathToFileURL(resolve(page)).href);
await view.locator(".shown [data-chart=shares] svg").waitFor();
await view.screenshot({ path: picture });
await browser.close();
