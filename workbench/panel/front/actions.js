// actions.js: presets, undo, redo, reset and export, and what the process does when asked, above the tunables.

import { fillSelect, make, makeButton, makeField, makeQuestion, setText } from "./dom.js";

/** @import { ExportFormat } from "messages" */
/** @import { Send, Shows } from "./dom.js" */

export class Actions {
  formats = /** @type {ExportFormat[]} */ ([]);
  suggested = "";
  asked = ""; // the preset that is to be deleted, if the question is answered with yes

  /** @param {Send} send */
  constructor(send) {
    this.send = send;
    this.preset = make("select", { "aria-label": "Preset", onchange: () => this.choosePreset() });
    this.undo = makeButton("Undo", "hak-small", () => send({ type: "undo" }));
    this.redo = makeButton("Redo", "hak-small", () => send({ type: "redo" }));
    this.reset = makeButton("Reset", "hak-small", () => send({ type: "reset_all" }), "Every tunable to its default");
    this.export = makeButton("Export", "hak-small", () => this.open(this.exportForm), "Write the values to a file");
    this.save = makeButton("Save preset", "hak-small", () => this.open(this.saveForm), "Keep the values under a name");
    this.delete = makeButton("Delete", "hak-small", () => this.askDelete());
    this.delete.setAttribute("aria-label", "Delete preset");
    this.delete.hidden = true;
    this.questionText = make("span", {});
    const yes = makeButton("Delete", "hak-small", () => {
      this.open(null);
      send({ type: "delete_preset", name: this.asked });
    });
    const no = makeButton("Cancel", "hak-small", () => this.open(null));
    this.question = makeQuestion("Delete preset", this.questionText, yes, no);
    this.message = make("div", { class: "hak-message", role: "status" });
    this.acts = make("div", { class: "hak-acts", role: "group", "aria-label": "Actions" });
    this.saveName = make("input", { type: "text", "aria-label": "Preset name", placeholder: "name" });
    this.saveForm = this.form("Save preset", [this.saveName], "Save", () => {
      send({ type: "save_preset", name: this.saveName.value });
    });
    this.format = make("select", { "aria-label": "Format", onchange: () => this.suggestPath() });
    this.path = make("input", { type: "text", "aria-label": "File" });
    this.exportForm = this.form("Export", [this.format, this.path], "Write", () => {
      send({ type: "export", format: this.format.value, path: this.path.value });
    });
    this.element = make(
      "div",
      { class: "hak-actions" },
      make("div", { class: "hak-row" }, makeField("Preset", this.preset), this.save, this.delete),
      this.question,
      make("div", { class: "hak-row" }, this.undo, this.redo, this.reset, this.export),
      this.saveForm,
      this.exportForm,
      this.message,
      this.acts,
    );
  }

  /** @param {string} label @param {HTMLElement[]} inputs @param {string} verb @param {() => void} action */
  form(label, inputs, verb, action) {
    const form = make(
      "form",
      {
        class: "hak-form",
        "aria-label": label,
        hidden: true,
        onsubmit: (event) => {
          event.preventDefault();
          form.hidden = true;
          action();
        },
      },
      ...inputs,
      make("button", { type: "submit", class: "hak-button hak-small hak-primary" }, verb),
    );
    return form;
  }

  /** @param {HTMLElement | null} chosen Shown alone, or closed if it is open. */
  open(chosen) {
    const isOpening = chosen?.hidden;
    for (const one of [this.saveForm, this.exportForm, this.question]) one.hidden = one !== chosen || !isOpening;
    if (isOpening) chosen?.querySelector(/** @type {"input"} */ ("input, button"))?.focus();
  }

  askDelete() {
    this.asked = this.preset.value;
    setText(this.questionText, `Delete the saved preset “${this.asked}”? The values stay as they are.`);
    this.open(this.question);
  }

  // A name that somebody typed stays.
  suggestPath() {
    const name = this.formats.find((format) => format.name === this.format.value)?.file_name ?? "";
    if (["", this.suggested].includes(this.path.value)) this.path.value = name;
    this.suggested = name;
  }

  choosePreset() {
    if (this.preset.value) this.send({ type: "choose_preset", name: this.preset.value });
  }

  /** @type {Shows} */
  shows = {
    formats: (formats) => {
      this.formats = formats;
      fillSelect(this.format, formats.map(({ name, label }) => ({ value: name, label })));
      this.suggestPath();
    },
    // A button each, and what came of it last.
    actions: (states) => {
      const focused = this.acts.contains(document.activeElement) ? document.activeElement?.textContent : "";
      this.acts.hidden = states.length === 0;
      this.acts.replaceChildren(
        ...states.flatMap(({ action: { name, help }, can_act, note }) => {
          const button = makeButton(name, "hak-small", () => this.send({ type: "act", name }), help);
          button.disabled = !can_act;
          return [button, make("span", { class: "hak-hint" }, note || help)];
        }),
      );
      const again = [...this.acts.querySelectorAll("button")].find((button) => button.textContent === focused);
      again?.focus();
    },
    // Only a saved one can be deleted.
    presets: ({ names, current }) => {
      const options = names.map(({ name, help }) => ({ value: name, label: name, title: help }));
      fillSelect(this.preset, [{ value: "", label: "custom", disabled: true }, ...options], current);
      const isSaved = names.some((preset) => preset.is_saved && preset.name === current);
      this.delete.hidden = !isSaved;
      this.delete.title = isSaved ? `Delete the saved preset ${current}` : "";
      if (!isSaved || this.asked !== current) this.question.hidden = true;
    },
    history: ({ undo, redo }) => {
      this.undo.disabled = undo === "";
      this.undo.title = undo ? `Take back: ${undo}` : "Nothing to take back";
      this.redo.disabled = redo === "";
      this.redo.title = redo ? `Make again: ${redo}` : "Nothing to make again";
    },
    message: (text) => setText(this.message, text),
  };
}
