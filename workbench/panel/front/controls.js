// controls.js: the tunables: in a fold for each component a control for each descriptor, and help below them.
// A control is a switch, a choice, or a slider with a field for exact values beside it.
// The accessible name of a control is its tunable's name, and nothing else on the page has that name.

import { fillSelect, make, setText } from "./dom.js";

/** @import { Control as Description, ControlState } from "messages" */
/** @import { Send, Shows } from "./dom.js" */
/** @typedef {ReturnType<typeof setTimeout>} Timer */

const SETTLE_MS = 700;
const SEND_MS = 60; // between two steps of a drag
const PAGE = Math.random().toString(36).slice(2, 8);
let gestures = 0;

class Control {
  answers = 0;
  isMoving = false;
  entering = /** @type {"" | "typed" | "sent"} */ (""); // what was sent stays until it is answered
  gesture = "";
  slider = /** @type {HTMLInputElement | null} */ (null);
  entry = /** @type {HTMLInputElement | null} */ (null);
  waiting = /** @type {Timer | undefined} */ (undefined);
  settling = /** @type {Timer | undefined} */ (undefined);

  /** @param {Description} description @param {Send} send */
  constructor(description, send) {
    const { tunable, default_text, effect_text } = description;
    const { name } = tunable;
    this.description = description;
    this.tunable = tunable;
    this.send = send;
    this.value = tunable.default;
    this.problem = make("div", { class: "hak-problem", role: "alert" });
    this.effective = make("span", { class: "hak-effective" });
    this.reset = make(
      "button",
      {
        type: "button",
        class: "hak-icon",
        "aria-label": `Reset ${name}`,
        title: `Back to the default, ${default_text}`,
        onclick: () => send({ type: "reset", name }),
      },
      "↺",
    );
    const input = tunable.type === "bool" ? this.makeSwitch() : tunable.type === "choice" ? this.makeChoice() : this.makeSlider();
    input.setAttribute("aria-label", name);
    this.input = input;
    const beside = this.entry ? make("span", { class: "hak-entry" }, this.entry, make("span", { class: "hak-unit" }, tunable.unit)) : input;
    const badge = tunable.effect === "live" ? null : make("span", { class: "hak-badge" }, effect_text);
    this.element = make(
      "div",
      { class: "hak-control", "data-name": name },
      make("div", { class: "hak-control-head" }, make("span", { class: "hak-name" }, name), make("span", { class: "hak-set" }, beside, this.reset)),
      this.slider && this.wrapSlider(this.slider),
      make("div", { class: "hak-note" }, this.effective, badge),
      this.problem,
    );
  }

  /** @param {ControlState["requested"]} value @param {string} [gesture] */
  set(value, gesture) {
    this.send({ type: "set", name: this.tunable.name, value, gesture });
  }

  makeSwitch() {
    const input = make("input", { type: "checkbox", role: "switch", class: "hak-switch", onchange: () => this.set(input.checked) });
    return input;
  }

  makeChoice() {
    const select = make("select", { onchange: () => this.set(select.value) });
    fillSelect(select, this.tunable.choices);
    return select;
  }

  makeSlider() {
    const { name, minimum, maximum } = this.tunable;
    const { stops, step, range_text } = this.description;
    this.entry = make("input", {
      type: "text",
      inputmode: "decimal",
      class: "hak-number",
      title: `Exact value, ${range_text}`,
      "aria-label": `${name}, exact value`,
      spellcheck: "false",
      autocomplete: "off",
      oninput: () => (this.entering = "typed"),
      onchange: () => this.enterText(),
      onkeydown: (event) => {
        if (event.key === "Enter") this.enterText();
        else if (event.key === "Escape") this.dropText();
      },
    });
    const [min, max, by] = stops ? [0, stops.length - 1, 1] : [minimum, maximum, step];
    const limits = { min: String(min), max: String(max), step: String(by) };
    this.slider = make("input", { type: "range", ...limits, oninput: () => this.moveSlider(), onchange: () => this.dropSlider() });
    return this.slider;
  }

  /** @param {HTMLInputElement} slider */
  wrapSlider(slider) {
    const mark = make("span", { class: "hak-default-mark", title: `Default: ${this.description.default_text}` });
    mark.style.setProperty("--hak-share", String(this.shareOf(slider, this.positionOf(this.tunable.default))));
    return make("div", { class: "hak-slider" }, mark, slider);
  }

  // What was typed stays until it is answered, and if it is refused until it is changed or dropped.
  enterText() {
    if (this.entering !== "typed" || !this.entry) return;
    this.entering = "sent";
    this.set(this.entry.value);
  }

  dropText() {
    const isRefused = this.problem.textContent !== "";
    this.entering = "";
    this.showValue();
    if (isRefused) this.set(this.value);
  }

  // Every step of a drag is sent as it happens; its gesture makes them one entry of the log.
  moveSlider() {
    clearTimeout(this.settling);
    this.entering = "";
    if (!this.isMoving) gestures += 1;
    this.isMoving = true;
    this.gesture = `${PAGE}.${gestures}`;
    this.showNumber(this.sliderValue());
    this.waiting ??= setTimeout(() => this.sendSlider(), SEND_MS);
  }

  // Keys come one by one, each with its own end: those close together are one gesture too. Until it is
  // over the control shows what the hand does, not what the kernel said a moment ago.
  dropSlider() {
    this.sendSlider();
    clearTimeout(this.settling);
    this.settling = setTimeout(() => {
      this.isMoving = false;
      this.showValue();
    }, SETTLE_MS);
  }

  sendSlider() {
    clearTimeout(this.waiting);
    this.waiting = undefined;
    this.set(this.sliderValue(), this.gesture);
  }

  sliderValue() {
    const position = Number(this.slider?.value);
    return this.description.stops?.[position] ?? position;
  }

  /** @param {ControlState["requested"]} value Where the slider stands, or the stop that is nearest. */
  positionOf(value) {
    const { stops } = this.description;
    if (!stops) return Number(value);
    const distances = stops.map((stop) => Math.abs(stop - Number(value)));
    return distances.indexOf(Math.min(...distances));
  }

  /** @param {HTMLInputElement} slider @param {number} position */
  shareOf({ min, max }, position) {
    const length = Number(max) - Number(min);
    return length > 0 ? (position - Number(min)) / length : 0;
  }

  /** @param {number} value */
  showNumber(value) {
    const { tunable, slider, entry } = this;
    if (!slider || !entry) return;
    const text = tunable.type === "real" ? String(Number(value.toPrecision(6))) : String(value);
    if (!this.entering) entry.value = text;
    slider.setAttribute("aria-valuetext", tunable.unit ? `${text} ${tunable.unit}` : text);
    slider.style.setProperty("--hak-fill", String(this.shareOf(slider, Number(slider.value))));
  }

  /** @param {ControlState} state */
  setState(state) {
    this.value = state.requested;
    const isAnswered = state.answers !== this.answers || this.problem.textContent !== "";
    this.answers = state.answers;
    if (isAnswered && state.problem === "" && this.entering === "sent") this.entering = "";
    if (!this.isMoving) this.showValue();
    setText(this.effective, state.note);
    this.effective.classList.toggle("hak-pending", state.is_pending);
    this.element.classList.toggle("hak-is-default", state.is_default);
    this.reset.disabled = state.is_default;
    setText(this.problem, state.problem);
    this.element.classList.toggle("hak-has-problem", state.problem !== "");
    this.entry?.setAttribute("aria-invalid", String(state.problem !== ""));
  }

  showValue() {
    const { input, slider, value } = this;
    if (slider) {
      const position = String(this.positionOf(value));
      if (slider.value !== position) slider.value = position;
      this.showNumber(Number(value));
    } else if (input instanceof HTMLInputElement) input.checked = Boolean(value);
    else input.value = String(value);
  }
}

export class ControlList {
  controls = /** @type {Map<string, Control>} */ (new Map()); // by the tunable's name
  helped = ""; // the tunable whose help is shown

  /** @param {Send} send */
  constructor(send) {
    this.send = send;
    this.element = make("div", { class: "hak-groups" });
    this.help = make("div", { class: "hak-help" });
  }

  /** @type {Shows} */
  shows = {
    controls: (groups) => {
      const folds = [...this.element.querySelectorAll("details")];
      const open = new Set(folds.filter((fold) => fold.open).map((fold) => fold.dataset.title));
      const isOther = !groups.some((group) => open.has(group.title)); // the first, or another allocator's
      this.controls.clear();
      this.element.replaceChildren(
        ...groups.map((group, index) =>
          make(
            "details",
            { class: "hak-group", "data-title": group.title, open: isOther ? index === 0 : open.has(group.title) },
            make("summary", {}, make("span", { class: "hak-group-title" }, group.title), make("span", { class: "hak-changed-count" })),
            ...group.controls.map((description) => this.addControl(description).element),
          ),
        ),
      );
      this.helped = "";
      this.help.replaceChildren();
    },
    values: (values) => {
      for (const [name, state] of Object.entries(values)) this.controls.get(name)?.setState(state);
      for (const fold of this.element.querySelectorAll("details")) {
        const count = /** @type {HTMLElement} */ (fold.querySelector(".hak-changed-count"));
        const changed = fold.querySelectorAll(".hak-control:not(.hak-is-default)").length;
        setText(count, changed ? `${changed} changed` : "");
      }
    },
  };

  /** @param {Description} description */
  addControl(description) {
    const control = new Control(description, this.send);
    for (const event of ["pointerenter", "focusin"]) {
      control.element.addEventListener(event, () => this.showHelp(description));
    }
    this.controls.set(control.tunable.name, control);
    return control;
  }

  /** @param {Description} control */
  showHelp({ tunable: { name, help }, range_text, default_text, effect_text }) {
    if (this.helped === name) return;
    this.helped = name;
    const facts = `${range_text}, default ${default_text}, takes effect ${effect_text}.`;
    this.help.replaceChildren(make("b", {}, name), ` ${help} `, make("span", { class: "hak-hint" }, facts));
  }
}
