"use strict";
(() => {
  const { series, levels } = JSON.parse(document.getElementById("data").textContent);
  const chart = document.getElementById("chart"), tip = document.getElementById("tip");
  const which = document.getElementById("which"), numbers = document.getElementById("numbers");
  const space = "http://www.w3.org/2000/svg", pad = { left: 62, right: 14, top: 20, bottom: 26 };
  let one = series[0], from = 0, to = one.times.length - 1, cursor = null, pressed = null;

  const show = (value) => value === null || value === undefined ? "–"
    : Math.abs(value) >= 1e4 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(5)));
  const make = (name, attributes, parent) => {
    const made = document.createElementNS(space, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (parent) parent.appendChild(made);
    return made;
  };
  const past = () => one.values.length;
  const value = (k) => k < past() ? one.values[k] : null;
  const forecast = (k) => k >= past() ? one.point[k - past()] : null;
  const pairs = () => {
    const found = [];
    for (let a = 0, b = levels.length - 1; a < b; a++, b--) found.push([levels[a], levels[b]]);
    return found;
  };

  function limits() {
    let low = Infinity, high = -Infinity;
    const see = (v) => { if (v !== null && v !== undefined) { low = Math.min(low, v); high = Math.max(high, v); } };
    for (let k = from; k <= to; k++) {
      see(value(k)); see(forecast(k));
      if (k >= past()) for (const level of levels) see(one.quantiles[level][k - past()]);
    }
    for (const w of one.windows) for (const line of [w.point, w.low, w.high]) line.forEach((v, h) => { if (w.at + h >= from && w.at + h <= to) see(v); });
    if (!(low <= high)) return [0, 1];
    const room = (high - low) * 0.06 || Math.abs(high) * 0.05 || 1;
    return [low - room, high + room];
  }

  function ticks(low, high) {
    const raw = (high - low) / 4, power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw);
    const found = [];
    for (let v = Math.ceil(low / step) * step; v <= high; v += step) found.push(Math.abs(v) < step / 1e6 ? 0 : v);
    return found;
  }

  function draw() {
    chart.querySelector("svg")?.remove();
    const width = chart.clientWidth, svg = make("svg", {});
    chart.insertBefore(svg, tip);
    const height = svg.clientHeight;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const [low, high] = limits(), span = Math.max(1, to - from);
    const x = (k) => pad.left + (k - from) / span * (width - pad.left - pad.right);
    const y = (v) => height - pad.bottom - (v - low) / (high - low) * (height - pad.top - pad.bottom);
    for (const v of ticks(low, high)) {
      make("line", { x1: pad.left, x2: width - pad.right, y1: y(v), y2: y(v), stroke: "var(--line)" }, svg);
      make("text", { x: pad.left - 6, y: y(v) + 4, "text-anchor": "end" }, svg).textContent = show(v);
    }
    const count = Math.max(2, Math.min(6, Math.floor(width / 170)));
    for (let i = 0; i < count; i++) {
      const k = Math.round(from + span * i / (count - 1));
      const anchor = i === 0 ? "start" : i === count - 1 ? "end" : "middle";
      make("text", { x: x(k), y: height - 8, "text-anchor": anchor }, svg).textContent = one.times[k];
    }
    make("text", { x: pad.left + 4, y: 12 }, svg).textContent = one.target;
    const path = (at, values, attributes) => {
      let d = "", pen = false;
      values.forEach((v, h) => {
        const k = at + h;
        if (v === null || k < from || k > to) { pen = false; return; }
        d += `${pen ? "L" : "M"}${x(k).toFixed(1)} ${y(v).toFixed(1)}`;
        pen = true;
      });
      if (d) make("path", { d, fill: "none", ...attributes }, svg);
    };
    const band = (at, lows, highs, attributes) => {
      const inside = lows.map((_, h) => h).filter((h) => at + h >= from && at + h <= to && lows[h] !== null);
      if (!inside.length) return;
      const up = inside.map((h) => `${x(at + h).toFixed(1)},${y(highs[h]).toFixed(1)}`);
      const down = inside.map((h) => `${x(at + h).toFixed(1)},${y(lows[h]).toFixed(1)}`).reverse();
      make("polygon", { points: [...up, ...down].join(" "), ...attributes }, svg);
    };
    const last = one.values[past() - 1], joint = last === null || last === undefined ? [] : [last];
    for (const [a, b] of pairs()) {
      band(past() - joint.length, [...joint, ...one.quantiles[a]], [...joint, ...one.quantiles[b]], { fill: "var(--own)", opacity: 0.16 });
    }
    for (const w of one.windows) {
      if (w.low.length) band(w.at, w.low, w.high, { fill: "var(--rival)", opacity: 0.12 });
      path(w.at, w.point, { stroke: "var(--rival)", "stroke-width": 1.5 });
    }
    path(0, one.values, { stroke: "var(--seen)", "stroke-width": 1.4 });
    path(past() - joint.length, [...joint, ...one.point], { stroke: "var(--own)", "stroke-width": 2 });
    if (cursor !== null && cursor >= from && cursor <= to) {
      make("line", { x1: x(cursor), x2: x(cursor), y1: pad.top, y2: height - pad.bottom, stroke: "var(--edge)" }, svg);
      const v = value(cursor) ?? forecast(cursor);
      if (v !== null) make("circle", { cx: x(cursor), cy: y(v), r: 4, fill: cursor < past() ? "var(--seen)" : "var(--own)" }, svg);
      say(x(cursor), width);
    } else tip.style.display = "none";
    if (pressed !== null && cursor !== null && cursor !== pressed) {
      const [a, b] = [Math.min(pressed, cursor), Math.max(pressed, cursor)];
      make("rect", { x: x(a), y: pad.top, width: x(b) - x(a), height: height - pad.top - pad.bottom, fill: "var(--own)", opacity: 0.12 }, svg);
    }
  }

  function say(at, width) {
    const k = cursor, lines = [one.times[k]];
    if (k < past()) {
      lines.push(`observed ${show(one.values[k])}`);
      for (const w of one.windows) if (k >= w.at && k < w.at + w.point.length) lines.push(`forecast ${show(w.point[k - w.at])}`);
    } else {
      lines.push(`forecast ${show(forecast(k))}`);
      const outer = pairs()[0];
      const percent = (a, b) => `${Math.round(100 * (b - a))} %`;
      if (outer) lines.push(`${percent(...outer)} interval: ${show(one.quantiles[outer[0]][k - past()])} to ${show(one.quantiles[outer[1]][k - past()])}`);
    }
    tip.textContent = lines.join("\n");
    tip.style.display = "block";
    tip.style.left = at < width / 2 ? `${at + 12}px` : "auto";
    tip.style.right = at < width / 2 ? "auto" : `${width - at + 12}px`;
  }

  function table() {
    const head = ["time", "forecast", ...levels.map((level) => `q${level}`)];
    const made = document.createElement("table"), top = made.createTHead().insertRow(), body = made.createTBody();
    for (const name of head) { const cell = document.createElement("th"); cell.textContent = name; top.appendChild(cell); }
    one.point.forEach((v, h) => {
      const row = body.insertRow();
      for (const text of [one.times[past() + h], show(v), ...levels.map((level) => show(one.quantiles[level][h]))]) row.insertCell().textContent = text;
    });
    numbers.replaceChildren(made);
  }

  const place = (event) => {
    const box = chart.getBoundingClientRect();
    const share = (event.clientX - box.left - pad.left) / Math.max(1, box.width - pad.left - pad.right);
    return Math.max(from, Math.min(to, Math.round(from + share * (to - from))));
  };
  const whole = () => { from = 0; to = one.times.length - 1; };
  const zoom = (by) => { // about the cursor, else about where the forecast begins
    const end = one.times.length - 1, span = Math.min(end, Math.max(4, Math.round((to - from) * by)));
    from = Math.max(0, Math.min(end - span, Math.round((cursor ?? past()) - span / 2)));
    to = from + span;
  };
  chart.addEventListener("pointermove", (event) => { cursor = place(event); draw(); });
  chart.addEventListener("pointerleave", () => { cursor = null; pressed = null; draw(); });
  chart.addEventListener("pointerdown", (event) => { pressed = place(event); });
  chart.addEventListener("pointerup", (event) => {
    const end = place(event);
    if (pressed !== null && Math.abs(end - pressed) >= 3) [from, to] = [Math.min(pressed, end), Math.max(pressed, end)];
    pressed = null;
    draw();
  });
  chart.addEventListener("dblclick", () => { whole(); draw(); });
  chart.addEventListener("keydown", (event) => {
    if (event.key === "+" || event.key === "-") { zoom(event.key === "+" ? 0.5 : 2); event.preventDefault(); draw(); return; }
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step === undefined) return;
    cursor = Math.max(from, Math.min(to, (cursor ?? past() - 1) + step));
    event.preventDefault();
    draw();
  });
  document.getElementById("all").addEventListener("click", () => { whole(); draw(); });
  which?.addEventListener("change", () => { one = series[Number(which.value)]; whole(); cursor = null; draw(); table(); });
  window.addEventListener("resize", draw);
  draw();
  table();
})();
