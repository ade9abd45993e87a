// Opens every page of the folder VIEWMART_PAGES in Chromium and holds it to what it promises.
// `numbers.json` and `run.json` beside the pages of those names hold what SQL says about the same warehouse.
import assert from "node:assert/strict";
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const folder = process.env.VIEWMART_PAGES;
const pages = readdirSync(folder).filter((name) => name.endsWith(".html")).map((name) => name.slice(0, -5));
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let browser;
before(async () => {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
});
after(() => browser?.close());

/** Opens a page offline, gives it to `look`, and fails on any message, dialog or request but the page itself. */
async function visit(name, options, look) {
  const url = pathToFileURL(join(folder, `${name}.html`)).href;
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, offline: true, ...options });
  try {
    const page = await context.newPage();
    const noise = [];
    page.on("console", (message) => noise.push(`${message.type()}: ${message.text()}`));
    page.on("pageerror", (error) => noise.push(`error: ${error.message}`));
    page.on("dialog", (dialog) => { noise.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
    page.on("request", (request) => { if (request.url() !== url && !request.url().startsWith("data:,")) noise.push(`request: ${request.url()}`); });
    await page.goto(url);
    const result = await look(page);
    assert.deepEqual(noise, []);
    return result;
  } finally {
    await context.close();
  }
}

/** In the page: labels of charts that leave their chart, cover one another or stand twice on one axis. */
function badText() {
  const bad = [];
  for (const chart of document.querySelectorAll(".shown [data-chart]")) {
    const frame = chart.getBoundingClientRect();
    const labels = [...chart.querySelectorAll("svg text")].map((label) => ({ text: label.textContent, box: label.getBoundingClientRect() }));
    for (const [at, { text, box }] of labels.entries()) {
      const say = (what) => bad.push(`${chart.dataset.chart}: ${text} ${what}`);
      if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 2 || box.bottom > frame.bottom + 2) say("leaves the chart");
      for (const other of labels.slice(0, at)) {
        const width = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left);
        const height = Math.min(box.bottom, other.box.bottom) - Math.max(box.top, other.box.top);
        if (width > 1 && height > 4) say(`covers ${other.text}`);
        const onAxis = Math.abs(box.right - other.box.right) < 1 && box.left < frame.left + 60 && Math.abs(box.top - other.box.top) < 300;
        if (onAxis && text === other.text && chart.dataset.chart === "daily") say("stands twice on its axis");
      }
    }
  }
  return bad;
}

const clean = (text) => text.replace(/\s+/g, " ").trim();

describe("every page", () => {
  assert.ok(pages.length >= 7, `pages in ${folder}: ${pages}`);
  for (const name of pages) {
    test(`${name}: one small file`, () => {
      const file = join(folder, `${name}.html`);
      assert.ok(statSync(file).size < 1_000_000, "under 1 MB");
    });
    for (const [width, colorScheme] of [[360, "dark"], [390, "light"], [768, "light"], [1101, "dark"], [1280, "light"], [1440, "dark"], [1440, "light"], [1920, "light"]]) {
      test(`${name}: ${width} px, ${colorScheme}`, () =>
          visit(name, { viewport: { width, height: 900 }, colorScheme }, async (page) => {
            assert.equal(await page.evaluate(() => document.documentElement.dataset.ready), "", "the script ran to its end");
            const seen = await page.evaluate(() => ({
              width: document.documentElement.scrollWidth,
              // On a phone the shares of the overlap may scroll, on a screen nothing.
              scrolled: [...document.querySelectorAll(innerWidth >= 1280 ? ".scroll > table"
                : `.shown [data-table^=taste], [data-table=months]${innerWidth < 760 ? "" : ", .shown [data-table^=overlap]"}`)]
                .filter(({ parentElement: frame }) => frame.scrollWidth > frame.clientWidth).map((table) => table.dataset.table),
              frames: [...document.querySelectorAll(".shown [data-chart]")].map((frame) => frame.querySelectorAll("svg path, svg text").length),
              foreign: document.querySelectorAll("img, iframe, object, embed, svg [onload], [onerror], [onclick]").length,
              references: [...document.querySelectorAll("[src], [href], [srcset], [action], [poster]")]
                .map((element) => element.getAttribute("src") ?? element.getAttribute("href") ?? element.outerHTML)
                .filter((to) => !to.startsWith("#") && to !== "data:,"),
              background: getComputedStyle(document.body).backgroundColor,
              title: document.title,
            }));
            assert.ok(seen.width <= width, `nothing but tables scrolls sideways: ${seen.width} px`);
            assert.deepEqual(seen.scrolled, [], "these tables fit without a scrollbar");
            assert.ok(seen.frames.every((shapes) => shapes >= 3), `every chart is drawn: ${seen.frames}`);
            assert.equal(seen.foreign, 0);
            assert.deepEqual(seen.references, [], "nothing outside the page is referred to");
            assert.match(seen.title, /^TV viewing/);
            assert.deepEqual(await page.evaluate(badText), [], "every label can be read");
            const dark = Number(seen.background.match(/\d+/)[0]) < 128;
            assert.equal(dark, colorScheme === "dark");
            const picture = await page.screenshot({ fullPage: true });
            assert.ok(picture.length > 8_000, `the picture is not empty: ${picture.length} bytes`);
            writeFileSync(join(folder, `${name}-${width}-${colorScheme}.png`), picture);
          }));
    }
    for (const colorScheme of ["light", "dark"]) {
      test(`${name}: no serious finding of axe, ${colorScheme}`, () =>
        visit(name, { colorScheme }, async (page) => {
          await page.evaluate(axe);
          const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
          const serious = violations.filter((found) => ["serious", "critical"].includes(found.impact));
          assert.deepEqual(serious.map((found) => `${found.id}: ${found.nodes.slice(0, 3).map((node) => node.html.slice(0, 120))}`), []);
        }));
    }
    test(`${name}: prints`, () =>
      visit(name, { colorScheme: "dark" }, async (page) => {
        const pdf = await page.pdf({ preferCSSPageSize: true, printBackground: true });
        writeFileSync(join(folder, `${name}.pdf`), pdf);
        const n_pages = pdf.toString("latin1").match(/\/Type\s*\/Page\b/g)?.length ?? 0;
        assert.ok(n_pages >= 1 && n_pages <= 8, `${n_pages} pages`);
        // The charts fit the width of the paper as a whole.
        const cut = await page.evaluate(() => {
          dispatchEvent(new Event("beforeprint"));
          return [...document.querySelectorAll(".shown [data-chart] svg")]
            .filter((svg) => svg.viewBox.baseVal.width > 780 || svg.getBBox().width > svg.viewBox.baseVal.width + 4)
            .map((svg) => `${svg.closest("[data-chart]").dataset.chart}: ${svg.getBBox().width} of ${svg.viewBox.baseVal.width}`);
        });
        assert.deepEqual(cut, []);
        await page.emulateMedia({ media: "print" });
        assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), "rgb(255, 255, 255)", "paper is white");
      }));
    test(`${name}: readable without scripts`, () =>
      visit(name, { javaScriptEnabled: false }, async (page) => {
        assert.equal(await page.locator("[data-chart]:visible").count(), 0);
        assert.ok((await page.locator("article.month:visible").count()) <= 1);
        assert.equal(await page.locator("h1:visible").count(), 1);
      }));
  }
});

describe("use", () => {
  test("months are chosen from the keyboard", () =>
    visit("full", {}, async (page) => {
      assert.deepEqual(await page.locator("article:visible h2").allTextContents(), ["April 2022"]);
      await page.locator("header.top nav a", { hasText: "March 2022" }).focus();
      await page.keyboard.press("Enter");
      await page.waitForFunction(() => document.querySelector("#m2022-03 svg"));
      assert.deepEqual(await page.locator("article:visible h2").allTextContents(), ["March 2022"]);
      assert.equal(await page.locator("header.top a[aria-current]").textContent(), "March 2022");
      await page.goBack();
      assert.deepEqual(await page.locator("article:visible h2").allTextContents(), ["April 2022"]);
    }));

  test("tables open from the keyboard, a section keeps its month, colours switch", () =>
    visit("full", {}, async (page) => {
      assert.equal(await page.locator("[data-table=days]:visible").count(), 0);
      await page.locator("article:visible summary").first().focus();
      await page.keyboard.press("Enter");
      assert.equal(await page.locator("[data-table=days]:visible").count(), 1);
      await page.locator("header.top nav a", { hasText: "March 2022" }).click();
      await page.locator("article:visible .jump a", { hasText: "Taste" }).click();
      assert.deepEqual(await page.locator("article:visible h2").allTextContents(), ["March 2022"]);
      const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      const light = await background();
      await page.locator("#theme").click();
      assert.notEqual(await background(), light);
    }));

  for (const name of ["full", "run"]) test(`${name}: charts say what the tables say`, () =>
    visit(name, {}, async (page) => {
      const labels = await page.locator(".shown [data-chart=reach] svg text").allTextContents();
      const table = await page.locator(".shown [data-table=categories] tbody tr td:nth-child(2)").allTextContents();
      assert.deepEqual(labels.filter((label) => /\d/.test(label)).sort(), table.map(clean).sort());
      const cells = await page.locator(".shown [data-table=categories] tbody tr :is(td:nth-child(3), td:nth-child(5))").allTextContents();
      const shares = await page.locator(".shown [data-chart=shares] svg text").allTextContents();
      assert.deepEqual(shares.filter((label) => label.includes("%")).sort(), cells.map(clean).sort());
      const top = (await page.locator(".shown [data-chart=heaviest] svg text").allTextContents()).join(" ");
      for (const hours of await page.locator(".shown [data-table=top] tbody td:nth-child(3)").allTextContents()) {
        assert.ok(top.includes(`${hours} h`), `${hours} in ${top}`);
      }
      await page.locator(".shown [data-chart=daily]").hover({ position: { x: 300, y: 120 } });
      assert.match(await page.locator(".shown [data-chart=daily] .tip").textContent(), /\d Apr.*customers/);
    }));

  test("markup in names is text", () =>
    visit("hostile", {}, async (page) => {
      const names = await page.locator(".shown [data-table=top] bdi").allTextContents();
      assert.equal(names[0], "</script><img src=x onerror=\"document.title='run'\">");
      assert.equal(names[3], "⟨U+202E⟩drawkcab⟨U+202C⟩");
      assert.equal(names[6], " A1 ");
      assert.equal(names[7], "a⟨U+0000⟩b⟨U+0009⟩c⟨U+000A⟩d");
      for (const chart of ["heaviest", "daily", "bands"]) {
        await page.locator(`.shown [data-chart=${chart}]`).hover();
      }
      assert.equal(await page.title(), "TV viewing, April 2022");
      assert.match(await page.locator(".shown [data-table=top] tbody td").nth(1).textContent(), /^277,777,778$/);
    }));

  test("a masked page holds no contract", () => {
    const html = readFileSync(join(folder, "masked.html"), "utf8");
    const plain = readFileSync(join(folder, "full.html"), "utf8");
    assert.ok(plain.includes("HNFCN0001") && plain.includes("HND"));
    assert.doesNotMatch(html, /HND\d|HNFCN0001|PAYTV/);
    assert.match(html, /m-[0-9a-f]{16}/);
  });

  test("many months: those that fit can be opened, all have a line", () =>
    visit("many", {}, async (page) => {
      const n_links = await page.locator("header.top nav a").count();
      assert.ok(n_links >= 6, `${n_links} months`);
      assert.equal(await page.locator("article.month").count(), n_links);
      assert.equal(await page.locator("[data-table=months] tbody tr").count(), 30);
    }));
});

// What a cell must read, by its kind; written here a second time on purpose.
const grouped = (number) => String(number < 0n ? -number : number).replace(/\B(?=(\d{3})+$)/g, ",");
function quotient(numerator, denominator, decimals) {
  const scale = 10n ** BigInt(decimals);
  if (denominator === 0n) return quotient(0n, 1n, decimals);
  const magnitude = numerator < 0n ? -numerator : numerator;
  const rounded = (2n * scale * magnitude + denominator) / (2n * denominator);
  const sign = numerator < 0n && rounded > 0n ? "−" : "";
  return sign + grouped(rounded / scale) + (decimals ? `.${String(rounded % scale).padStart(decimals, "0")}` : "");
}
const kinds = {
  text: (text) => clean(text),
  count: (n) => grouped(BigInt(n)),
  hours: (n) => (n > 0 && n < 180 ? "< 0.1" : quotient(BigInt(n), 3600n, Math.abs(n) < 3_600_000 ? 1 : 0)),
  tenths: (n, of) => quotient(BigInt(n), BigInt(of), 1),
  whole: (n, of) => quotient(BigInt(n), BigInt(of), 0),
  percent: (n, of) => {
    const text = quotient(100n * BigInt(n), BigInt(of), 1);
    if (text === "100.0" && n < of) return "> 99.9 %";
    return text === "0.0" && n > 0 ? "< 0.1 %" : `${text} %`;
  },
};
const read = ([kind, ...values]) => kinds[kind](...values);

// A change: of numbers in percent, of shares in points of percent.
function change([kind, ...now], [, ...before]) {
  const [a, b, c, d] = [now[0], now[1] ?? 1, before[0], before[1] ?? 1].map(BigInt);
  const text = kind === "percent" ? quotient(100n * (a * d - c * b), b * d, 1) : quotient(100n * (a * d - c * b), c * b, 1);
  const sign = text === "0.0" ? "±" : text.startsWith("−") ? "" : "+";
  return `${sign}${text} ${kind === "percent" ? "points" : "%"}`;
}

/** Rows of a table as text, without the cells that only draw. */
const rowsOf = (tables) => tables.map((table) => [
  table.dataset.table.replace(/-more$/, ""),
  [...table.tBodies[0].rows].map((row) => [...row.cells].filter((cell) => !cell.ariaHidden).map((cell) => cell.textContent)),
]);

describe("numbers", () => {
  for (const name of ["numbers", "run"]) {
    const months = JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8"));
    const names = Object.keys(months).sort();
    for (const javaScriptEnabled of [true, false]) {
      const how = javaScriptEnabled ? "with scripts" : "without scripts";
      for (const [at, month] of names.entries()) {
        const { tiles, tables } = months[month];
        const before = months[names[at - 1]];
        test(`${name}, ${month}: tiles and tables are what SQL says, ${how}`, () =>
          visit(name, { javaScriptEnabled }, async (page) => {
            await page.locator("header.top nav a").and(page.locator(`[href="#m${month}"]`)).click();
            const article = page.locator(`#m${month}`);
            const shown = await article.locator("[data-tile]").evaluateAll((tiles) => tiles.map((tile) => {
              const text = (selector) => tile.querySelector(selector)?.textContent ?? "";
              return [tile.dataset.tile, text(".big").slice(0, text(".big").length - text(".big small").length), text(".small"), text(".change")];
            }));
            assert.deepEqual(shown.map(([tile]) => tile).sort(), Object.keys(tiles).sort());
            for (const [tile, big, small, changed] of shown) {
              const [number, below, basis = number] = tiles[tile];
              assert.equal(clean(big), read(number), tile);
              if (below[0] !== "any") assert.ok(` ${clean(small)} `.includes(` ${read(below)} `), `${tile}: ${small}, not ${read(below)}`);
              const wanted = before ? change(basis, before.tiles[tile][2] ?? before.tiles[tile][0]) : "";
              assert.equal(clean(changed).replace(/^[▲▼] /, "").replace(/ (per day )?vs .*$/, ""), wanted, tile);
            }
            const found = {};
            for (const [title, rows] of await article.locator("[data-table]").evaluateAll(rowsOf)) {
              found[title] = [...(found[title] ?? []), ...rows.map((row) => row.map(clean))];
            }
            // What became of the customers, apps, audiences, days that stand out and warnings are counted by other tests.
            const others = ["moved", "moved-categories", "moved-days", "moved-taste", "category-apps", "audiences", "audience-overlap", "shared", "top-others", "odd-days"];
            assert.deepEqual(Object.keys(found).filter((title) => !others.includes(title)).sort(), Object.keys(tables).sort());
            for (const [title, rows] of Object.entries(tables)) {
              const wanted = rows.map((row, i) => row.map((cell, k) => (cell[0] === "any" ? found[title][i]?.[k] : read(cell))));
              assert.deepEqual(found[title], wanted, title);
            }
          }));
      }
      test(`${name}: the table of months is what SQL says, ${how}`, () =>
        visit(name, { javaScriptEnabled }, async (page) => {
          const found = await page.locator("[data-table=months]").evaluateAll(rowsOf);
          const wanted = names.map((month, at) => {
            const [users, hours, days, records, aDay] = months[month].line;
            const before = months[names[at - 1]]?.line;
            const since = (i) => (before ? change(months[month].line[i], before[i]) : "");
            return [read(users), since(0), read(hours), read(aDay), since(4), read(days), read(records)];
          });
          assert.deepEqual(found.flatMap(([, rows]) => rows.map((row) => row.slice(1).map(clean))), wanted.reverse());
        }));
    }
  }
});
