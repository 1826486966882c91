// journal.js: the status line, errors, and the log of changes and capacity events.

import { make, setText } from "./dom.js";

/** @import { Status } from "messages" */
/** @import { Send, Shows } from "./dom.js" */

const LOG_LINES = 300;

export class Journal {
  /** @param {Send} send */
  constructor(send) {
    this.text = make("span", {}, "connecting to the kernel …");
    this.status = make("div", { class: "hak-status", role: "status" }, make("span", { class: "hak-dot" }), this.text);
    this.errorText = make("span", {});
    const dismiss = () => send({ type: "dismiss" });
    this.error = make(
      "div",
      { class: "hak-error", role: "alert", hidden: true },
      this.errorText,
      make("button", { type: "button", class: "hak-icon", title: "Dismiss", "aria-label": "Dismiss", onclick: dismiss }, "✕"),
    );
    this.lines = make("ol", { class: "hak-lines" });
    this.log = make(
      "section",
      { class: "hak-card hak-log" },
      make("header", {}, make("h3", {}, "Log"), make("span", { class: "hak-hint" }, "changes and capacity events, newest first")),
      make("div", { class: "hak-log-body", role: "log", "aria-live": "off", tabindex: "0", "aria-label": "Log of changes and events" }, this.lines),
    );
  }

  /** @param {Status} status */
  setStatus({ text, state }) {
    setText(this.text, text);
    this.status.dataset.state = state;
  }

  /** @param {string} text Empty: none. */
  setError(text) {
    this.error.hidden = text === "";
    setText(this.errorText, text);
  }

  /** @type {Shows} */
  shows = {
    status: (status) => this.setStatus(status),
    error: (text) => this.setError(text),
    log_restart: () => this.lines.replaceChildren(),
    // Oldest first; one whose number is there already replaces that line.
    log: (entries) => {
      for (const { number, kind, time, text } of entries) {
        const attributes = { class: `hak-line hak-${kind}`, "data-number": String(number) };
        const line = make("li", attributes, make("time", {}, time), make("span", {}, text));
        const old = this.lines.querySelector(`[data-number="${number}"]`);
        if (old) old.replaceWith(line);
        else this.lines.prepend(line);
      }
      while (this.lines.childElementCount > LOG_LINES) this.lines.lastElementChild?.remove();
    },
  };
}
