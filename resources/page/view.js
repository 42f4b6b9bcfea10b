// The view of a run in a notebook: the page in its frame and Python have one selection.

function render({ model, el }) {
  el.innerHTML = model.get("_html");
  // That of other HTML in JupyterLab, whose widgets have less.
  el.style.lineHeight = "1.5";
  const frame = el.querySelector("iframe");
  // The selection of the page, which is not sent back to it: it may have a later one by then.
  let known = "";
  const show = () => {
    const selection = model.get("selection");
    if (String(selection) === known) return;
    known = String(selection);
    frame.contentWindow?.postMessage({ selection }, "*");
  };
  const follow = ({ source, data }) => {
    if (source !== frame.contentWindow || !data?.selection) return;
    known = String(data.selection);
    model.set("selection", data.selection);
    model.save_changes();
  };
  // A notebook loads the frame again whenever the cell comes back into view.
  frame.addEventListener("load", () => {
    known = "";
    show();
  });
  window.addEventListener("message", follow);
  model.on("change:selection", show);
  return () => {
    window.removeEventListener("message", follow);
    model.off("change:selection", show);
  };
}

export default { render };
