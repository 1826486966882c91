// actions.js: presets, undo, redo, reset and export, and what the process does when asked, above the tunables.

import { fillSelect, make, makeButton, makeField, makeQuestion, setText } from "./dom.js";

/** @import { ActionState, ChangeHistory, ExportFormat, Presets, Request } from "messages" */

export class Actions {
  /** @param {(message: Request) => void} send */
  constructor(send) {
    this.send = send;
    /** @type {ExportFormat[]} */
    this.formats = [];
    this.suggested = "";
    this.asked = ""; // the preset that is to be deleted, if the question is answered with yes
    this.preset = make("select", { "aria-label": "Preset", onchange: () => this.choosePreset() });
    this.undo = makeButton("Undo", "hak-small", () => send({ type: "undo" }));
    this.redo = makeButton("Redo", "hak-small", () => send({ type: "redo" }));
    this.reset = makeButton("Reset", "hak-small", () => send({ type: "reset_all" }), "Every tunable to its default");
    this.export = makeButton("Export", "hak-small", () => this.open(this.exportForm), "Write the values to a file");
    this.save = makeButton("Save preset", "hak-small", () => this.open(this.saveForm), "Keep the values under a name");
    this.delete = makeButton("Delete", "hak-small", () => this.askDelete(true));
    this.delete.setAttribute("aria-label", "Delete preset");
    this.delete.hidden = true;
    this.questionText = make("span", {});
    this.yes = makeButton("Delete", "hak-small", () => {
      this.askDelete(false);
      send({ type: "delete_preset", name: this.asked });
    });
    const no = makeButton("Cancel", "hak-small", () => this.askDelete(false));
    this.question = makeQuestion("Delete preset", this.questionText, this.yes, no);
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

  /** @param {HTMLFormElement} chosen */
  open(chosen) {
    const isOpening = chosen.hidden;
    this.saveForm.hidden = this.exportForm.hidden = true;
    this.askDelete(false);
    chosen.hidden = !isOpening;
    if (isOpening) chosen.querySelector("input")?.focus();
  }

  /** @param {boolean} isOpen */
  askDelete(isOpen) {
    this.question.hidden = !isOpen;
    if (!isOpen) return;
    this.saveForm.hidden = this.exportForm.hidden = true;
    this.asked = this.preset.value;
    setText(this.questionText, `Delete the saved preset “${this.asked}”? The values stay as they are.`);
    this.yes.focus();
  }

  /** @param {ExportFormat[]} formats */
  setFormats(formats) {
    this.formats = formats;
    fillSelect(this.format, formats.map(({ name, label }) => ({ value: name, label })));
    this.suggestPath();
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

  /** @param {Presets} presets Only a saved one can be deleted. */
  setPresets(presets) {
    const options = presets.names.map((preset) => ({ value: preset.name, label: preset.name, title: preset.help }));
    fillSelect(this.preset, [{ value: "", label: "custom", disabled: true }, ...options], presets.current);
    const isSaved = presets.names.some((preset) => preset.is_saved && preset.name === presets.current);
    this.delete.hidden = !isSaved;
    this.delete.title = isSaved ? `Delete the saved preset ${presets.current}` : "";
    if (!isSaved || this.asked !== presets.current) this.askDelete(false);
  }

  /** @param {ActionState[]} states A button each, and what came of it last. */
  setActs(states) {
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
  }

  /** @param {ChangeHistory} history */
  setHistory(history) {
    this.undo.disabled = history.undo === "";
    this.undo.title = history.undo ? `Take back: ${history.undo}` : "Nothing to take back";
    this.redo.disabled = history.redo === "";
    this.redo.title = history.redo ? `Make again: ${history.redo}` : "Nothing to make again";
  }

  /** @param {string} text */
  setMessage(text) {
    setText(this.message, text);
  }
}
