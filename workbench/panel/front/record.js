// record.js: the recording, beside the status line: whether it goes on, its name and size, a notebook or a page of it.

import { make, makeButton, setText } from "./dom.js";

/** @import { Recording } from "messages" */
/** @import { Send, Shows } from "./dom.js" */

// What a person chose is shown until it is answered, or for so long: states that were on their way would turn it back.
const ANSWER_MS = 5000;

export class RecordStrip {
  /** @param {Send} send */
  constructor(send) {
    this.askedAt = -Infinity;
    this.switches = 0;
    this.text = make("span", { class: "hak-record-text" });
    this.dot = make("span", { class: "hak-record-dot" });
    this.toggle = make("input", {
      type: "checkbox",
      "aria-label": "Record",
      onchange: () => {
        this.askedAt = performance.now();
        send({ type: "record", on: this.toggle.checked });
      },
    });
    this.save = makeButton("Save as notebook", "hak-small", () => send({ type: "save_notebook" }));
    this.savePage = makeButton("Save as page", "hak-small", () => send({ type: "save_page" }));
    this.element = make(
      "div",
      { class: "hak-record", role: "group", "aria-label": "Recording" },
      make("label", { class: "hak-record-switch" }, this.toggle, this.dot, "Record"),
      this.text,
      this.save,
      this.savePage,
    );
    this.element.hidden = true;
  }

  /** @type {Shows} */
  shows = { recording: (recording) => this.showRecording(recording) };

  /** @param {Recording} recording */
  showRecording(recording) {
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
    this.text.title = recording.problem || (recording.name ? recording.path : `Sessions are recorded in ${recording.path}`);
    const none = "Nothing was recorded yet";
    this.save.disabled = this.savePage.disabled = !recording.can_save;
    this.save.title = recording.can_save ? "Write a notebook that repeats this session: same workload, seed and changes" : none;
    this.savePage.title = recording.can_save ? "Write one HTML page with live charts, which opens offline" : none;
  }
}
