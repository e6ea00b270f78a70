// A box that scrolls can be reached and scrolled by keyboard.
function reachable() {
  for (const box of document.querySelectorAll("pre, .cell_output, .table-wrapper, .output")) {
    const scrolls = box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight;
    if (scrolls) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}
addEventListener("load", reachable);
addEventListener("resize", reachable);
