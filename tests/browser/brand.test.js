// The page in the operator's colours, and in a page of the operator's own: as sound as ours.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { browser, create, crowded, inspect, number, open, shows, upload, waitPage } from "./room.js";

const logo =
  "data:image/svg+xml;base64," +
  Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 24" width="240" height="48"><rect width="120" height="24" rx="4" fill="#b3261e"/><text x="60" y="17" font-size="14" text-anchor="middle" fill="#fff">AURORA</text></svg>').toString("base64");
const brand = { accent: "#b3261e", logo, logo_alt: "Aurora", link: { url: "https://shop.example/help", text: "Questions and answers" } };
const template = readFileSync(new URL("../../examples/page/aurora.html", import.meta.url), "utf8");
const looks = {
  "en-desk": { locale: "en-GB", viewport: { width: 1280, height: 900 } },
  "ko-phone-dark": { locale: "ko-KR", viewport: { width: 360, height: 740 }, colorScheme: "dark", reducedMotion: "reduce" },
};
const colour = (locator, property) => locator.evaluate((element, name) => getComputedStyle(element)[name], property);

test("in the operator's colours, with logo and link, the page is as sound as ours", async (t) => {
  const makeWay = await crowded("branded", 2, { brand, message: "Doors open at 19:00." });
  const opened = await browser(t);
  const accents = { "en-desk": "rgb(179, 38, 30)" };
  for (const [look, options] of Object.entries(looks)) {
    const page = await open(await opened.newContext(options), waitPage("branded"));
    await shows(page, "waiting");
    assert.ok(await page.locator("#logo").evaluate((image) => image.complete && image.naturalWidth > 0), "the logo is shown");
    assert.equal(await page.getByRole("link", { name: "Questions and answers" }).getAttribute("target"), "_blank");
    const link = page.locator("#link a");
    if (accents[look]) assert.equal(await colour(link, "color"), accents[look]);
    else assert.notEqual(await colour(link, "color"), accents["en-desk"], "lighter in the dark");
    await inspect(page, `brand-${look}-waiting`);
  }
  const plain = await open(await opened.newContext(looks["ko-phone-dark"]), waitPage("branded", "?mode=plain"));
  await shows(plain, "outside");
  await inspect(plain, "brand-plain-ko-phone-dark-outside");
  await makeWay();
});

test("in a page of the operator's own the room works as it does in ours", async (t) => {
  const makeWay = await crowded("own", 1, { brand: { accent: "#3b1a6e" } });
  await upload("own", template);
  const opened = await browser(t);
  const pages = [];
  for (const [look, options] of Object.entries(looks)) {
    const page = await open(await opened.newContext(options), waitPage("own"));
    await shows(page, "waiting");
    assert.equal(await page.locator("html").getAttribute("lang"), options.locale.slice(0, 2));
    assert.equal(await page.locator("body").getAttribute("class"), "aurora own");
    const banner = await colour(page.locator(".banner"), "backgroundColor");
    assert.equal(banner, options.colorScheme === "dark" ? "rgb(42, 18, 80)" : "rgb(59, 26, 110)", "the style block is in force");
    assert.match(await number(page), /^[1-9]/);
    assert.ok(!(await page.content()).includes("docs/page.md"), "comments are the operator's");
    await inspect(page, `own-${look}-waiting`);
    pages.push(page);
  }
  await pages[0].reload();
  await shows(pages[0], "waiting");
  await makeWay();
  await Promise.any(pages.map((page) => shows(page, "admitted", 40_000)));
  await inspect(pages[0], "own-en-desk-later");
});

test("in a page of the operator's own the room works without JavaScript", async (t) => {
  const makeWay = await crowded("own-plain", 1);
  await upload("own-plain", template);
  const opened = await browser(t);
  const page = await open(await opened.newContext(looks["ko-phone-dark"]), waitPage("own-plain", "?mode=plain"));
  await shows(page, "outside");
  assert.equal(await page.locator("script").count(), 0);
  await inspect(page, "own-plain-ko-phone-dark-outside");
  await page.locator("button[value=enter]").click();
  await shows(page, "waiting");
  await inspect(page, "own-plain-ko-phone-dark-waiting");
  await makeWay();
});

test("a style or a script that nobody has checked is stopped by the page's policy", async (t) => {
  await create("policed", {});
  await upload("policed", template);
  const context = await (await browser(t)).newContext();
  await context.route(/\/policed\/wait$/, async (route) => {
    const answer = await route.fetch();
    const body = (await answer.text()).replace("#f3effa", "#000000").replace("</head>", "<script>globalThis.slipped = 1</script></head>");
    await route.fulfill({ response: answer, body });
  });
  const page = await open(context, waitPage("policed"));
  await page.locator("#room").waitFor();
  assert.notEqual(await colour(page.locator("body"), "backgroundColor"), "rgb(0, 0, 0)");
  assert.equal(await page.evaluate(() => globalThis.slipped), undefined);
  assert.ok(page.faults.length >= 2, "and it is told");
});

test("of a page that was taken, browsers build the very elements that were written", async (t) => {
  const parts = "div section article aside header footer nav address blockquote figure details".split(" ");
  const paragraphs = "p h1 h2 h3 h4 h5 h6".split(" ");
  const words = "a abbr b bdi cite code em i mark q s small span strong sub sup time u".split(" ");
  const of = (names, inside = () => "") => names.map((name) => `<${name}>${inside(name)}</${name}>`).join("");
  const voids = 'x<br><wbr><img src="/a.png" alt="">';
  const phrases = (outer) => voids + of(words.filter((name) => name !== outer));
  const flow = `x<hr>${of(parts)}${of(paragraphs)}${of(words)}<ul><li></li></ul><ol><li></li></ol><dl><dt></dt><dd></dd></dl>${voids}`;
  const body = [
    of(parts, () => flow),
    of([...paragraphs, ...words], phrases),
    `<ul><li>${flow}</li><li></li></ul><ol><li>${flow}</li></ol><dl><dt>${phrases()}</dt><dd>${flow}</dd><dt></dt></dl>`,
    `<details><summary>${phrases()}</summary>${flow}</details><figure><figcaption>${phrases()}</figcaption>${flow}</figure>`,
    // Formatting that browsers carry over where it is not closed, and four alike.
    "<p><b><b><b><b><i>x</i></b></b></b></b></p><p><a href='#x'>x</a></p><a><span>x</span></a>",
  ].join("\n");
  const head = '<meta name="author" content="&lt;"><link rel="icon" href="data:,"><style>p > b { color: red }</style><link rel="stylesheet" href="/a.css">';
  await create("every", {});
  await upload("every", `<!doctype html>\n<html lang="{{lang}}">\n<head>\n{{head}}\n${head}</head>\n<body>\n${body}\n<div><section>{{room}}</section></div></body></html>`.replace('"data:,"', '"data:image/png;base64,"'));
  const html = await (await fetch(waitPage("every"))).text();
  const written = [...html.matchAll(/<([a-z][a-z0-9]*)/g)].map(([, name]) => name);
  assert.ok(written.length > 1_000, `only ${written.length}`);
  const page = await (await browser(t)).newPage();
  const built = await page.evaluate((text) => [...new DOMParser().parseFromString(text, "text/html").querySelectorAll("*")].map((e) => e.localName), html);
  assert.deepEqual(built, written);
});
