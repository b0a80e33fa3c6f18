// What a page of a run shows: evaluated in it as it is, by `tests/across/report_test.ts`.

(async () => {
  const shown = [...document.querySelectorAll("svg")].filter((svg) => svg.getClientRects().length > 0);
  const count = (svg, what) => svg.querySelectorAll(what).length;
  const urls = [...document.querySelectorAll("img, image")].map((image) =>
    image.getAttribute("src") ?? image.getAttribute("href")
  );
  const broken = [];
  for (const url of urls) {
    const image = new Image();
    image.src = url;
    await image.decode().catch(() => broken.push(url.slice(0, 60)));
    if (image.naturalWidth === 0) broken.push(url.slice(0, 60));
  }
  const outside = shown.flatMap((svg) => {
    const frame = svg.getBoundingClientRect();
    return [...svg.querySelectorAll("text")].filter((text) => {
      const box = text.getBoundingClientRect();
      return box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 ||
        box.bottom > frame.bottom + 1;
    }).map((text) => `${svg.getAttribute("aria-label")}: ${text.textContent}`);
  });
  return {
    titles: [...document.querySelectorAll("h2, h3")].map((title) => title.textContent ?? ""),
    drawings: shown.map((svg) => ({
      label: svg.getAttribute("aria-label") ?? "",
      // A curve has many points, a line of the grid two.
      lines:
        [...svg.querySelectorAll("path")].filter((path) => (path.getAttribute("d") ?? "").length > 60).length,
      boxes: count(svg, "rect") + count(svg, "path[fill]:not([fill='none'])"),
      words: count(svg, "text"),
      images: count(svg, "image"),
      width: svg.getBoundingClientRect().width,
    })),
    broken,
    pictures: urls.length,
    outside,
    excess: document.documentElement.scrollWidth - innerWidth,
    ground: getComputedStyle(document.body).backgroundColor,
    text: document.body.innerText,
  };
})();
