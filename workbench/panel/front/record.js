// record.js: the recording, beside the status line: whether it goes on, its name and size, a notebook of it.

import { make, setText } from "./dom.js";

// What a person chose is shown until it is answered, or for so long: states that were on their way would turn it back.
const ANSWER_MS = 5000;

export class RecordStrip {
  constructor(send) {
    this.send = send;
    this.askedAt = -Infinity;
    this.text = make("span", { class: "hak-record-text" });
    this.dot = make("span", { class: "hak-record-dot" });
    this.toggle = make("input", {
      type: "checkbox",
      "aria-label": "Record",
      onchange: () => {
        this.askedAt = performance.now();
        this.send({ type: "record", on: this.toggle.checked });
      },
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

  // recording: {is_on, switches, is_possible, is_recording, name, path, size, problem, can_save}
  setRecording(recording) {
    this.element.hidden = !recording.is_possible;
    const isAnswered = recording.switches !== this.switches || performance.now() - this.askedAt > ANSWER_MS;
    this.switches = recording.switches;
    if (isAnswered) {
      this.askedAt = -Infinity;
      this.toggle.checked = recording.is_on;
    }
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
