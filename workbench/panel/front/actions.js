// actions.js: presets, undo, redo, reset and export, above the tunables.

import { fillSelect, make, makeField, setText } from "./dom.js";

export class Actions {
  constructor(send) {
    this.send = send;
    this.preset = make("select", { "aria-label": "Preset", onchange: () => this.choosePreset() });
    this.undo = this.button("Undo", () => send({ type: "undo" }));
    this.redo = this.button("Redo", () => send({ type: "redo" }));
    this.reset = this.button("Reset", () => send({ type: "reset_all" }), "Every tunable to its default");
    this.export = this.button("Export", () => this.open("export"), "Write the values to a file");
    this.save = this.button("Save preset", () => this.open("save"), "Keep the values under a name");
    this.delete = this.button("Delete", () => this.askDelete(true));
    this.delete.setAttribute("aria-label", "Delete preset");
    this.delete.hidden = true;
    this.question = this.makeQuestion();
    this.message = make("div", { class: "hak-message", role: "status" });
    this.saveName = make("input", { type: "text", "aria-label": "Preset name", placeholder: "name" });
    this.saveForm = this.form("Save preset", [this.saveName], "Save", () => {
      this.send({ type: "save_preset", name: this.saveName.value });
    });
    this.format = make("select", { "aria-label": "Format", onchange: () => this.suggestPath() });
    fillSelect(this.format, [
      { value: "env", label: "environment file" },
      { value: "toml", label: "TOML" },
      { value: "header", label: "C header" },
    ]);
    this.path = make("input", { type: "text", "aria-label": "File", value: "hakmem.env" });
    this.exportForm = this.form("Export", [this.format, this.path], "Write", () => {
      this.send({ type: "export", format: this.format.value, path: this.path.value });
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
    );
  }

  button(name, action, title) {
    return make("button", { type: "button", class: "hak-button hak-small", title, onclick: action }, name);
  }

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

  open(which) {
    const chosen = which === "save" ? this.saveForm : this.exportForm;
    const other = which === "save" ? this.exportForm : this.saveForm;
    other.hidden = true;
    this.askDelete(false);
    chosen.hidden = !chosen.hidden;
    if (!chosen.hidden) chosen.querySelector("input").focus();
  }

  makeQuestion() {
    this.questionText = make("span", {});
    const yes = this.button("Delete", () => {
      this.askDelete(false);
      this.send({ type: "delete_preset", name: this.asked });
    });
    const no = this.button("Cancel", () => this.askDelete(false));
    return make("div", { class: "hak-question", hidden: true, role: "group", "aria-label": "Delete preset" }, this.questionText, yes, no);
  }

  askDelete(isOpen) {
    this.question.hidden = !isOpen;
    if (!isOpen) return;
    this.saveForm.hidden = true;
    this.exportForm.hidden = true;
    this.asked = this.preset.value;
    setText(this.questionText, `Delete the saved preset “${this.asked}”? The values stay as they are.`);
    this.question.querySelector("button").focus();
  }

  suggestPath() {
    const endings = { env: "hakmem.env", toml: "hakmem.toml", header: "hakmem_defaults.h" };
    if (Object.values(endings).includes(this.path.value)) this.path.value = endings[this.format.value];
  }

  choosePreset() {
    if (this.preset.value) this.send({ type: "preset", name: this.preset.value });
  }

  // presets: {names: [{name, help, is_saved}], current}. Only a saved preset can be deleted.
  setPresets(presets) {
    const options = presets.names.map((preset) => ({ value: preset.name, label: preset.name, title: preset.help }));
    fillSelect(this.preset, [{ value: "", label: "custom", disabled: true }, ...options], presets.current);
    const isSaved = presets.names.some((preset) => preset.is_saved && preset.name === presets.current);
    this.delete.hidden = !isSaved;
    this.delete.title = isSaved ? `Delete the saved preset ${presets.current}` : "";
    if (!isSaved || this.asked !== presets.current) this.askDelete(false);
  }

  setHistory(history) {
    this.undo.disabled = history.undo === "";
    this.undo.title = history.undo ? `Take back: ${history.undo}` : "Nothing to take back";
    this.redo.disabled = history.redo === "";
    this.redo.title = history.redo ? `Make again: ${history.redo}` : "Nothing to make again";
  }

  setMessage(message) {
    setText(this.message, message.text);
  }

  showRun() {}
}
