// What a script adds to pages that are complete without one: the reader's time zone, live updates that disturb nobody,
// charts to point at, copying, a pause, and an honest line when the worker is silent.
"use strict";

(() => {
  const SILENT_MS = 5000;
  const RETRY_MS = 1000;
  const RETRY_MAX_MS = 60_000;
  const live = document.body.hasAttribute("sse-connect");
  let heardAt = Date.now();
  let paused = false;
  let stream;

  // A browser has six connections for a host: a page that nobody sees gives its own back, and one that is shown again
  // begins anew, with everything that there is by now. To htmx it is one source that never ends.
  class SeenStream extends EventTarget {
    #address;
    #types = new Set();
    #source = null;
    #again = 0;
    #wait = RETRY_MS;

    constructor(address) {
      super();
      this.#address = address;
      document.addEventListener("visibilitychange", () => this.follow());
      addEventListener("pagehide", () => this.close());
      addEventListener("pageshow", () => this.follow());
      this.follow();
    }

    addEventListener(type, listener) {
      super.addEventListener(type, listener);
      if (this.#types.has(type)) return;
      this.#types.add(type);
      this.#hear(type);
    }

    follow() {
      if (document.hidden) this.close();
      else if (!this.#source) this.#open();
    }

    close() {
      clearTimeout(this.#again);
      this.#source?.close();
      this.#source = null;
    }

    #open() {
      heardAt = Date.now();
      const source = new EventSource(this.#address);
      source.onopen = () => { this.#wait = RETRY_MS; };
      source.onerror = () => { if (source.readyState === EventSource.CLOSED) this.#retry(); };
      this.#source = source;
      this.#types.forEach((type) => this.#hear(type));
    }

    // Where the connection is lost the browser comes back by itself; after a refusal it does not.
    #retry() {
      this.close();
      this.#again = setTimeout(() => this.follow(), this.#wait);
      this.#wait = Math.min(this.#wait * 2, RETRY_MAX_MS);
    }

    #hear(type) {
      this.#source?.addEventListener(type, ({ data }) => this.dispatchEvent(new MessageEvent(type, { data })));
    }
  }

  const cookie = (name) => document.cookie.split("; ").some((pair) => pair.startsWith(name + "="));
  if (!cookie("headgate_tz")) {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    document.cookie = `headgate_tz=${zone}; path=/; max-age=31536000; samesite=lax`;
  }

  document.addEventListener("DOMContentLoaded", () => {
    htmx.createEventSource = (address) => (stream = new SeenStream(address));
    keepWhatTheReaderDoes();
    drawCharts();
    offerCopies();
    if (live) {
      offerPause();
      tellAges();
      setInterval(tick, 1000);
    }
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawCharts);
  addEventListener("resize", drawCharts);

  document.addEventListener("htmx:sseBeforeMessage", (event) => {
    heardAt = Date.now();
    if (live) tellSilence();
    if (paused) event.preventDefault();
  });
  document.addEventListener("htmx:sseMessage", () => {
    drawCharts();
    offerCopies();
    tellAges();
  });

  // An update leaves alone what is drawn by script, what is open, and what is being typed.
  function keepWhatTheReaderDoes() {
    Idiomorph.defaults.ignoreActiveValue = true;
    Idiomorph.defaults.callbacks.beforeNodeMorphed = (old, fresh) => {
      if (!(old instanceof Element) || !old.classList.contains("drawn")) return true;
      for (const { name, value } of fresh.attributes) if (name !== "class") old.setAttribute(name, value);
      return false;
    };
    Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) =>
      !((name === "open" && node.tagName === "DETAILS") || (name === "hidden" && node.classList.contains("copy")));
  }

  function tick() {
    tellAges();
    tellSilence();
  }

  function tellSilence() {
    const gone = document.getElementById("gone");
    const silent = Date.now() - heardAt > SILENT_MS;
    if (silent && gone.hidden) gone.textContent = gone.dataset.since.replace("{time}", clock(heardAt / 1000));
    gone.hidden = !silent;
    document.body.classList.toggle("silent", silent);
  }

  function tellAges() {
    const language = document.documentElement.lang;
    const format = new Intl.RelativeTimeFormat(language, { style: language === "en" ? "narrow" : "short" });
    for (const element of document.querySelectorAll(".age")) {
      const seconds = Math.max(0, Math.round(Date.now() / 1000 - Number(element.dataset.at)));
      const text = seconds < 120 ? format.format(-seconds, "second") : format.format(-Math.round(seconds / 60), "minute");
      if (element.textContent !== `(${text})`) element.textContent = `(${text})`;
    }
  }

  function clock(seconds, zone) {
    const style = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone: zone };
    return new Intl.DateTimeFormat(document.documentElement.lang, style).format(seconds * 1000);
  }

  function day(seconds, zone) {
    const style = { day: "numeric", month: "short", timeZone: zone };
    return new Intl.DateTimeFormat(document.documentElement.lang, style).format(seconds * 1000);
  }

  function offerPause() {
    const button = document.getElementById("pause");
    button.hidden = false;
    button.addEventListener("click", () => {
      paused = !paused;
      button.setAttribute("aria-pressed", String(paused));
      button.textContent = paused ? button.dataset.resume : button.dataset.pause;
      if (paused) return;
      stream.close(); // what changed meanwhile comes again with a new one
      stream.follow();
    });
  }

  function offerCopies() {
    if (!navigator.clipboard) return;
    for (const button of document.querySelectorAll(".copy[hidden]")) button.hidden = false;
  }
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.(".copy");
    if (!button) return;
    const said = button.textContent;
    await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
    button.textContent = button.dataset.copied;
    setTimeout(() => { button.textContent = said; }, 1500);
  });

  const charts = new Map();

  function drawCharts() {
    for (const plot of document.querySelectorAll(".plot")) {
      const points = JSON.parse(plot.dataset.points);
      const lines = JSON.parse(plot.dataset.lines);
      const series = ["", ...lines].map((_, column) => points.map((point) => point[column]));
      const now = Number(plot.dataset.now);
      const range = { min: now - Number(plot.dataset.seconds), max: now };
      const look = getComputedStyle(plot);
      const key = [plot.clientWidth, look.color].join();
      const known = charts.get(plot);
      if (known && known.key === key) {
        known.range = range;
        known.chart.setData(series, false);
        known.chart.setScale("x", range);
        continue;
      }
      if (known) known.chart.destroy();
      const state = { key, range };
      plot.classList.add("drawn");
      plot.replaceChildren();
      state.chart = new uPlot(options(plot, state, look, lines), series, plot);
      charts.set(plot, state);
    }
  }

  const TWO_DAYS = 172_800;

  // A value between two that nobody knows is no line: it is drawn as a point.
  const lonely = {
    show: true,
    size: 5,
    filter: (chart, column) => {
      const values = chart.data[column];
      return values.flatMap((value, place) => (value != null && values[place - 1] == null && values[place + 1] == null ? [place] : []));
    },
  };

  // As many decimals as tell the steps of an axis apart.
  function steps([first, second = first + 1]) {
    const digits = Math.max(0, -Math.floor(Math.log10(second - first) + 1e-9));
    const notation = second < 1e6 ? "standard" : "compact"; // an axis has room for seven signs
    const format = new Intl.NumberFormat(document.documentElement.lang, { notation, maximumFractionDigits: Math.min(digits, 6) });
    return (value) => format.format(value);
  }

  function options(plot, state, look, lines) {
    const root = getComputedStyle(document.body);
    const probe = (name) => {
      const element = document.createElement("i");
      element.style.color = `var(${name})`;
      plot.append(element);
      const found = getComputedStyle(element).color;
      element.remove();
      return found;
    };
    const axis = { stroke: probe("--muted"), grid: { stroke: probe("--rule"), width: 1 }, ticks: { show: false }, font: `12px ${root.fontFamily}` };
    const long = Number(plot.dataset.seconds) > TWO_DAYS;
    const short = (at) => (long ? day(at, plot.dataset.zone) : clock(at, plot.dataset.zone).slice(0, 5));
    const [muted, former] = [probe("--muted"), "former" in plot.dataset ? lines.length - 1 : -1];
    const drawn = (_, place) =>
      place === former
        ? { stroke: muted, width: 1, points: lonely }
        : { stroke: look.color, width: 1.5, dash: place ? [4, 3] : [], points: { ...lonely, fill: look.color } };
    const numbers = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 1 });
    return {
      width: plot.clientWidth,
      height: plot.clientHeight,
      padding: [8, 20, 0, 0],
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
      legend: { show: false },
      scales: { x: { time: true, auto: false, range: () => [state.range.min, state.range.max] }, y: { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] } },
      axes: [
        { ...axis, space: 80, size: 24, grid: { show: false }, values: (_, splits) => splits.map((at) => short(at)) },
        { ...axis, size: 56, space: 36, values: (_, splits) => splits.map(steps(splits)) },
      ],
      series: [{}, ...lines.map(drawn)],
      hooks: { setCursor: [(chart) => point(chart, plot, numbers, lines)] },
    };
  }

  // What is under the pointer, in words.
  function point(chart, plot, numbers, lines) {
    let tip = plot.querySelector(".tip");
    const index = chart.cursor.idx;
    const values = lines
      .map((name, place) => [name, index == null ? null : chart.data[place + 1][index]])
      .filter(([, value]) => value != null);
    if (!values.length || chart.cursor.left < 0) {
      tip?.remove();
      return;
    }
    if (!tip) {
      tip = document.createElement("div");
      tip.className = "tip";
      plot.append(tip);
    }
    const [at, zone] = [chart.data[0][index], plot.dataset.zone];
    const when = Number(plot.dataset.seconds) > TWO_DAYS / 2 ? `${day(at, zone)} ${clock(at, zone).slice(0, 5)}` : clock(at, zone);
    tip.textContent = [when, ...values.map(([name, value]) => `${name} ${numbers.format(value)}${plot.dataset.unit}`.trim())].join(" · ");
    const left = chart.cursor.left + 68;
    tip.style.left = left + 160 > plot.clientWidth ? "auto" : `${left}px`;
    tip.style.right = left + 160 > plot.clientWidth ? "0" : "auto";
  }
})();
