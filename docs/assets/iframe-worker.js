/* Search in pages that are opened as files: browsers start no worker there, so that its script runs in a hidden frame. */
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.waiting = [];
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.appendChild(this.frame);
      const inside = this.frame.contentWindow;
      inside.postBack = (data) => {
        const event = new MessageEvent("message", { data });
        this.dispatchEvent(event);
        if (this.onmessage) this.onmessage(event);
      };
      const page = this.frame.contentDocument;
      page.open();
      page.write(
        "<script>var __index = parent.__index; var postMessage = (data) => postBack(data);" +
        "var importScripts = (...urls) => Promise.all(urls.map((url) => new Promise((done, failed) => {" +
        "const script = document.createElement('script'); script.src = url; script.onload = done;" +
        "script.onerror = failed; document.body.appendChild(script); })));</" + "script>" +
        `<body><script src="${url}"></` + "script></body>"
      );
      page.close();
      this.frame.addEventListener("load", () => {
        this.ready = true;
        for (const data of this.waiting) this.deliver(data);
      });
    }
    postMessage(data) {
      if (this.ready) this.deliver(data);
      else this.waiting.push(data);
    }
    deliver(data) {
      const inside = this.frame.contentWindow;
      inside.dispatchEvent(new inside.MessageEvent("message", { data }));
    }
    terminate() {
      this.frame.remove();
    }
  };
}
