// What a reader would stumble over, measured in the page as it is laid out. Runs from outside.
(() => {
  document.querySelectorAll("details").forEach((one) => { one.open = true; });
  const found = [];
  const said = (one) => `${one.tagName} ${JSON.stringify((one.textContent || "").trim().slice(0, 60))}`;
  const page = document.documentElement;
  if (page.scrollWidth > innerWidth) found.push(`the page is ${page.scrollWidth} wide`);
  for (const one of document.querySelectorAll("body *:not(svg *)")) {
    const box = one.getBoundingClientRect();
    if (box.right > innerWidth + 0.5) found.push(`beyond the window: ${said(one)}`);
    const cell = getComputedStyle(one).display !== "inline" && one.tagName !== "svg";
    if (cell && one.scrollWidth > one.clientWidth + 1) found.push(`wider than its box: ${said(one)}`);
  }
  for (const one of document.querySelectorAll(".proof th")) {
    const words = document.createRange();
    words.selectNodeContents(one);
    const short = one.textContent.length <= "programmed".length;
    if (short && words.getClientRects().length > 1) found.push(`a short label is broken: ${said(one)}`);
  }
  for (const svg of document.querySelectorAll("svg.lanes")) {
    const edge = svg.getBoundingClientRect();
    const scale = edge.width / 360;
    const texts = [...svg.querySelectorAll("text")].map((one) => [one, one.getBoundingClientRect()]);
    const boxes = [...svg.querySelectorAll(".frame, .lane")].map((one) => one.getBoundingClientRect());
    for (const [one, box] of texts) {
      const middle = (box.top + box.bottom) / 2;
      const inside = (around) => box.left >= around.left && box.right <= around.right + 0.5;
      if (!inside(edge) || box.bottom > edge.bottom) found.push(`leaves the drawing: ${said(one)}`);
      for (const around of boxes) {
        const there = middle > around.top && middle < around.bottom;
        const beside = box.right < around.left;
        if (there && !beside && !inside(around)) found.push(`leaves its frame: ${said(one)}`);
      }
      for (const [other, its] of texts) {
        if (one === other) break;
        const across = Math.min(box.right, its.right) - Math.max(box.left, its.left);
        const down = Math.min(box.bottom, its.bottom) - Math.max(box.top, its.top);
        // Fonts have their ascent and descent in whole pixels: less than one of them is no ink.
        if (across > 0.5 * scale && down > scale) found.push(`over one another: ${said(one)} ${said(other)}`);
      }
    }
  }
  return found;
})()
