// The waiting page: takes a place, polls as told, claims when called, goes on to the shop.
//
// Keys and tokens are HttpOnly cookies that this script never sees; only the pass comes in the
// answer to a claim, to be posted to the shop. Whatever is temporary is tried again, and nothing
// shown to the visitor about the place ever gets worse: `ahead` only falls, the bar only fills.
"use strict";

if (typeof document === "undefined") {
  // The same file is its own dedicated worker. Browsers slow the timers of hidden tabs down to
  // once a minute, those of workers not: a called visitor in a background tab is still on time.
  let timer;
  self.onmessage = ({ data }) => {
    clearTimeout(timer);
    timer = setTimeout(() => self.postMessage(data.id), data.ms);
  };
} else {
  page(document.currentScript.src);
}

function page(source) {
  const $ = (id) => document.getElementById(id);
  const room = $("room");
  const { event, name, prefix, seenCookie, returnUrl } = room.dataset;
  const go = $("go");
  const shop = /^https?:\/\//.test(returnUrl || "") ? returnUrl : null;
  const counts = new Intl.NumberFormat("en");

  // What survives a reload. `frontier` is the event's, the rest belongs to one place.
  const memory = recall();

  let next = enter; // the call to make when the clock rings; null when there is none to make
  let wanted = null; // the same for a button that was pressed: it goes first
  let due = 0;
  let busy = false;
  let failures = 0; // calls in a row that gave no answer
  let entries = 0; // enters in a row without an accepted ticket between them
  let spoken = { view: "", ahead: null, at: 0 };

  const ring = clock();
  $("again").addEventListener("click", () => { entries = 0; show("joining"); want(() => enter(true)); });
  $("leave").addEventListener("click", () => ask(true));
  $("leave-no").addEventListener("click", () => ask(false));
  $("leave-yes").addEventListener("click", () => want(leave));
  document.addEventListener("visibilitychange", () => { if (!document.hidden && Date.now() >= due) run(); });
  window.addEventListener("online", () => { if (failures && next) begin(next); });
  // Back from the shop: the page may come out of the browser's cache with its clock stopped.
  window.addEventListener("pageshow", (e) => { if (e.persisted) begin(enter); });
  begin(enter);

  // ---- the clock -------------------------------------------------------------------------

  function clock() {
    let id = 0;
    let set = null;
    const slow = (ms) => { clearTimeout(set); set = setTimeout(run, ms); };
    let start = slow;
    try {
      const worker = new Worker(source);
      worker.onmessage = ({ data }) => { if (data === id) run(); };
      worker.onerror = () => { start = slow; if (next) slow(Math.max(0, due - Date.now())); };
      start = (ms) => worker.postMessage({ id: ++id, ms });
    } catch {
      // No workers here: the page's own timers do, a little late in hidden tabs.
    }
    return (ms) => start(ms);
  }

  function later(call, seconds) {
    next = call;
    const ms = Math.max(0, Math.min(seconds, 3600) * 1000);
    due = Date.now() + ms;
    ring(ms);
  }

  function begin(call) { later(call, 0); }

  function want(call) {
    wanted = call;
    run();
  }

  async function run() {
    const call = wanted || next;
    if (busy || !call) return;
    busy = true;
    wanted = next = null;
    try {
      await call();
    } catch {
      retry(call, null);
    } finally {
      busy = false;
    }
    // What was asked for meanwhile, and a bell that rang while this call was under way.
    if (wanted || (next && Date.now() >= due)) run();
  }

  // ---- the calls -------------------------------------------------------------------------

  function enter(again) {
    return send(() => enter(again), "POST", "enter", again === true ? { event, again: true } : { event });
  }

  function status() {
    const query = new URLSearchParams({ event, seen: String(memory.frontier) });
    return send(status, "GET", `status?${query}`);
  }

  function claim() {
    return send(claim, "POST", "claim", { event });
  }

  function leave() {
    return send(leave, "POST", "leave", { event });
  }

  async function send(call, method, path, body) {
    const stop = new AbortController();
    const limit = setTimeout(() => stop.abort(), 20000);
    let answer = null;
    let content = null;
    try {
      answer = await fetch(`${prefix}/${path}`, {
        method,
        signal: stop.signal,
        cache: "no-store",
        credentials: "same-origin",
        redirect: "error",
        headers: body ? { "Content-Type": "application/json" } : {},
        body: body && JSON.stringify(body),
      });
      if (answer.status !== 204) content = await answer.json();
    } catch {
      // No answer, or one that is not ours (a proxy's error page): both are temporary.
      if (!answer || answer.ok) return retry(call, answer);
    } finally {
      clearTimeout(limit);
    }
    if (!answer.ok) return refused(call, answer, content);
    failures = 0;
    trouble("");
    if (path === "leave") return over("left");
    if (!content || typeof content !== "object") return retry(call, answer);
    return place(content, path);
  }

  // ---- what the answers mean -------------------------------------------------------------

  function place(p, path) {
    if (path === "enter") entries += 1;
    else entries = 0;
    remember(p);
    const wait = seconds(p.poll_after_seconds, 5);
    switch (p.state) {
      case "admitted":
      case "passthrough":
        if (typeof p.pass === "string") return arrive(p);
        // A status knows no pass: the claim gives the same one again, or says that it is over.
        showPlace(p);
        return later(claim, path === "claim" ? wait : 0);
      case "called":
        showPlace(p);
        // Nobody is let in: a claim would only be refused. The next status says whether something came back.
        if (p.phase === "sold_out") return later(status, wait);
        return later(claim, path === "claim" ? wait : 0);
      case "left":
        return over("left");
      case "ended":
        return over(p.phase === "ended" ? "event-ended" : "session-ended");
      default: // waiting, prequeue, and whatever a later version calls it
        showPlace(p);
        return later(status, wait);
    }
  }

  function refused(call, answer, problem) {
    const slug = String((problem && problem.type) || "").split(":").pop();
    switch (slug) {
      case "ticket-missing":
      case "ticket-expired":
      case "ticket-invalid":
      case "visitor-mismatch":
      case "wrong-event":
        // The visitor's key is what counts: the same key gets the same place again.
        if (entries < 2) return begin(enter);
        trouble("This browser does not keep this page's cookies, and without them your place cannot be found again. Please allow cookies for this page.");
        return later(enter, 30);
      case "visitor-missing":
        // Only loading the page makes a key. Once: a browser without cookies would load for ever.
        if (!memory.reloaded) {
          memory.reloaded = true;
          store();
          return location.reload();
        }
        trouble("Your place is kept with a cookie, and this browser keeps none for this page. Please allow cookies, then load the page again.");
        return later(enter, 30);
      case "not-your-turn":
        return later(status, after(answer) || 2);
      case "place-left":
        return over("left");
      case "sold-out":
        // The place is kept: go on asking how it stands.
        if (call === claim) return later(status, 30);
        return over(slug);
      case "session-ended":
      case "event-ended":
      case "unknown-event":
        return over(slug);
      case "not-open-yet":
        trouble(`The line is not open yet${opens(problem)}. Leave this page open: it takes a place for you as soon as there are any.`);
        // To the second: whoever waits for the opening should not come late. Now and then before, since it may be moved.
        return later(enter, Math.min(Number(answer.headers.get("Retry-After")) || 10, 30 + 30 * Math.random()));
      case "queue-closed":
      case "line-full":
        trouble("The line takes no new people at the moment. This page keeps trying.");
        return later(call, after(answer) || 15);
    }
    if (answer.status >= 500 || answer.status === 429 || answer.status === 408 || answer.status === 409) return retry(call, answer);
    const detail = problem && typeof problem.detail === "string" ? ` (${problem.detail})` : "";
    trouble(`Something is not right here${detail}. This page tries again; if it goes on, please load it again.`);
    failures += 1;
    return later(enter, Math.max(15, backoff()));
  }

  function opens(problem) {
    const start = Date.parse(problem && problem.event_start_time);
    if (Number.isNaN(start)) return "";
    return `: the sale opens on ${new Date(start).toLocaleString([], { dateStyle: "medium", timeStyle: "short" })}`;
  }

  function retry(call, answer) {
    failures += 1;
    const wait = (answer && after(answer)) || backoff();
    // One lost call is no news: most are answered the next time.
    if (failures > 1) {
      trouble(memory.number
        ? "The connection is slow at the moment. You keep your place; this page goes on by itself."
        : "Very many people are arriving. This page keeps trying; please leave it open.");
    }
    later(call, wait);
  }

  function backoff() {
    return Math.min(30, 2 ** Math.min(failures, 5)) * (0.5 + Math.random() / 2);
  }

  // What the server asks for, and a little more: nobody should come back in one great wave.
  function after(answer) {
    const value = answer.headers.get("Retry-After");
    if (!value) return 0;
    const told = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
    return told > 0 ? told * (1 + Math.random() / 5) : 0;
  }

  function seconds(value, otherwise) {
    return Number.isFinite(value) && value > 0 ? Math.max(0.5, Math.min(value, 120)) : otherwise;
  }

  // ---- memory ----------------------------------------------------------------------------

  function recall() {
    const empty = { frontier: 0, number: null, ahead: null, first: null, reloaded: false, arrived: 0 };
    try {
      Object.assign(empty, JSON.parse(localStorage.getItem(`ropeline-${event}`) || "{}"));
    } catch {
      // Private mode, or somebody else's value: begin afresh.
    }
    const cookie = document.cookie.split("; ").find((c) => c.startsWith(`${seenCookie}=`));
    const seen = cookie ? Number(cookie.slice(seenCookie.length + 1)) : 0;
    const kept = Number.isSafeInteger(empty.frontier) ? empty.frontier : 0;
    empty.frontier = Math.max(0, kept, Number.isSafeInteger(seen) ? seen : 0);
    return empty;
  }

  function remember(p) {
    if (Number.isSafeInteger(p.number) && p.number !== memory.number) {
      Object.assign(memory, { number: p.number, ahead: null, first: null });
    }
    if (Number.isSafeInteger(p.ahead) && p.ahead >= 0) {
      memory.first ??= p.ahead;
      memory.ahead = memory.ahead === null ? p.ahead : Math.min(memory.ahead, p.ahead);
    }
    if (Number.isSafeInteger(p.frontier) && p.frontier > memory.frontier) memory.frontier = p.frontier;
    memory.reloaded = false;
    store();
  }

  function store() {
    const secure = seenCookie.startsWith("__Host-") ? "; Secure" : "";
    document.cookie = `${seenCookie}=${memory.frontier}; Path=/; Max-Age=172800; SameSite=Lax${secure}`;
    try {
      localStorage.setItem(`ropeline-${event}`, JSON.stringify(memory));
    } catch {
      // The cookie does.
    }
  }

  // ---- what the visitor sees -------------------------------------------------------------

  function showPlace(p) {
    const ahead = memory.ahead;
    const called = p.state === "called" || p.state === "admitted" || p.state === "passthrough";
    const view = called ? "called" : p.state === "prequeue" ? "prequeue" : "waiting";
    show(view, { paused: p.paused, phase: p.phase });
    if (typeof p.message === "string") $("message").textContent = p.message;

    $("number").textContent = Number.isSafeInteger(p.number) ? counts.format(p.number) : "–";
    const unknown = ahead === null;
    $("ahead").classList.toggle("words", unknown && view === "prequeue");
    $("ahead").textContent = called ? "0" : unknown ? (view === "prequeue" ? "Drawn when the sale opens" : "–") : counts.format(ahead);
    const eta = called ? "now" : range(p.eta_seconds);
    $("eta").textContent = eta;
    const bar = $("progress");
    const share = called ? 1 : unknown ? 0 : memory.first > 0 ? 1 - ahead / memory.first : 1;
    bar.hidden = unknown && !called;
    bar.value = Math.max(bar.value, Math.round(share * 1000));

    document.title = called ? `Your turn · ${name}` : unknown ? `${name} · waiting room` : `${counts.format(ahead)} ahead · ${name}`;
    speak(view, called || unknown ? $("headline").textContent : `${counts.format(ahead)} people ahead of you. Estimated wait: ${eta}.`);
  }

  const views = {
    joining: ["Taking your place…", "This takes a moment."],
    waiting: ["You are in line", "This page moves on by itself when it is your turn."],
    prequeue: ["The sale has not opened yet", "You are in the room. The line starts by itself when the sale opens."],
    called: ["It is your turn", "The next free place is yours. Please keep this page open."],
    going: ["You are in", "Taking you to the shop…"],
    admitted: ["You are in", ""],
    left: ["You left the line", "Your place is free again. You may take a new one at the end of the line."],
    "session-ended": ["Your visit is over", "If you need another go, you may take a new place at the end of the line."],
    "event-ended": ["This sale is over", "Thank you for waiting."],
    "sold-out": ["Sold out", "All tickets of this sale are gone. Thank you for waiting."],
    "unknown-event": ["There is no such line", "Please check the address, or ask the shop."],
  };

  function show(view, { paused, phase } = {}) {
    const inLine = view === "waiting" || view === "prequeue" || view === "called";
    let [headline, lead] = views[view];
    if (inLine && phase === "sold_out") [headline, lead] = ["Sold out at the moment", "You keep your place in case tickets come back."];
    else if (inLine && (paused || phase === "suspended")) lead = "The line stands still for a moment. You keep your place.";
    const focused = document.activeElement;
    room.dataset.view = view;
    text("headline", headline);
    text("lead", lead);
    $("facts").hidden = $("hint").hidden = !inLine;
    if (!inLine) $("progress").hidden = true;
    if (view === "joining") $("progress").value = 0;
    $("again").hidden = view !== "left" && view !== "session-ended";
    go.hidden = true;
    if (!inLine) { $("leave").hidden = true; $("sure").hidden = true; }
    else if ($("sure").hidden) $("leave").hidden = false;
    // Whoever pressed a button that is gone now goes on at the headline.
    if (focused && focused.closest("[hidden]")) $("headline").focus({ preventScroll: true });
  }

  function arrive(p) {
    trouble("");
    if (room.dataset.gate) {
      show("going");
      document.title = `You are in · ${name}`;
      // The pass is in its cookie: the same address leads to the shop now. Should it not, not over and over at once.
      const soon = Date.now() - memory.arrived < 10000;
      memory.arrived = Date.now();
      store();
      return later(() => location.replace(location.href.split("#")[0]), soon ? 5 : 0);
    }
    if (!shop) {
      show("admitted");
      const end = Date.parse(p.session_expires_at);
      const until = Number.isNaN(end) ? "" : new Date(end).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
      text("lead", until ? `Your session lasts until ${until}.` : "You may go on to the shop.");
      document.title = `You are in · ${name}`;
      speak("admitted", `You are in. ${$("lead").textContent}`);
      // Then ask once more: it was renewed elsewhere, or it is over.
      return Number.isNaN(end) ? undefined : later(claim, Math.max(5, (end - Date.now()) / 1000 + 1));
    }
    show("going");
    document.title = `You are in · ${name}`;
    speak("going", "It is your turn. Taking you to the shop.");
    go.action = shop;
    $("pass").value = p.pass;
    go.submit();
    // Should the shop be slow to answer, there is something to press.
    setTimeout(() => { if (room.dataset.view === "going") go.hidden = false; }, 5000);
  }

  function over(view) {
    next = null;
    trouble("");
    show(view);
    document.title = `${views[view][0]} · ${name}`;
    speak(view, `${views[view][0]}. ${views[view][1]}`);
  }

  function ask(open) {
    $("sure").hidden = !open;
    $("leave").hidden = open;
    (open ? $("leave-no") : $("leave")).focus();
  }

  function trouble(words) { text("trouble", words); }

  function text(id, words) {
    if ($(id).textContent !== words) $(id).textContent = words;
  }

  // Screen readers hear changes of state at once, and numbers at most every 30 seconds.
  function speak(view, words) {
    const now = Date.now();
    if (view === spoken.view && (memory.ahead === spoken.ahead || now - spoken.at < 30000)) return;
    spoken = { view, ahead: memory.ahead, at: now };
    text("live", words);
  }

  function range(eta) {
    if (!eta || !Number.isFinite(eta.low) || !Number.isFinite(eta.high)) return "measuring…";
    const low = Math.max(0, Math.min(eta.low, eta.high));
    const high = Math.max(0, eta.low, eta.high);
    if (high <= 60) return "less than a minute";
    const from = rounded(low, Math.floor);
    const to = rounded(high, Math.ceil);
    if (from.count === 0) return `up to ${words(to)}`;
    if (from.unit !== to.unit) return `${words(from)} to ${words(to)}`;
    return from.count === to.count ? `about ${words(to)}` : `${from.count} to ${words(to)}`;
  }

  // Minutes, and from an hour and a half on half hours: nobody needs more.
  function rounded(value, to) {
    return value < 5400 ? { count: to(value / 60), unit: "minute" } : { count: to(value / 1800) / 2, unit: "hour" };
  }

  function words({ count, unit }) {
    return `${count} ${unit}${count === 1 ? "" : "s"}`;
  }
}
