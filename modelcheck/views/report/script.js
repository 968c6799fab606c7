"use strict";
// Shows one trace, step by step. A trace is read only when it is first asked for.
(() => {
  const $ = (id) => document.getElementById(id);
  const sources = new Map(
    [...document.querySelectorAll("script.trace")].map((node) => [node.dataset.name, node]),
  );
  const names = [...sources.keys()];
  const title = document.title;
  const wide = matchMedia("(min-width: 60rem)");
  let trace = null; // {name, doc, frames, rows}
  let step = 0;
  let timer = 0;
  let opener = null;

  function node(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) {
      if (value !== undefined && value !== null && value !== false) made.setAttribute(key, value);
    }
    made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
    return made;
  }
  const hidden = (text) => node("span", { class: "hidden" }, text);

  // The address: #trace=NAME&step=N

  function address(name, at) {
    return `#trace=${name}` + (at === undefined ? "" : `&step=${at}`);
  }

  function plain(text) {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  }

  function wanted() {
    const found = /^#trace=([^&]*)(?:&step=(\d+))?/.exec(location.hash);
    const name = found && names.find((one) => plain(one) === plain(found[1]));
    return name && { name, step: found[2] === undefined ? Infinity : Number(found[2]) };
  }

  function follow() {
    const target = wanted();
    $("unknown").hidden = Boolean(target) || !location.hash.startsWith("#trace=");
    if (!target) return overview();
    if (!trace || trace.name !== target.name) open(target.name);
    if ($("viewer").hidden) {
      opener = document.activeElement;
      $("overview").hidden = true;
      $("viewer").hidden = false;
      scrollTo(0, 0);
      $("trace-title").focus({ preventScroll: true });
    }
    go(target.step, false);
  }

  function overview() {
    if ($("overview").hidden) {
      play(false);
      $("viewer").hidden = true;
      $("overview").hidden = false;
      document.title = title;
      if (opener && opener.isConnected) opener.focus();
      $(location.hash.slice(1))?.scrollIntoView();
    }
  }

  // A trace says of each frame only what is new in it.

  function expand(doc) {
    let now = { sites: [], cells: {}, cpus: [] };
    return doc.frames.map((frame) => {
      now = {
        sites: Object.assign([...now.sites], frame.sites),
        cells: Object.assign({ ...now.cells }, frame.cells),
        cpus: Object.assign([...now.cpus], frame.cpus),
      };
      return { ...frame, ...now };
    });
  }

  function open(name) {
    const doc = JSON.parse(sources.get(name).textContent);
    trace = { name, doc, frames: expand(doc), rows: [] };
    document.title = `${doc.title}: ${doc.property}`;
    $("trace-title").replaceChildren(doc.title, " ", node("code", { class: "dim" }, doc.spec));
    $("trace-property").textContent = doc.property;
    $("trace-why").textContent = doc.then ? `${doc.why} Then ${doc.then}.` : doc.why;
    $("trace-meaning").textContent = doc.meaning && `The property: ${doc.meaning}`;
    $("trace-bug").hidden = !doc.bug;
    $("trace-bug").textContent = doc.bug;
    programs(doc);
    const setting = [...doc.setting, doc.search];
    $("trace-setting").replaceChildren(...setting.map((text) => node("li", {}, text)));
    const at = names.indexOf(name);
    for (const [id, other] of [["previous-trace", at - 1], ["next-trace", at + 1]]) {
      const there = names[(other + names.length) % names.length];
      $(id).href = address(there);
      $(id).title = plain(there);
    }
    $("slider").max = trace.frames.length - 1;
    lanes();
  }

  // The programs, beside those of the protocol that this one was made from.

  function programs(doc) {
    const tags = { same: "span", changed: "ins", new: "ins", missing: "del" };
    const told = { same: "", changed: " (changed)", new: "", missing: "" };
    $("programs").replaceChildren(
      ...doc.programs.map(([name, steps]) =>
        node("div", {}, node("dt", {}, name), node("dd", {},
          steps.map(([mark, label, does], i) => [
            i ? node("span", { class: "dim", "aria-hidden": true }, " → ") : null,
            node(
              tags[mark],
              {
                class: "program-step",
                "data-program": name,
                "data-label": mark === "missing" ? null : label,
                title: does,
              },
              label + told[mark],
            ),
          ]))),
      ),
    );
  }

  // Marks the step of a program that a frame is; a patcher's steps are those of its own program.
  function mark(frame, actor) {
    const patchers = frame.cpus.map((cpu) => cpu.program);
    const own = patchers.includes(actor);
    for (const one of $("programs").querySelectorAll(".program-step")) {
      const { label, program } = one.dataset;
      const same = frame.label && (frame.label === label || frame.label.startsWith(`${label}/`));
      const here = own ? program === actor : !patchers.includes(program);
      one.classList.toggle("at", Boolean(same && here));
    }
  }

  // Swim lanes: a row for each step, a column for each actor. Lines are made of pieces, one in each
  // row that they pass, so that they fit whatever the rows' heights are, on paper too.

  function lanes() {
    const { doc, frames } = trace;
    const count = doc.lanes.length;
    const head = node(
      "div",
      { class: "row head" },
      node("span", { class: "number" }, "step"),
      node("div", { class: "lane-row" }, doc.lanes.map((name) => node("b", {}, name))),
      node("span", { class: "line-number" }, "line"),
    );
    const list = node("ol", { class: "rows" });
    trace.rows = frames.map((frame, at) => {
      const row = laneRow(frame, at);
      list.append(row);
      return row;
    });
    connect();
    $("lines").hidden = !list.querySelector(".piece");
    $("lanes").style.setProperty("--lanes", count);
    const lives = doc.lanes.map((_, at) => node("i", { class: "life", style: `--lane: ${at}` }));
    $("lanes").replaceChildren(head, node("div", { class: "lives" }, lives, list));
  }

  function laneRow(frame, at) {
    const { doc } = trace;
    const row = node("li", { class: "row" + (frame.loop ? " loop" : ""), "data-step": at });
    const lane = node("div", { class: "lane-row" });
    if (at === 0) {
      lane.append(node("span", { class: "start" }, frame.does));
    } else {
      lane.append(node("div", { class: "box", style: `grid-column: ${frame.actor + 1}` }, box(at)));
    }
    if (at && at === trace.frames.length - 1) row.classList.add("violation");
    if (doc.loop !== null && at === doc.loop + 1) row.classList.add("loop-start");
    const [file, line] = frame.source ? frame.source.split(/:(?=\d+$)/) : [];
    row.append(
      node("a", { class: "number", href: address(trace.name, at), "aria-label": `step ${at}` }, at),
      lane,
      node("span", { class: "line-number", title: file && `${file}, line ${line}` }, line || ""),
    );
    row.addEventListener("click", (event) => {
      if (!event.target.closest("a") && getSelection().isCollapsed) go(at);
    });
    return row;
  }

  function box(at) {
    const frame = trace.frames[at];
    const parts = [hidden(`${trace.doc.lanes[frame.actor]}: `)];
    if (frame.label) parts.push(node("b", {}, frame.label), ": ");
    parts.push(frame.does);
    if (frame.ran && frame.ran.text) parts.push(node("code", { class: "ran" }, frame.ran.text));
    frame.sites.forEach((site, number) => {
      const old = trace.frames[at - 1].sites[number].data.split(" ");
      if (old.join(" ") === site.data) return;
      const form = trace.doc.sites[number];
      parts.push(
        node(
          "span",
          { class: "bytes" },
          hidden(`${form.name} becomes `),
          site.data.split(" ").map((byte, i) => byteNode(form, i, byte, byte !== old[i])),
        ),
      );
    });
    for (const [kind, sender, sent] of frame.from || []) {
      parts.push(hidden(`; ${kind}, from ${trace.doc.lanes[sender]} in step ${sent}`));
    }
    return parts;
  }

  const TOLD = ["IPI", "stop", "go on"];

  function connect() {
    const { frames, rows } = trace;
    const lost = new Map();
    frames.forEach((frame, at) => {
      for (const [kind, other, sent] of frame.from || []) {
        const told = TOLD.includes(kind);
        line(kind, told, told ? frame.actor : other, told ? other : frame.actor, sent, at);
        if (told) lost.delete(`${sent} ${frame.actor}`);
      }
      for (const lane of frame.to || []) lost.set(`${at} ${lane}`, [lane, frame.actor, at]);
    });
    for (const [lane, sender, sent] of lost.values()) {
      line("not taken", true, lane, sender, sent, rows.length, " lost");
    }
  }

  // A line runs down beside the CPU's boxes, in lane `own`; `other` is the lane of who sends what
  // is told, or of who awaits the answer.
  function line(kind, told, own, other, from, to, more = "") {
    const n = trace.doc.lanes.length;
    const x = `(${own} / ${n} * 100% + ${told ? 6 : 15}px)`;
    const left = other < own;
    const edge = left
      ? `((${other} + 1) / ${n} * 100% - 8px)`
      : `(${other} / ${n} * 100% + 26px)`;
    const reach = left
      ? `left: calc${edge}; right: calc(100% - ${x})`
      : `left: calc${x}; right: calc(100% - ${edge})`;
    const side = left ? "right" : "left";
    const stub = `left: calc${x}; width: ${told ? 19 : 10}px`;
    const first = told ? [`leave ${side}`, reach] : ["leave left near", stub];
    const last = told ? ["enter left near", stub] : [`enter ${side}`, reach];
    for (let at = from; at <= to && at < trace.rows.length; at++) {
      const between = at === to ? last : ["pass", `left: calc${x}`];
      const [part, place] = at === from ? first : between;
      const kinds = `piece ${told ? "told" : "answer"}${more} ${part}`;
      const piece = node("i", { class: kinds, style: place, title: kind });
      trace.rows[at].querySelector(".lane-row").append(piece);
    }
  }

  // One step.

  function go(to, write = true) {
    step = Math.max(0, Math.min(trace.frames.length - 1, to));
    const last = trace.frames.length - 1;
    trace.rows.forEach((row, at) => {
      row.classList.toggle("current", at === step);
      row.classList.toggle("future", at > step);
      if (at === step) row.setAttribute("aria-current", "step");
      else row.removeAttribute("aria-current");
    });
    const frame = trace.frames[step];
    const actor = trace.doc.lanes[frame.actor];
    const slider = $("slider");
    slider.value = step;
    slider.setAttribute("aria-valuetext", `step ${step} of ${last}: ${actor || ""} ${frame.does}`);
    $("position").textContent = `${step} / ${last}`;
    $("first").disabled = $("back-one").disabled = step === 0;
    $("last").disabled = $("on-one").disabled = step === last;
    if (step === last) play(false);
    mark(frame, actor);
    $("now").replaceChildren(...now(frame, actor, last));
    $("bytes").replaceChildren(...trace.doc.sites.map((site, n) => siteTable(frame, site, n)));
    $("cells").replaceChildren(...idle(frame), ...cells(frame));
    const row = trace.rows[step];
    if (write) {
      history.replaceState(null, "", address(trace.name, step));
      if (wide.matches) row.scrollIntoView({ block: "nearest" });
    } else {
      const box = $("lanes").parentElement;
      box.scrollTop = row.offsetTop - box.clientHeight / 2;
    }
  }

  function now(frame, actor, last) {
    const parts = [
      node(
        "h2",
        {},
        step ? `Step ${step} of ${last}: ` : "",
        step ? node("span", { class: "actor" }, actor) : frame.does,
        step === last && trace.doc.verb ? node("span", { class: "broken" }, ` ${trace.doc.verb} ${trace.doc.property}`) : null,
      ),
    ];
    if (!step) return parts;
    parts.push(
      node(
        "p",
        { class: "does" },
        frame.label ? node("b", {}, `${frame.label}: `) : null,
        frame.does,
        frame.ran && frame.ran.text ? [" ", node("code", {}, frame.ran.text)] : null,
      ),
    );
    if (frame.source) {
      const text = trace.doc.lines[frame.source];
      parts.push(
        node(
          "p",
          { class: "source" },
          node("span", { class: "dim" }, frame.source),
          text ? node("code", {}, text) : null,
        ),
      );
    }
    const told = (frame.to || []).map((lane) => trace.doc.lanes[lane]);
    if (told.length) parts.push(node("p", { class: "dim" }, `Tells ${told.join(", ")}.`));
    for (const [kind, sender, sent] of frame.from || []) {
      const who = trace.doc.lanes[sender];
      const says = TOLD.includes(kind)
        ? `Takes note of: ${kind}, sent by ${who} in step ${sent}.`
        : `${who}: ${kind} in step ${sent}.`;
      parts.push(node("p", { class: "dim" }, says));
    }
    return parts;
  }

  // What a byte is: of the old form, of the new one, of both, or of neither.
  function kindOf(site, at, byte) {
    const old = site.forms[0].data.split(" ")[at] === byte;
    const fresh = site.forms[1].data.split(" ")[at] === byte;
    return old && fresh ? "same" : old ? "old" : fresh ? "new" : "other";
  }

  function byteNode(site, at, byte, changed, stale) {
    const kind = kindOf(site, at, byte) + (changed ? " changed" : "") + (stale ? " stale" : "");
    return node("b", { class: `byte ${kind}` }, byte, changed ? hidden(" changed") : null);
  }

  function reads(listing, split) {
    return listing.map(([at, text]) =>
      node("div", {}, split ? node("span", { class: "dim" }, `+${at} `) : null, text || "–"),
    );
  }

  function siteTable(frame, site, number) {
    const before = trace.frames[Math.max(0, step - 1)];
    const memory = frame.sites[number];
    const was = before.sites[number].data.split(" ");
    const here = memory.data.split(" ");
    const split = memory.listing.length > 1;
    const body = node("tbody");
    const row = (kind, heads, tds, text) =>
      body.append(
        node(
          "tr",
          { class: kind },
          node("th", { scope: "row" }, heads),
          tds,
          node("td", { class: "reads" }, text),
        ),
      );
    const form = (one) =>
      row(
        "form",
        [one.name],
        one.data.split(" ").map((byte, i) => node("td", {}, byteNode(site, i, byte))),
        reads(one.listing, split),
      );
    form(site.forms[0]);
    row(
      "memory",
      ["in memory"],
      here.map((byte, i) =>
        node("td", { title: memory.by[i] ? `written in step ${memory.by[i]}` : "as before" },
          byteNode(site, i, byte, byte !== was[i])),
      ),
      reads(memory.listing, split),
    );
    frame.cpus.forEach((cpu, at) => {
      // Of a CPU that fetches in this step, what it could see when it did.
      const fetches = isActing(cpu, frame) && frame.ran && frame.ran.by.length > 0;
      const shown = fetches ? before.cpus[at] : cpu;
      const tds = cpuRow(shown, before.cpus[at], site, number, here);
      const status = shown.status.map((text) => node("div", {}, text));
      if (tds) row("cpu", cpuHead(cpu, frame, fetches), tds, status);
    });
    if (frame.ran && frame.ran.site === site.name && frame.ran.data) ran(frame, site, here, row);
    form(site.forms[1]);
    return node(
      "figure",
      { class: "site" },
      node("figcaption", {}, node("b", {}, site.name), " ", node("span", { class: "dim" }, site.address)),
      node(
        "div",
        { class: "scroll", tabindex: 0, role: "region", "aria-label": `bytes of ${site.name}` },
        node(
          "table",
          { class: "bytes-table" },
          node("thead", {}, node("tr", {}, node("td", {}, ""),
            here.map((_, i) => node("th", { scope: "col" }, `+${i}`)),
            node("th", { scope: "col", class: "reads" }, "reads as"))),
          body,
        ),
      ),
    );
  }

  function isActing(cpu, frame) {
    const actor = trace.doc.lanes[frame.actor];
    return step > 0 && (actor === cpu.name || actor === cpu.program);
  }

  function cpuHead(cpu, frame, fetches) {
    const kind = isActing(cpu, frame) ? "actor" : "";
    return [
      node("span", { class: kind }, `${cpu.name} ${fetches ? "could" : "may"} see`),
      cpu.program ? node("small", {}, `runs ${cpu.program}`) : null,
    ];
  }

  function cpuRow(cpu, was, site, number, here) {
    if (!cpu.executes) return null;
    if (!cpu.windows) {
      const text = "nothing before it serialises";
      return [node("td", { colspan: here.length, class: "nothing" }, text)];
    }
    const old = was.windows ? was.windows[number].split(" ") : null;
    return cpu.windows[number].split(" ").map((values, i) => {
      const changed = old !== null && old[i] !== values;
      const each = values.split(",").map((byte) =>
        byteNode(site, i, byte, false, byte !== here[i]));
      const cell = node("td", { class: changed ? "moved" : "" }, each);
      if (changed) cell.append(hidden(" changed"));
      return cell;
    });
  }

  function ran(frame, site, here, row) {
    const { at, data, by, kind, text } = frame.ran;
    const bytes = data.split(" ");
    const cells = (of) => here.map((_, i) => node("td", {}, i < at ? "" : of(i - at) ?? ""));
    row(
      `ran ${kind}`,
      [`ran: ${kind}`],
      cells((i) => bytes[i] && byteNode(site, at + i, bytes[i])),
      text || "",
    );
    if (by.length) {
      row(
        "origin",
        ["written in step"],
        cells((i) => by[i] === undefined ? "" : by[i] ? String(by[i])
          : kindOf(site, at + i, bytes[i]) === "same" ? "either" : "old"),
        "",
      );
    }
  }

  // What there is to say of CPUs that have no row in the tables.
  function idle(frame) {
    return frame.cpus
      .filter((cpu) => !cpu.executes && cpu.status.length)
      .map((cpu) => node("p", { class: "status" }, `${cpu.program || cpu.name}: ${cpu.status.join("; ")}`));
  }

  function cells(frame) {
    const was = trace.frames[Math.max(0, step - 1)].cells;
    const entries = Object.entries(frame.cells);
    if (!entries.length) return [];
    return [
      node("h3", {}, "Data"),
      node(
        "dl",
        { class: "cells" },
        entries.map(([name, value]) =>
          node("div", { class: value !== was[name] ? "changed" : "" },
            node("dt", {}, name),
            node("dd", {}, value, value !== was[name] ? hidden(" changed") : null)),
        ),
      ),
    ];
  }

  // Controls.

  function play(on) {
    clearInterval(timer);
    timer = 0;
    if (on) {
      if (step === trace.frames.length - 1) go(0);
      timer = setInterval(() => go(step + 1), 900);
    }
    $("play").textContent = on ? "Pause" : "Play";
    $("play").setAttribute("aria-pressed", String(on));
  }

  function press(event) {
    const active = event.target;
    if ($("viewer").hidden || event.ctrlKey || event.altKey || event.metaKey) return;
    const moves = { ArrowLeft: step - 1, ArrowRight: step + 1, Home: 0, End: Infinity };
    if (event.key in moves && active !== $("slider")) go(moves[event.key]);
    else if (event.key === " " && !active.closest("button, a, summary")) play(!timer);
    else if (event.key === "[") $("previous-trace").click();
    else if (event.key === "]") $("next-trace").click();
    else if (event.key === "Escape") $("back").click();
    else return;
    event.preventDefault();
  }

  $("slider").addEventListener("input", () => go(Number($("slider").value)));
  $("first").addEventListener("click", () => go(0));
  $("back-one").addEventListener("click", () => go(step - 1));
  $("on-one").addEventListener("click", () => go(step + 1));
  $("last").addEventListener("click", () => go(Infinity));
  $("play").addEventListener("click", () => play(!timer));
  document.addEventListener("keydown", press);
  addEventListener("hashchange", follow);
  follow();
})();
