// record.js: the recording, beside the status line: whether it goes on, its name and size, a notebook of it.

class RecordStrip {
  constructor(send) {
    this.send = send;
    this.text = make("span", { class: "hak-record-text" });
    this.dot = make("span", { class: "hak-record-dot" });
    this.toggle = make("input", {
      type: "checkbox",
      "aria-label": "Record",
      onchange: () => this.send({ type: "record", on: this.toggle.checked }),
    });
    this.save = make(
      "button",
      { type: "button", class: "hak-button hak-small", onclick: () => this.send({ type: "save_notebook" }) },
      "Save as notebook",
    );
    this.element = make(
      "div",
      { class: "hak-record", role: "group", "aria-label": "Recording" },
      make("label", { class: "hak-record-switch" }, this.toggle, this.dot, "Record"),
      this.text,
      this.save,
    );
    this.element.hidden = true;
  }

  // recording: {is_on, is_possible, is_recording, name, path, size, problem, can_save}
  setRecording(recording) {
    this.element.hidden = !recording.is_possible;
    this.toggle.checked = recording.is_on;
    this.dot.dataset.state = recording.problem ? "ended" : recording.is_recording ? "on" : "off";
    const what = recording.problem ? "ended early" : [recording.size, recording.name.replace(/\.session$/, "")].filter(Boolean).join(" · ");
    setText(this.text, what);
    this.text.title = recording.problem || (recording.name ? recording.path : `Recordings go to ${recording.path}`);
    this.save.disabled = !recording.can_save;
    this.save.title = recording.can_save
      ? "Write a notebook that repeats this session: same workload, seed and changes"
      : "Nothing was recorded yet";
  }
}
