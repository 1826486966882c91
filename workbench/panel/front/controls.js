// controls.js: the list of tunables, one control a descriptor, in one fold a component.
// The accessible name of a control is its tunable's name, and nothing else on the page has that name.

import { fillSelect, make, setText } from "./dom.js";

const SETTLE_MS = 700;

export class ControlList {
  constructor(send, showHelp) {
    this.send = send;
    this.showHelp = showHelp;
    this.rows = new Map();
    this.gesture = 0;
    this.session = Math.random().toString(36).slice(2, 8);
    this.element = make("div", { class: "hak-groups" });
  }

  // groups: [{title, tunables: [{name, label, kind, unit, ...}]}]
  setControls(groups) {
    const open = new Set([...this.element.querySelectorAll("details[open]")].map((fold) => fold.dataset.title));
    const isFirst = this.rows.size === 0;
    this.rows.clear();
    this.element.replaceChildren(
      ...groups.map((group, index) => {
        const count = make("span", { class: "hak-changed-count" });
        const fold = make(
          "details",
          { class: "hak-group", "data-title": group.title, open: isFirst ? index === 0 : open.has(group.title) },
          make("summary", {}, make("span", { class: "hak-group-title" }, group.title), count),
          ...group.tunables.map((tunable) => this.makeRow(tunable, group.title)),
        );
        return fold;
      }),
    );
  }

  makeRow(tunable, group) {
    const row = { tunable, group, isMoving: false, isTyping: false, typed: null };
    row.problem = make("div", { class: "hak-problem", role: "alert" });
    row.effective = make("span", { class: "hak-effective" });
    row.reset = make(
      "button",
      {
        type: "button",
        class: "hak-icon",
        "aria-label": `Reset ${tunable.name}`,
        title: `Back to the default, ${tunable.default_text}`,
        onclick: () => this.send({ type: "reset", name: tunable.name }),
      },
      "↺",
    );
    const badge = tunable.effect === "live" ? null : make("span", { class: "hak-badge" }, tunable.effect_text);
    const head = make("div", { class: "hak-control-head" }, make("span", { class: "hak-name" }, tunable.label));
    row.element = make("div", { class: "hak-control", "data-name": tunable.name });
    row.element.addEventListener("pointerenter", () => this.showHelp(tunable));
    row.element.addEventListener("focusin", () => this.showHelp(tunable));
    if (tunable.kind === "bool") row.input = this.makeSwitch(row);
    else if (tunable.kind === "choice") row.input = this.makeChoice(row);
    else row.input = this.makeSlider(row);
    row.input.setAttribute("aria-label", tunable.name);
    row.input.disabled = false;
    if (row.entry) {
      const entry = make("span", { class: "hak-entry" }, row.entry, make("span", { class: "hak-unit" }, tunable.unit));
      head.append(entry, row.reset);
      row.element.append(head, this.wrapSlider(row));
    } else {
      head.append(row.input, row.reset);
      row.element.append(head);
    }
    row.element.append(make("div", { class: "hak-note" }, row.effective, badge), row.problem);
    this.rows.set(tunable.name, row);
    return row.element;
  }

  makeSwitch(row) {
    return make("input", {
      type: "checkbox",
      role: "switch",
      class: "hak-switch",
      onchange: (event) => this.sendText(row, event.target.checked ? "on" : "off"),
    });
  }

  makeChoice(row) {
    const select = make("select", { onchange: (event) => this.sendText(row, event.target.value) });
    fillSelect(select, row.tunable.choices.map((choice) => ({ value: choice, label: choice })));
    return select;
  }

  makeSlider(row) {
    const { tunable } = row;
    row.entry = make("input", {
      type: "text",
      inputmode: "decimal",
      class: "hak-number",
      title: `Exact value, ${tunable.range_text}`,
      "aria-label": `${tunable.name}, exact value`,
      spellcheck: "false",
      autocomplete: "off",
      oninput: () => {
        row.isTyping = true;
      },
      onchange: () => this.enterText(row),
      onkeydown: (event) => {
        if (event.key === "Enter" && row.isTyping) this.enterText(row);
        else if (event.key === "Escape") this.dropText(row);
      },
    });
    const limits = tunable.stops
      ? { min: "0", max: String(tunable.stops.length - 1), step: "1" }
      : { min: String(tunable.minimum), max: String(tunable.maximum), step: String(tunable.step) };
    return make("input", {
      type: "range",
      ...limits,
      oninput: () => this.moveSlider(row),
      onchange: () => this.dropSlider(row),
    });
  }

  // What was typed stays until it is answered, and if it is refused until it is changed or dropped.
  enterText(row) {
    if (!row.isTyping) return;
    row.isTyping = false;
    row.typed = row.entry.value;
    this.sendText(row, row.typed);
  }

  dropText(row) {
    const isRefused = row.problem.textContent !== "";
    row.isTyping = false;
    row.typed = null;
    this.showValue(row, row.value);
    if (isRefused) this.send({ type: "set", name: row.tunable.name, value: row.value, gesture: "" });
  }

  wrapSlider(row) {
    const { tunable } = row;
    const mark = make("span", { class: "hak-default-mark", title: `Default: ${tunable.default_text}` });
    const low = tunable.stops ? 0 : tunable.minimum;
    const high = tunable.stops ? tunable.stops.length - 1 : tunable.maximum;
    const share = high > low ? (this.positionOf(tunable, tunable.default) - low) / (high - low) : 0;
    mark.style.setProperty("--hak-share", share);
    return make("div", { class: "hak-slider" }, mark, row.input);
  }

  // Every step of a drag is sent as it happens; its gesture makes them one entry of the log.
  moveSlider(row) {
    clearTimeout(row.settling);
    row.isTyping = false;
    row.typed = null;
    if (!row.isMoving) {
      row.isMoving = true;
      this.gesture += 1;
    }
    row.moved = `${this.session}.${this.gesture}`;
    const value = this.sliderValue(row);
    row.entry.value = this.entryText(row.tunable, value);
    this.describeSlider(row, value);
    if (row.waiting) return;
    row.waiting = setTimeout(() => {
      row.waiting = null;
      this.sendValue(row, this.sliderValue(row));
    }, 60);
  }

  // Keys come one by one, each with its own end: those close together are one gesture too. Until it is
  // over the control shows what the hand does, not what the kernel said a moment ago.
  dropSlider(row) {
    if (row.waiting) clearTimeout(row.waiting);
    row.waiting = null;
    this.sendValue(row, this.sliderValue(row));
    clearTimeout(row.settling);
    row.settling = setTimeout(() => {
      row.isMoving = false;
      this.showValue(row, row.value);
    }, SETTLE_MS);
  }

  sendValue(row, value) {
    this.send({ type: "set", name: row.tunable.name, value, gesture: row.moved || "" });
  }

  sendText(row, text) {
    this.send({ type: "set", name: row.tunable.name, text, gesture: "" });
  }

  sliderValue(row) {
    const position = Number(row.input.value);
    return row.tunable.stops ? row.tunable.stops[position] : position;
  }

  positionOf(tunable, value) {
    if (!tunable.stops) return value;
    let best = 0;
    tunable.stops.forEach((stop, index) => {
      if (Math.abs(stop - value) < Math.abs(tunable.stops[best] - value)) best = index;
    });
    return best;
  }

  entryText(tunable, value) {
    return tunable.kind === "real" ? String(Number(value.toPrecision(6))) : String(value);
  }

  describeSlider(row, value) {
    const unit = row.tunable.unit ? ` ${row.tunable.unit}` : "";
    row.input.setAttribute("aria-valuetext", `${this.entryText(row.tunable, value)}${unit}`);
    row.input.style.setProperty("--hak-fill", this.shareOf(row));
  }

  shareOf(row) {
    const { min, max, value } = row.input;
    return Number(max) > Number(min) ? (Number(value) - Number(min)) / (Number(max) - Number(min)) : 0;
  }

  // values: {name: {requested, note, is_default, is_pending, problem, answers}}
  setValues(values) {
    for (const [name, state] of Object.entries(values)) {
      const row = this.rows.get(name);
      if (!row) continue;
      row.value = state.requested;
      const isAnswered = state.answers !== row.answers || row.problem.textContent !== "";
      row.answers = state.answers;
      if (isAnswered && state.problem === "") row.typed = null;
      if (!row.isMoving) this.showValue(row, state.requested);
      setText(row.effective, state.note);
      row.effective.classList.toggle("hak-pending", state.is_pending);
      row.element.classList.toggle("hak-is-default", state.is_default);
      row.reset.disabled = state.is_default;
      setText(row.problem, state.problem);
      row.element.classList.toggle("hak-has-problem", state.problem !== "");
      if (row.entry) row.entry.setAttribute("aria-invalid", String(state.problem !== ""));
    }
    for (const fold of this.element.querySelectorAll("details")) {
      const changed = fold.querySelectorAll(".hak-control:not(.hak-is-default)").length;
      setText(fold.querySelector(".hak-changed-count"), changed ? `${changed} changed` : "");
    }
  }

  showValue(row, value) {
    const { tunable, input, entry } = row;
    if (tunable.kind === "bool") input.checked = value;
    else if (tunable.kind === "choice") input.value = value;
    else {
      const position = String(this.positionOf(tunable, value));
      if (input.value !== position) input.value = position;
      if (!row.isTyping && row.typed === null) entry.value = this.entryText(tunable, value);
      this.describeSlider(row, value);
    }
  }

  setReadOnly(reason) {
    for (const row of this.rows.values()) {
      row.input.disabled = reason !== "";
      if (row.entry) row.entry.disabled = reason !== "";
    }
  }
}
