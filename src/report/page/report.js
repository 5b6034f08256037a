"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { texts, pods, nodes, faults, why, actions, end } = data;
  const tones = ["pending", "waiting", "pulling", "running", "ready", "stopping", "backoff", "done", "failed", "unknown"];
  // A text may leave a place for the name of what it is about.
  const say = (text, name) => (name === undefined ? texts[text] : texts[text].replaceAll("\u0001", name));
  const nameOf = (pod) => pod.k.slice(pod.k.indexOf("/") + 1);
  const $ = (id) => document.getElementById(id);
  const LEFT = 230, RIGHT = 150, HEAD = 26, CROWD = 120, ROW = { node: 24, pod: 20, container: 15, fault: 17 };

  // Times as people write them.
  const time = (ms) => {
    if (ms < 1) return ms === 0 ? "0" : ms.toFixed(2) + "ms";
    if (ms < 1000) return +ms.toFixed(1) + "ms";
    const s = ms / 1000;
    if (s < 60) return +s.toFixed(3) + "s";
    const h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60, rest = +(s % 60).toFixed(2);
    return (h ? h + "h" : "") + (m ? m + "m" : "") + (rest && !h ? rest + "s" : "");
  };

  // Rows: faults, nodes, their pods, the containers of those; of nodes that are closed, and what is not looked for, none.
  const groups = [...nodes.map((node, n) => ({ node, n })), { node: { name: "not bound to a node", down: [], cordoned: [] }, n: null }];
  for (const group of groups) group.pods = [];
  for (const pod of pods) groups[pod.n === null ? groups.length - 1 : pod.n].pods.push(pod);
  const natural = new Intl.Collator("en", { numeric: true }).compare;
  groups.sort((a, b) => (a.n === null) - (b.n === null) || natural(a.node.name, b.node.name));
  const MANY = 400;
  for (const group of groups) group.closed = pods.length > MANY;
  let rows = [], tall = 0, wanted = [];
  const lay = () => {
    rows = [];
    let y = 0;
    const put = (kind, what) => {
      const h = ROW[kind] + (what.container && what.container.m.length ? 8 : 0);
      rows.push({ kind, y, h, ...what });
      y += h;
    };
    for (const fault of faults) if (wanted.every((word) => fault.name.toLowerCase().includes(word))) put("fault", { fault });
    if (rows.length) y += 6;
    for (const group of groups) {
      const { node } = group;
      const mine = wanted.length ? group.pods.filter((pod) => wanted.every((word) => (pod.k + " " + pod.s + " " + node.name).toLowerCase().includes(word))) : group.pods;
      if (!mine.length && (wanted.length || !node.down.length && !node.cordoned.length)) continue;
      const closed = group.closed && !wanted.length;
      put("node", { node, group, closed, count: mine.length });
      if (closed) continue;
      for (const pod of mine) {
        put("pod", { pod });
        for (const container of pod.c) put("container", { pod, container });
        y += 4;
      }
    }
    tall = y + HEAD + 12;
    $("rows").style.height = tall + "px";
  };
  // How many of a node's pods are ready, from when on.
  const readiness = (group) => group.ready ??= (() => {
    const moves = group.pods.flatMap((pod) => pod.p.filter((span) => span[2] === 4).flatMap(([a, b]) => [[a, 1], [b, -1]]));
    moves.sort((a, b) => a[0] - b[0]);
    let now = 0;
    const steps = moves.map(([t, by]) => [t, (now += by)]);
    return { steps, most: Math.max(1, ...steps.map((step) => step[1])) };
  })();

  // The timeline.
  const box = $("timeline"), canvas = box.querySelector("canvas"), pen = canvas.getContext("2d");
  lay();
  box.style.height = Math.min(tall + 4, Math.max(260, Math.min(window.innerHeight * 0.66, 680))) + "px";
  let from = 0, to = end;
  const css = {};
  const x = (ms) => LEFT + ((ms - from) / (to - from)) * (canvas.clientWidth - LEFT - RIGHT);
  const at = (px) => from + ((px - LEFT) / (canvas.clientWidth - LEFT - RIGHT)) * (to - from);
  const colours = () => {
    const style = getComputedStyle(document.documentElement);
    for (const name of [...tones, "ink", "soft", "paper", "shade", "rule", "warm"]) css[name] = style.getPropertyValue("--" + name).trim();
  };
  const clip = (text, width) => {
    if (pen.measureText(text).width <= width) return text;
    let keep = text.length - 1;
    const cut = () => text.slice(0, Math.ceil(keep / 2)) + "…" + text.slice(text.length - Math.floor(keep / 2));
    while (keep > 2 && pen.measureText(cut()).width > width) keep--;
    return cut();
  };
  const steps = [.1, .2, .5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 1.5e4, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 144e5, 216e5, 432e5, 864e5];
  const bars = (spans, top, height, ended) => {
    for (const [a, b, tone] of spans) {
      if (b < from || a > to) continue;
      const l = Math.max(x(a), LEFT), r = Math.min(x(b), canvas.clientWidth - RIGHT);
      const thin = ended && (tone === 7 || tone === 8);
      pen.fillStyle = css[tones[tone]];
      pen.fillRect(l, thin ? top + height / 2 - 1.5 : top, Math.max(r - l, 1), thin ? 3 : height);
      if (tone === 6) {
        pen.save(); pen.beginPath(); pen.rect(l, top, Math.max(r - l, 1), height); pen.clip();
        pen.strokeStyle = css.failed; pen.globalAlpha = .45; pen.lineWidth = 1.2; pen.beginPath();
        for (let i = l - height; i < r; i += 6) { pen.moveTo(i, top + height); pen.lineTo(i + height, top); }
        pen.stroke(); pen.restore();
      }
    }
  };
  // What is too short to be seen between two spans gets two pixels: a restart is not to be missed.
  const notches = (spans, top, height) => {
    for (const [a, b, tone] of spans) {
      if (b < from || a > to || tone === 3 || tone === 4 || x(b) - x(a) >= 2 || a === spans[0][0]) continue;
      pen.fillStyle = css.paper; pen.fillRect(x(a) - 1.5, top, 4, height);
      pen.fillStyle = css[tones[tone]]; pen.fillRect(x(a) - .5, top, 2, height);
    }
  };
  const heap = ({ steps, most }, top, height) => {
    pen.fillStyle = css.ready; pen.globalAlpha = .75;
    steps.forEach(([t, count], i) => {
      const till = i + 1 < steps.length ? steps[i + 1][0] : end;
      if (!count || till < from || t > to) return;
      const l = Math.max(x(t), LEFT), r = Math.min(x(till), canvas.clientWidth - RIGHT), h = height * count / most;
      pen.fillRect(l, top + height - h, Math.max(r - l, .5), h);
    });
    pen.globalAlpha = 1;
  };
  const draw = () => {
    const ratio = window.devicePixelRatio || 1, width = box.clientWidth, height = box.clientHeight;
    if (canvas.width !== width * ratio || canvas.height !== height * ratio) {
      canvas.width = width * ratio; canvas.height = height * ratio;
      canvas.style.width = width + "px"; canvas.style.height = height + "px";
      $("rows").style.marginTop = "0";
    }
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.fillStyle = css.paper; pen.fillRect(0, 0, width, height);
    const top = box.scrollTop;
    pen.textBaseline = "middle";
    const span = to - from, step = steps.find((s) => span / s <= Math.max(2, (width - LEFT - RIGHT) / 90)) || 864e5;
    pen.font = "11px system-ui, sans-serif";
    for (let t = Math.ceil(from / step) * step; t <= to + 1e-6; t += step) {
      pen.fillStyle = css.rule; pen.fillRect(x(t), HEAD - 4, 1, height);
    }
    // A dashed line for each action; where they crowd, ticks under the scale, or nothing else would be seen.
    const marks = new Set();
    for (const [t] of actions) if (t > from && t < to) marks.add(Math.round(x(t)));
    pen.fillStyle = css.soft;
    for (const mark of marks) {
      if (marks.size > CROWD) pen.fillRect(mark, HEAD - 4, 1, 4);
      else for (let i = HEAD; i < height; i += 6) pen.fillRect(mark, i, 1, 3);
    }
    let first = 0, last = rows.length;
    while (first < last) { const mid = (first + last) >> 1; if (rows[mid].y + rows[mid].h < top) first = mid + 1; else last = mid; }
    for (let i = first; i < rows.length && rows[i].y < top + height; i++) {
      const row = rows[i], line = row.y - top + HEAD, mid = line + row.h / 2;
      if (row.kind === "node") {
        pen.fillStyle = css.shade; pen.fillRect(0, line, width, row.h - 3);
        pen.fillStyle = css.ink; pen.font = "600 13px system-ui, sans-serif"; pen.fillText((row.closed ? "▸ " : "▾ ") + clip(row.node.name, LEFT - 34), 8, mid - 1);
        if (row.closed) heap(readiness(row.group), line + 2, row.h - 7);
        pen.font = "11px system-ui, sans-serif"; pen.fillStyle = css.soft; pen.fillText(row.count + (row.count === 1 ? " pod" : " pods"), width - RIGHT + 8, mid - 1);
        bars(row.node.down.map(([a, b]) => [a, b, 8]), line + 6, 8);
        bars(row.node.cordoned.map(([a, b]) => [a, b, 6]), line + 6, 8);
      } else if (row.kind === "fault") {
        pen.fillStyle = css.ink; pen.font = "600 12px system-ui, sans-serif"; pen.fillText(clip("⚡ " + row.fault.name, LEFT - 16), 8, mid);
        for (const [a, b] of row.fault.s) {
          if (b < from || a > to) continue;
          const l = Math.max(x(a), LEFT), r = Math.min(x(b), canvas.clientWidth - RIGHT);
          pen.fillRect(l, line + 3, Math.max(r - l, 1.5), row.h - 6);
        }
      } else if (row.kind === "pod") {
        pen.fillStyle = css.ink; pen.font = "600 12px system-ui, sans-serif"; pen.fillText(clip(row.pod.k.replace(/^default\//, ""), LEFT - 16), 8, mid);
        pen.font = "11px system-ui, sans-serif"; pen.fillStyle = css.soft;
        pen.fillText(clip(row.pod.s + (row.pod.r ? " · " + row.pod.r + "↻" : ""), RIGHT - 12), width - RIGHT + 8, mid);
        bars(row.pod.p, line + 2, row.h - 5);
        bars(row.pod.t.map(([a, b]) => [a, b, 5]), line + row.h - 7, 4);
      } else {
        pen.fillStyle = css.soft; pen.font = "11px system-ui, sans-serif";
        const role = row.container.o === "Regular" ? "" : " · " + row.container.o.toLowerCase();
        pen.fillText(clip(row.container.n + role, LEFT - 30), 20, line + ROW.container / 2);
        bars(row.container.s, line + 1, ROW.container - 4, true);
        notches(row.container.s, line + 1, ROW.container - 4);
        for (const [t, shape] of row.container.m) {
          if (t < from || t > to) continue;
          const c = x(t), foot = line + row.h - 3;
          pen.fillStyle = pen.strokeStyle = css.warm; pen.lineWidth = 1.4; pen.beginPath();
          if (shape === 0) { pen.moveTo(c - 3.5, foot - 4); pen.lineTo(c, foot - 7.5); pen.lineTo(c + 3.5, foot - 4); pen.lineTo(c, foot - .5); pen.closePath(); pen.fillStyle = css.paper; pen.fill(); pen.stroke(); }
          else if (shape === 1) { pen.moveTo(c - 4, foot); pen.lineTo(c + 4, foot); pen.lineTo(c, foot - 7); pen.fill(); }
          else if (shape === 2) pen.fillRect(c - 3, foot - 7, 6, 6);
          else { pen.moveTo(c - 3, foot - 6); pen.lineTo(c + 3, foot); pen.moveTo(c - 3, foot); pen.lineTo(c + 3, foot - 6); pen.stroke(); }
        }
      }
    }
    pen.fillStyle = css.paper; pen.fillRect(0, 0, width, HEAD - 3);
    pen.fillStyle = css.rule; pen.fillRect(0, HEAD - 4, width, 1);
    pen.font = "11px system-ui, sans-serif"; pen.fillStyle = css.soft; pen.textAlign = "center";
    for (let t = Math.ceil(from / step) * step; t <= to + 1e-6; t += step) pen.fillText(time(+t.toFixed(3)), x(t), 12);
    pen.textAlign = "left";
  };
  let due = false;
  const redraw = () => { if (!due) { due = true; requestAnimationFrame(() => { due = false; draw(); }); } };

  // What is under the pointer.
  const hit = (event) => {
    const rect = canvas.getBoundingClientRect(), px = event.clientX - rect.left, py = event.clientY - rect.top + box.scrollTop - HEAD;
    if (event.clientY - rect.top < HEAD) return null;
    const row = rows.find((row) => py >= row.y && py < row.y + row.h);
    if (row && row.kind === "node") return { row };
    if (!row || px < LEFT || px > canvas.clientWidth - RIGHT) return row ? { row } : null;
    const t = at(px), near = 5 * (to - from) / canvas.clientWidth;
    const mark = row.container && row.container.m.find(([m]) => Math.abs(m - t) < near);
    const spans = { pod: () => row.pod.p, container: () => row.container.s, fault: () => row.fault.s }[row.kind]();
    const about = (a, b) => a <= t && t < b || row.kind === "fault" && Math.abs(a - t) < near;
    return { row, t, mark, span: spans.find(([a, b]) => about(a, b)) };
  };
  const tip = $("tip");
  canvas.addEventListener("mousemove", (event) => {
    const found = hit(event);
    const lines = [];
    if (found && (found.span || found.mark)) {
      const { row, span, mark } = found;
      lines.push(row.fault ? row.fault.name : row.pod.k + (row.container ? " · " + row.container.n : ""));
      if (mark) lines.push(time(mark[0]) + ": " + texts[mark[2]]);
      if (span) lines.push(texts[span[3]], time(span[0]) + " – " + time(span[1]) + " (" + time(span[1] - span[0]) + ")");
    }
    tip.hidden = !lines.length;
    tip.textContent = lines.join("\n");
    tip.style.left = Math.min(event.clientX + 14, window.innerWidth - 300) + "px";
    tip.style.top = event.clientY + 16 + "px";
  });
  canvas.addEventListener("mouseleave", () => { tip.hidden = true; });
  box.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey && Math.abs(event.deltaX) < Math.abs(event.deltaY)) return;
    event.preventDefault();
    const span = to - from;
    if (event.ctrlKey || event.metaKey) return zoom(Math.exp(event.deltaY / 240), at(event.clientX - canvas.getBoundingClientRect().left));
    const by = (event.deltaX / canvas.clientWidth) * span;
    from += by; to += by;
    bound(); redraw();
  }, { passive: false });
  const zoom = (factor, pivot) => {
    const wide = Math.min(end, Math.max(1, (to - from) * factor));
    from = pivot - (pivot - from) * (wide / (to - from)); to = from + wide;
    bound(); redraw();
  };
  const bound = () => {
    const span = to - from;
    if (from < 0) { from = 0; to = span; }
    if (to > end) { to = end; from = Math.max(0, end - span); }
  };
  let drag = null;
  canvas.addEventListener("pointerdown", (event) => { drag = { x: event.clientX, y: event.clientY, from, to, top: box.scrollTop, moved: false }; if (event.isTrusted) canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const dx = event.clientX - drag.x, dy = event.clientY - drag.y;
    if (Math.abs(dx) + Math.abs(dy) > 4) drag.moved = true;
    if (!drag.moved) return;
    const by = -(dx / (canvas.clientWidth - LEFT - RIGHT)) * (drag.to - drag.from);
    from = drag.from + by; to = drag.to + by; box.scrollTop = drag.top - dy; bound(); redraw();
  });
  canvas.addEventListener("pointerup", (event) => {
    const moved = drag && drag.moved; drag = null;
    const found = moved ? null : hit(event);
    if (found && found.row.kind === "node") { found.row.group.closed = !found.row.group.closed; lay(); redraw(); }
    if (found && found.span) explain(found.span[4], (found.row.fault ? found.row.fault.name : found.row.pod.k) + ": " + texts[found.span[3]]);
  });
  box.addEventListener("scroll", redraw);
  window.addEventListener("resize", redraw);
  window.addEventListener("keydown", (event) => {
    if (event.target.tagName === "INPUT") return;
    const middle = (from + to) / 2, by = (to - from) / 5;
    if (event.key === "0") { from = 0; to = end; redraw(); }
    if (event.key === "+" || event.key === "=") zoom(.5, middle);
    if (event.key === "-") zoom(2, middle);
    if (event.target === document.body && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
      const sign = event.key === "ArrowLeft" ? -1 : 1;
      from += sign * by; to += sign * by; bound(); redraw();
    }
  });
  for (const [id, factor] of [["closer", .5], ["wider", 2]]) $(id).addEventListener("click", () => zoom(factor, (from + to) / 2));
  $("all").addEventListener("click", () => { from = 0; to = end; redraw(); });
  $("filter").addEventListener("input", () => {
    wanted = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    lay(); box.scrollTop = 0; redraw();
    $("shown").textContent = wanted.length ? rows.filter((row) => row.kind === "pod").length + " of " + pods.length + " pods" : "";
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { colours(); redraw(); });

  // The chain of causes.
  const explain = (row, title) => {
    const list = document.createElement("ol");
    const chain = [];
    for (let i = row; i >= 0; i = why[i][3]) chain.push(why[i]);
    for (const [t, who, what, , name] of chain.reverse()) {
      const item = list.appendChild(document.createElement("li"));
      item.append(Object.assign(document.createElement("time"), { textContent: time(t) }), Object.assign(document.createElement("b"), { textContent: texts[who] }), say(what, texts[name]));
    }
    $("why").hidden = false;
    $("why").querySelector("h2").textContent = "Why – " + title;
    const none = Object.assign(document.createElement("p"), { textContent: "This run is too large to hold every cause here; podsim trace why tells it." });
    $("steps").replaceChildren(chain.length ? list : none);
    list.scrollTop = list.scrollHeight;
    $("why").scrollIntoView({ block: "nearest", behavior: "smooth" });
  };

  // Events: all of them are searched, the first few hundred are shown.
  const events = pods.flatMap((pod) => pod.e.map((e) => ({ pod, e, text: null }))).sort((a, b) => a.e[0] - b.e[0]);
  const SHOWN = 400;
  const list = () => {
    const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean), only = $("warnings").checked;
    const found = events.filter((event) => {
      if (only && !event.e[1]) return false;
      event.text ??= (event.pod.k + " " + texts[event.e[2]] + " " + say(event.e[3], nameOf(event.pod))).toLowerCase();
      return words.every((word) => event.text.includes(word));
    });
    $("found").textContent = found.length + " events" + (found.length > SHOWN ? ", the first " + SHOWN + " shown" : "");
    $("events").tBodies[0].replaceChildren(...found.slice(0, SHOWN).map(({ pod, e }) => {
      const row = document.createElement("tr");
      if (e[1]) row.className = "warn";
      for (const cell of [time(e[0]), e[1] ? "Warning" : "Normal", texts[e[2]], pod.k, say(e[3], nameOf(pod)) + (e[5] > 1 ? " (×" + e[5] + ")" : "")])
        row.appendChild(document.createElement("td")).textContent = cell;
      row.addEventListener("click", () => explain(e[4], texts[e[2]] + " " + pod.k));
      return row;
    }));
  };
  $("search").addEventListener("input", list);
  $("warnings").addEventListener("change", list);

  const LISTED = 2000;
  if (pods.length > LISTED) $("listed").textContent = "The first " + LISTED + " of " + pods.length + "; pods.csv has all.";
  $("pods").tBodies[0].replaceChildren(...pods.slice(0, LISTED).map((pod) => {
    const row = document.createElement("tr");
    const cells = [pod.k, pod.n === null ? "" : nodes[pod.n].name, pod.s, pod.r, ...pod.m.map((m) => (m === null ? "" : time(m)))];
    for (const cell of cells) row.appendChild(document.createElement("td")).textContent = cell;
    return row;
  }));

  colours(); draw(); list();
  document.body.dataset.drawn = rows.length;
  window.podsim = { explain, zoom: (a, b) => { from = a; to = b; draw(); }, view: () => ({ from, to, rows }) };
})();
