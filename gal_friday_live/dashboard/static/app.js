// Keeps a page current, draws its charts, and carries out HALT and resume.
// Whatever comes over the wire goes in by textContent or as an attribute's number: it is never HTML.
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const meta = (name) => document.querySelector(`meta[name="${name}"]`)?.content ?? "";
  const root = document.documentElement;
  const SILENT_MS = 6000;
  const TONES = ["good", "warn", "bad"];

  // --- What is live -----------------------------------------------------------------------------------------------
  const texts = new Map();
  const bars = new Map();

  function bind() {
    texts.clear();
    bars.clear();
    for (const element of document.querySelectorAll("[data-live]")) {
      const path = element.dataset.live;
      texts.set(path, [...(texts.get(path) ?? []), element]);
    }
    for (const element of document.querySelectorAll("[data-live-bar]")) bars.set(element.dataset.liveBar, element);
  }

  function tone(element, word) {
    for (const each of TONES) element.classList.toggle(each, each === word);
  }

  function show(told) {
    for (const [path, elements] of texts) {
      const text = told.texts[path];
      if (text === undefined) continue;
      for (const element of elements) {
        if (element.textContent !== text) element.textContent = text;
        if (path in told.tones) tone(element, told.tones[path]);
      }
    }
    for (const [path, element] of bars) {
      const bar = told.bars[path];
      if (bar) showBar(element, ...bar);
    }
    document.body.classList.toggle("stale", told.state !== "live");
    $("resume").hidden = !told.halted;
    offer(told.roles);
    $("halt").disabled = told.state === "gone";
    if (shape !== told.shape) refreshSoon();
    shape = told.shape;
    follow(told);
  }

  // Of a split engine each role is resumed by itself; a choice that somebody is making stays.
  function offer(roles) {
    $("resume-which").hidden = !roles.length;
    const place = $("resume-role");
    const chosen = dialog.open ? place.value : roles[0]?.[0];
    if ([...place.options].map((one) => one.value).join() === roles.map(([name]) => name).join()) return;
    place.replaceChildren(...roles.map(([name, title]) => new Option(title, name, false, name === chosen)));
  }

  // Tables are drawn by the server: when there are others, the page is asked for again and its parts change places.
  let shape = meta("shape");
  let refreshing = 0;
  const REFRESH_MS = 1500;

  function refreshSoon() {
    if (!refreshing && document.querySelector("[data-refresh]")) refreshing = setTimeout(refresh, REFRESH_MS);
  }

  async function refresh() {
    try {
      const answer = await fetch(location.href);
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of document.querySelectorAll("[data-refresh]")) {
        const fresh = page.getElementById(part.id);
        const used = part.contains(document.activeElement) || part.querySelector("details[open]");
        if (fresh && !used) part.replaceWith(document.adoptNode(fresh));
      }
      bind();
      expandable();
    } finally {
      refreshing = 0;
    }
  }

  function showBar(element, text, used, word) {
    const share = Math.min(Math.max(used ?? 0, 0), 1);
    element.querySelector(".value").textContent = text;
    element.querySelector(".fill").setAttribute("width", `${(share * 100).toFixed(2)}%`);
    const meter = element.querySelector(".meter");
    meter.setAttribute("aria-valuenow", Math.round(share * 100));
    meter.setAttribute("aria-valuetext", used === null ? "no limit" : `${Math.round(used * 100)}% of the limit`);
    tone(element, word);
  }

  // --- The line ---------------------------------------------------------------------------------------------------
  let heard = Date.now();
  let wait = 500;

  function connect() {
    const line = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
    line.onmessage = (event) => {
      heard = Date.now();
      wait = 500;
      show(JSON.parse(event.data));
    };
    line.onclose = () => {
      if (Date.now() - heard > SILENT_MS) lost();
      setTimeout(connect, wait);
      wait = Math.min(wait * 2, 8000);
    };
  }

  function lost() {
    document.body.classList.add("stale");
    const since = new Date(heard).toISOString().slice(0, 19).replace("T", " ");
    for (const element of texts.get("headline.word") ?? []) {
      element.textContent = "DASHBOARD LOST";
      tone(element, "bad");
    }
    for (const element of texts.get("headline.detail") ?? []) element.textContent = `nothing heard since ${since} UTC`;
  }

  setInterval(() => {
    if (!document.hidden && Date.now() - heard > SILENT_MS) lost();
  }, 1000);

  // --- Actions ----------------------------------------------------------------------------------------------------
  let hush = 0;
  function say(text) {
    $("said").textContent = text;
    clearTimeout(hush);
    hush = setTimeout(() => ($("said").textContent = ""), 12000);
  }

  async function act(name, details) {
    const answer = await fetch(`/actions/${name}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRF-Token": meta("csrf") },
      body: JSON.stringify(details),
    });
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.error);
    return told.said;
  }

  $("halt").addEventListener("click", async () => {
    const button = $("halt");
    button.disabled = true;
    say("Halting…");
    try {
      say(await act("halt", {}));
    } catch (error) {
      say(`NOT halted: ${error.message}`);
    }
    button.disabled = false;
  });

  const dialog = $("resume-dialog");
  $("resume").addEventListener("click", () => {
    $("resume-problem").textContent = "";
    dialog.showModal();
  });
  $("resume-cancel").addEventListener("click", () => dialog.close());
  $("resume-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    $("resume-problem").textContent = "Asking the engine…";
    try {
      const given = new FormData(event.target);
      say(await act("resume", { word: given.get("word"), reason: given.get("reason"), engine: given.get("engine") }));
      event.target.reset();
      dialog.close();
    } catch (error) {
      $("resume-problem").textContent = error.message;
    }
  });
  for (const button of document.querySelectorAll("button[data-action]")) {
    button.addEventListener("click", async () => {
      button.disabled = true;
      say("Working…");
      try {
        say(await act(button.dataset.action, {}));
      } catch (error) {
        say(error.message);
      }
      button.disabled = false;
    });
  }

  // --- What is opened on demand -----------------------------------------------------------------------------------
  function element(name, text, kind) {
    const made = document.createElement(name);
    if (text !== undefined && text !== null) made.textContent = text;
    if (kind) made.className = kind;
    return made;
  }

  async function json(source) {
    const answer = await fetch(source);
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.error);
    return told;
  }

  async function expanded(details) {
    const place = details.querySelector(".expanded");
    if (!details.open || place.childElementCount) return;
    place.append(element("p", "Looking…", "soft"));
    try {
      place.replaceChildren(...(await json(details.dataset.expand)).parts.flatMap(part));
    } catch (error) {
      place.replaceChildren(element("p", error.message, "problem"));
    }
  }

  function expandable() {
    for (const details of document.querySelectorAll("details[data-expand]")) details.ontoggle = () => expanded(details);
  }

  function part({ title, rows, text }) {
    const made = [element("h3", title)];
    if (text) made.push(element("p", text));
    if (rows?.length) {
      const list = element("dl", null, "rows");
      for (const [name, value] of rows) {
        const row = element("div");
        row.append(element("dt", name), element("dd", value));
        list.append(row);
      }
      made.push(list);
    }
    return made;
  }

  // --- Charts -----------------------------------------------------------------------------------------------------
  const charts = [...document.querySelectorAll("[data-chart]")];
  const colour = (name) => {
    const probe = element("span");
    probe.style.color = `var(--${name})`;
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  };
  const ROLES = { equity: "accent", second: "second", gain: "good", loss: "bad", soft: "soft" };

  function dressed(figure) {
    const ink = colour("soft");
    const line = colour("line");
    const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true };
    const layout = {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 8, r: 12, t: 8, b: 8 },
      font: { color: ink, size: 12, family: "system-ui, sans-serif" }, hovermode: "x unified", showlegend: false,
      hoverlabel: { bgcolor: colour("card"), bordercolor: line, font: { color: colour("ink") } },
      dragmode: "pan", ...figure.layout,
    };
    for (const name of Object.keys(layout)) {
      if (/^[xy]axis/.test(name)) layout[name] = { ...axis, ...layout[name] };
    }
    layout.xaxis ??= axis;
    layout.yaxis ??= axis;
    for (const shape of layout.shapes ?? []) if (shape.role) shape.line = { ...shape.line, color: colour(ROLES[shape.role]) };
    return { data: figure.data.map(painted), layout };
  }

  function painted(trace) {
    const role = ROLES[trace.role];
    const made = { ...trace };
    delete made.role;
    if (trace.type === "candlestick") {
      made.increasing = { line: { color: colour("good"), width: 1 }, ...made.increasing };
      made.decreasing = { line: { color: colour("bad"), width: 1 }, ...made.decreasing };
    } else if (role) {
      const paint = colour(role);
      made.line = { color: paint, width: 1.6, ...made.line };
      made.marker = { color: paint, ...made.marker };
      if (made.fill) made.fillcolor = paint.replace("rgb(", "rgba(").replace(")", ", 0.14)");
    }
    return made;
  }

  async function draw(place, anew = false) {
    try {
      if (anew || !place.figure) place.figure = await json(place.dataset.chart);
      const figure = place.figure;
      if (figure.empty) {
        place.classList.add("without");
        place.replaceChildren(element("p", figure.empty, "empty"));
        return;
      }
      const { data, layout } = dressed(figure);
      const still = { displayModeBar: false, responsive: true, scrollZoom: false };
      layout.uirevision = place.dataset.chart;
      place.classList.remove("without");
      if (!place.classList.contains("js-plotly-plot")) place.replaceChildren();
      await Plotly.react(place, data, layout, still);
    } catch (error) {
      place.replaceChildren(element("p", `The chart cannot be drawn: ${error.message}`, "problem"));
    }
  }

  // A chart that follows a number is asked for again when that has changed, and keeps what was zoomed into.
  const FOLLOW_MS = 2000;
  function follow(told) {
    for (const place of charts) {
      const now = told.texts[place.dataset.follow];
      const due = Date.now() - (place.askedAt ?? 0) > FOLLOW_MS && !document.hidden;
      if (now === undefined || now === place.followed || (place.followed !== undefined && !due)) continue;
      const isNews = place.followed !== undefined && place.figure;
      place.followed = now;
      place.askedAt = Date.now();
      if (isNews) draw(place, true);
    }
  }

  function load() {
    const source = meta("plotly");
    if (!source) {
      const why = "Charts need the plotly package: pip install 'gal-friday[pipeline]'.";
      for (const place of charts) place.replaceChildren(element("p", why, "empty"));
      return;
    }
    const script = element("script");
    script.src = source;
    script.onload = () => charts.forEach((place) => draw(place));
    document.head.append(script);
  }

  // --- Light and dark ---------------------------------------------------------------------------------------------
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";
  function redraw() {
    if (window.Plotly) charts.forEach((place) => draw(place));
  }
  $("theme").addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    localStorage.setItem("gal-friday-theme", root.dataset.theme);
    redraw();
  });
  dark.addEventListener("change", redraw);

  bind();
  expandable();
  connect();
  if (charts.length) requestAnimationFrame(() => setTimeout(load, 0));
})();
