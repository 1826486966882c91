// controls.js: the list of tunables, one control a descriptor, in one fold a component.

import { Control } from "./control.js";
import { make, setText } from "./dom.js";

/** @import { Control as Description, ControlGroup, ControlState, Request } from "messages" */

export class ControlList {
  controls = /** @type {Map<string, Control>} */ (new Map()); // by the tunable's name

  /** @param {(message: Request) => void} send @param {(description: Description) => void} showHelp */
  constructor(send, showHelp) {
    this.send = send;
    this.showHelp = showHelp;
    this.element = make("div", { class: "hak-groups" });
  }

  /** @param {ControlGroup[]} groups */
  setControls(groups) {
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
  }

  /** @param {Description} description */
  addControl(description) {
    const control = new Control(description, this.send);
    for (const event of ["pointerenter", "focusin"]) {
      control.element.addEventListener(event, () => this.showHelp(description));
    }
    this.controls.set(control.tunable.name, control);
    return control;
  }

  /** @param {{ [name: string]: ControlState }} values */
  setValues(values) {
    for (const [name, state] of Object.entries(values)) this.controls.get(name)?.setState(state);
    for (const fold of this.element.querySelectorAll("details")) {
      const count = /** @type {HTMLElement} */ (fold.querySelector(".hak-changed-count"));
      const changed = fold.querySelectorAll(".hak-control:not(.hak-is-default)").length;
      setText(count, changed ? `${changed} changed` : "");
    }
  }
}
