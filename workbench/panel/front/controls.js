// controls.js: the list of tunables, one control a descriptor, in one fold a component.
// The accessible name of a control is its tunable's name, and nothing else on the page has that name.

import { fillSelect, make, setText } from "./dom.js";

/** @import { ControlGroup, ControlState, Request, Tunable } from "messages" */
/** @typedef {ControlState["requested"]} Value */
/** @typedef {ReturnType<typeof setTimeout>} Timer */

/**
 * What belongs to one tunable. `input` is its switch, its choice or its slider, beside which stands the
 * `entry` for exact values; the text `typed` in it stays until it is answered.
 * @typedef {{
 *   tunable: Tunable,
 *   element: HTMLElement,
 *   problem: HTMLElement,
 *   effective: HTMLElement,
 *   reset: HTMLButtonElement,
 *   input: HTMLInputElement | HTMLSelectElement,
 *   slider?: HTMLInputElement,
 *   entry?: HTMLInputElement,
 *   value: Value,
 *   answers: number,
 *   isMoving: boolean,
 *   isTyping: boolean,
 *   typed: string | null,
 *   gesture: string,
 *   waiting?: Timer,
 *   settling?: Timer,
 * }} Row
 */

const SETTLE_MS = 700;
const SEND_MS = 60; // between two steps of a drag

export class ControlList {
  /** @param {(message: Request) => void} send @param {(tunable: Tunable) => void} showHelp */
  constructor(send, showHelp) {
    this.send = send;
    this.showHelp = showHelp;
    /** @type {Map<string, Row>} */
    this.rows = new Map();
    this.gestures = 0;
    this.session = Math.random().toString(36).slice(2, 8);
    this.element = make("div", { class: "hak-groups" });
  }

  /** @param {ControlGroup[]} groups */
  setControls(groups) {
    const folds = [...this.element.querySelectorAll("details")];
    const open = new Set(folds.filter((fold) => fold.open).map((fold) => fold.dataset.title));
    const isFirst = this.rows.size === 0;
    this.rows.clear();
    this.element.replaceChildren(
      ...groups.map((group, index) =>
        make(
          "details",
          { class: "hak-group", "data-title": group.title, open: isFirst ? index === 0 : open.has(group.title) },
          make("summary", {}, make("span", { class: "hak-group-title" }, group.title), make("span", { class: "hak-changed-count" })),
          ...group.tunables.map((tunable) => this.makeRow(tunable).element),
        ),
      ),
    );
  }

  /** @param {Tunable} tunable */
  makeRow(tunable) {
    const { name } = tunable;
    /** @type {Row} */
    const row = {
      tunable,
      element: make("div", { class: "hak-control", "data-name": name }),
      problem: make("div", { class: "hak-problem", role: "alert" }),
      effective: make("span", { class: "hak-effective" }),
      reset: make(
        "button",
        {
          type: "button",
          class: "hak-icon",
          "aria-label": `Reset ${name}`,
          title: `Back to the default, ${tunable.default_text}`,
          onclick: () => this.send({ type: "reset", name }),
        },
        "↺",
      ),
      input: tunable.type === "choice" ? make("select") : make("input"),
      value: tunable.default,
      answers: 0,
      isMoving: false,
      isTyping: false,
      typed: null,
      gesture: "",
    };
    row.element.addEventListener("pointerenter", () => this.showHelp(tunable));
    row.element.addEventListener("focusin", () => this.showHelp(tunable));
    const badge = tunable.effect === "live" ? null : make("span", { class: "hak-badge" }, tunable.effect_text);
    const head = make("div", { class: "hak-control-head" }, make("span", { class: "hak-name" }, name));
    if (tunable.type === "bool") row.input = this.makeSwitch(name);
    else if (tunable.type === "choice") row.input = this.makeChoice(tunable);
    else {
      row.input = row.slider = this.makeSlider(row);
      row.entry = this.makeEntry(row);
    }
    row.input.setAttribute("aria-label", name);
    if (row.slider && row.entry) {
      head.append(make("span", { class: "hak-entry" }, row.entry, make("span", { class: "hak-unit" }, tunable.unit)), row.reset);
      row.element.append(head, this.wrapSlider(tunable, row.slider));
    } else {
      head.append(row.input, row.reset);
      row.element.append(head);
    }
    row.element.append(make("div", { class: "hak-note" }, row.effective, badge), row.problem);
    this.rows.set(name, row);
    return row;
  }

  /** @param {string} name */
  makeSwitch(name) {
    const input = make("input", {
      type: "checkbox",
      role: "switch",
      class: "hak-switch",
      onchange: () => this.send({ type: "set", name, value: input.checked }),
    });
    return input;
  }

  /** @param {Tunable} tunable */
  makeChoice({ name, choices }) {
    const select = make("select", { onchange: () => this.send({ type: "set", name, value: select.value }) });
    fillSelect(select, choices.map((choice) => ({ value: choice, label: choice })));
    return select;
  }

  /** @param {Row} row */
  makeEntry(row) {
    return make("input", {
      type: "text",
      inputmode: "decimal",
      class: "hak-number",
      title: `Exact value, ${row.tunable.range_text}`,
      "aria-label": `${row.tunable.name}, exact value`,
      spellcheck: "false",
      autocomplete: "off",
      oninput: () => {
        row.isTyping = true;
      },
      onchange: () => this.enterText(row),
      onkeydown: (event) => {
        if (event.key === "Enter") this.enterText(row);
        else if (event.key === "Escape") this.dropText(row);
      },
    });
  }

  /** @param {Row} row */
  makeSlider(row) {
    const { stops, minimum, maximum, step } = row.tunable;
    const limits = stops
      ? { min: "0", max: String(stops.length - 1), step: "1" }
      : { min: String(minimum), max: String(maximum), step: String(step) };
    return make("input", { type: "range", ...limits, oninput: () => this.moveSlider(row), onchange: () => this.dropSlider(row) });
  }

  /**
   * What was typed stays until it is answered, and if it is refused until it is changed or dropped.
   * @param {Row} row
   */
  enterText(row) {
    if (!row.isTyping || !row.entry) return;
    row.isTyping = false;
    row.typed = row.entry.value;
    this.send({ type: "set", name: row.tunable.name, value: row.typed });
  }

  /** @param {Row} row */
  dropText(row) {
    const isRefused = row.problem.textContent !== "";
    row.isTyping = false;
    row.typed = null;
    this.showValue(row);
    if (isRefused) this.send({ type: "set", name: row.tunable.name, value: row.value });
  }

  /** @param {Tunable} tunable @param {HTMLInputElement} slider */
  wrapSlider(tunable, slider) {
    const mark = make("span", { class: "hak-default-mark", title: `Default: ${tunable.default_text}` });
    const position = this.positionOf(tunable, Number(tunable.default));
    mark.style.setProperty("--hak-share", String(this.shareOf(slider, position)));
    return make("div", { class: "hak-slider" }, mark, slider);
  }

  /**
   * Every step of a drag is sent as it happens; its gesture makes them one entry of the log.
   * @param {Row} row
   */
  moveSlider(row) {
    clearTimeout(row.settling);
    row.isTyping = false;
    row.typed = null;
    if (!row.isMoving) {
      row.isMoving = true;
      this.gestures += 1;
    }
    row.gesture = `${this.session}.${this.gestures}`;
    this.showNumber(row, this.sliderValue(row));
    row.waiting ??= setTimeout(() => this.sendSlider(row), SEND_MS);
  }

  /**
   * Keys come one by one, each with its own end: those close together are one gesture too. Until it is
   * over the control shows what the hand does, not what the kernel said a moment ago.
   * @param {Row} row
   */
  dropSlider(row) {
    this.sendSlider(row);
    clearTimeout(row.settling);
    row.settling = setTimeout(() => {
      row.isMoving = false;
      this.showValue(row);
    }, SETTLE_MS);
  }

  /** @param {Row} row */
  sendSlider(row) {
    clearTimeout(row.waiting);
    row.waiting = undefined;
    this.send({ type: "set", name: row.tunable.name, value: this.sliderValue(row), gesture: row.gesture });
  }

  /** @param {Row} row */
  sliderValue({ tunable, input }) {
    const position = Number(input.value);
    return tunable.stops ? tunable.stops[position] : position;
  }

  /** @param {Tunable} tunable @param {number} value */
  positionOf({ stops }, value) {
    if (!stops) return value;
    const distances = stops.map((stop) => Math.abs(stop - value));
    return distances.indexOf(Math.min(...distances));
  }

  /** @param {Row} row @param {number} value */
  showNumber({ tunable, slider, entry, isTyping, typed }, value) {
    if (!slider || !entry) return;
    const text = tunable.type === "real" ? String(Number(value.toPrecision(6))) : String(value);
    if (!isTyping && typed === null) entry.value = text;
    slider.setAttribute("aria-valuetext", tunable.unit ? `${text} ${tunable.unit}` : text);
    slider.style.setProperty("--hak-fill", String(this.shareOf(slider, Number(slider.value))));
  }

  /** @param {HTMLInputElement} slider @param {number} position */
  shareOf({ min, max }, position) {
    const length = Number(max) - Number(min);
    return length > 0 ? (position - Number(min)) / length : 0;
  }

  /** @param {{ [name: string]: ControlState }} values */
  setValues(values) {
    for (const [name, state] of Object.entries(values)) {
      const row = this.rows.get(name);
      if (!row) continue;
      row.value = state.requested;
      const isAnswered = state.answers !== row.answers || row.problem.textContent !== "";
      row.answers = state.answers;
      if (isAnswered && state.problem === "") row.typed = null;
      if (!row.isMoving) this.showValue(row);
      setText(row.effective, state.note);
      row.effective.classList.toggle("hak-pending", state.is_pending);
      row.element.classList.toggle("hak-is-default", state.is_default);
      row.reset.disabled = state.is_default;
      setText(row.problem, state.problem);
      row.element.classList.toggle("hak-has-problem", state.problem !== "");
      row.entry?.setAttribute("aria-invalid", String(state.problem !== ""));
    }
    for (const fold of this.element.querySelectorAll("details")) {
      const count = /** @type {HTMLElement} */ (fold.querySelector(".hak-changed-count"));
      const changed = fold.querySelectorAll(".hak-control:not(.hak-is-default)").length;
      setText(count, changed ? `${changed} changed` : "");
    }
  }

  /** @param {Row} row */
  showValue(row) {
    const { tunable, input, slider, value } = row;
    if (slider) {
      const position = String(this.positionOf(tunable, Number(value)));
      if (slider.value !== position) slider.value = position;
      this.showNumber(row, Number(value));
    } else if (input instanceof HTMLInputElement) input.checked = Boolean(value);
    else input.value = String(value);
  }
}
