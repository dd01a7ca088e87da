"use strict";
// Own lines: of a library for tables a report would use some hundredth.
(() => {
  const LEAST_TO_FILTER = 9;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const narrow = matchMedia("(max-width: 64rem)");
  const phone = matchMedia("(max-width: 44rem)");

  const make = (tag, text = "", properties = {}) =>
    Object.assign(document.createElement(tag), { textContent: text, ...properties });

  // A cell of a column of numbers is its first one, as 0.743 of "0.743 [0.713, 0.773]".
  const numberIn = (text) => Number.parseFloat((/[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?/i.exec(text) ?? [])[0]);

  function sortable(table) {
    const body = table.tBodies[0];
    const asWritten = [...body.rows];
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      if (!head.textContent) return;
      const button = make("button", head.textContent, { type: "button" });
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const order = { ascending: "descending", descending: "" }[head.getAttribute("aria-sort")] ?? "ascending";
        table.querySelectorAll("[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
        if (order) head.setAttribute("aria-sort", order);
        body.append(...(order ? sorted(asWritten, column, head.classList.contains("number"), order) : asWritten));
      });
    });
  }

  function sorted(rows, column, numeric, order) {
    const told = rows.map((row) => {
      const text = row.cells[column].textContent.trim();
      return { row, text, number: numberIn(text) };
    });
    const [known, rest] = [[], []];
    told.forEach((one) => ((numeric ? !Number.isNaN(one.number) : one.text) ? known : rest).push(one));
    const sign = order === "ascending" ? 1 : -1;
    known.sort((a, b) => sign * (numeric ? a.number - b.number : a.text.localeCompare(b.text, "en", { numeric: true })));
    return [...known, ...rest].map(({ row }) => row);
  }

  function filterable(table) {
    const rows = [...table.tBodies[0].rows];
    if (rows.length < LEAST_TO_FILTER) return;
    const field = make("input", "", { type: "search", autocomplete: "off" });
    const label = make("label", `Filter ${table.dataset.title} `);
    const count = make("output");
    const tools = make("div", "", { className: "tools" });
    label.append(field);
    tools.append(label, count);
    table.parentElement.before(tools);
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      rows.forEach((row) => {
        const text = [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
      });
      const shown = rows.filter((row) => !row.hidden).length;
      count.textContent = words.length ? `${shown} of ${rows.length} rows` : "";
    });
  }

  function copyable(block) {
    const button = make("button", "Copy", { type: "button", className: "copy" });
    const title = block.dataset.copy;
    button.setAttribute("aria-label", `Copy ${title}`);
    block.before(button);
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(block.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(block);
        button.textContent = "Selected: press Ctrl+C";
      }
    });
  }

  // plotly.js is unpacked once, when the first figure comes near; a browser that cannot keeps the pictures.
  let unpacked;
  async function unpack() {
    const packed = Uint8Array.from(atob(document.getElementById("plotly").textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    document.head.append(make("script", await new Response(stream).text()));
    return window.Plotly;
  }

  const MARGIN = { l: 50, r: 20, t: 40, b: 50 };
  function look() {
    const style = getComputedStyle(document.documentElement);
    const color = (name) => style.getPropertyValue(`--${name}`).trim();
    const axis = {
      automargin: true, gridcolor: color("line"), zerolinecolor: color("line"), linecolor: color("soft"), tickcolor: color("soft"),
    };
    const clear = "rgba(0,0,0,0)";
    return {
      layout: {
        font: { color: color("ink"), family: getComputedStyle(document.body).fontFamily, size: 13 },
        paper_bgcolor: clear, plot_bgcolor: clear, xaxis: axis, yaxis: axis,
        legend: { bgcolor: clear },
        margin: MARGIN,
        hoverlabel: { bgcolor: color("paper"), bordercolor: color("soft"), font: { color: color("ink") } },
        modebar: { bgcolor: clear, color: color("soft"), activecolor: color("link") },
      },
    };
  }

  const sideBySide = (layout) =>
    Object.entries(layout).some(([name, axis]) => name.startsWith("xaxis") && axis.domain?.[0] > 0.3);
  const rowAxes = (layout) =>
    Object.entries(layout).filter(([name, axis]) => name.startsWith("yaxis") && axis.ticktext?.some((text) => text.length > 20));

  const squares = ({ yaxis }) => Boolean(yaxis?.scaleanchor);
  const span = ({ range }) => Math.abs(range[1] - range[0]);
  // Squares in a narrow figure leave height that nothing needs.
  const tall = ({ height, margin, xaxis, yaxis }, width) =>
    squares({ yaxis }) && xaxis.range && yaxis.range
      ? Math.min(height, margin.t + margin.b + ((width - margin.l - margin.r) * span(yaxis)) / span(xaxis))
      : height;

  // On a phone long names of rows stand above their points, so that the points have the width; the longest take two lines.
  const LONGEST = 40;
  const folded = (text) => {
    const breaks = [...text.matchAll(/ /g)].map(({ index }) => index);
    if (text.length <= LONGEST || !breaks.length) return text;
    const middle = breaks.reduce((best, at) => (Math.abs(at - text.length / 2) < Math.abs(best - text.length / 2) ? at : best));
    return `${text.slice(0, middle)}<br>${text.slice(middle + 1)}`;
  };
  const LINE = 16;
  const foldLegend = (data, layout) => {
    const long = data.filter(({ name, showlegend }) => showlegend && folded(name) !== name);
    long.forEach((trace) => (trace.name = folded(trace.name)));
    layout.height += long.length * LINE;
    layout.margin.b += long.length * LINE;
  };
  const namesAbove = (layout) => {
    const { height, margin, legend } = layout;
    const names = [];
    const heights = new Map();
    const axes = rowAxes(layout).map(([name, axis]) => {
      const texts = axis.ticktext.map(folded);
      const lines = texts.some((text) => text.includes("<br>")) ? 2 : 1;
      const place = { xref: `${axis.anchor} domain`, x: 0, xanchor: "left", yref: name.replace("axis", ""), yanchor: "bottom", yshift: 3 };
      names.push(...texts.map((text, row) => ({ ...place, text, y: axis.tickvals[row], align: "left", showarrow: false })));
      heights.set(String(axis.domain), texts.length * lines * LINE);
      const [low, high] = axis.range;
      return [name, { ...axis, showticklabels: false, range: [low, high + Math.sign(high - low) / 4] }];
    });
    const more = [...heights.values()].reduce((sum, one) => sum + one, 0);
    const inner = height - margin.t - margin.b;
    return {
      ...layout,
      ...Object.fromEntries(axes),
      annotations: [...layout.annotations, ...names],
      height: height + more,
      margin: { ...margin, l: 16 },
      legend: { ...legend, y: (legend.y * inner) / (inner + more) },
    };
  };

  const plots = [];
  async function draw(figure) {
    const plot = make("div", "", { className: "plot" });
    const picture = figure.querySelector("img");
    try {
      const plotly = await (unpacked ??= unpack());
      const { data, layout: given } = JSON.parse(figure.querySelector("script").textContent);
      const layout = { height: 450, legend: {}, annotations: [], ...given, margin: { ...MARGIN, ...given.margin } };
      const points = data.every(({ type }) => type === "scatter") && !squares(layout);
      if (phone.matches) foldLegend(data, layout);
      const { width, ...rest } = phone.matches && points ? namesAbove(layout) : layout;
      // On a phone panels side by side, shades with long names and pictures keep a width that can be read, and scroll.
      plot.classList.toggle("panels", sideBySide(layout) || squares(layout) || (!points && rowAxes(layout).length > 0));
      plot.setAttribute("role", "group");
      plot.setAttribute("aria-label", picture.alt);
      picture.after(plot);
      const template = look();
      const font = { ...rest.font, color: template.layout.font.color };
      const shown = { ...rest, height: tall(rest, plot.clientWidth), font, autosize: true, template };
      await plotly.newPlot(plot, data, shown, { responsive: true, displaylogo: false, displayModeBar: "hover" });
      figure.classList.add("drawn");
      plots.push(plot);
    } catch (error) {
      plot.remove();
      console.warn(`the picture stays: ${error}`);
    }
  }

  document.querySelectorAll("table").forEach((table) => {
    sortable(table);
    filterable(table);
  });
  document.querySelectorAll("pre[data-copy]").forEach(copyable);
  const contents = document.querySelector("nav details");
  const fold = () => (contents.open = !narrow.matches);
  narrow.addEventListener("change", fold);
  fold();
  if (document.getElementById("plotly")) {
    const near = new IntersectionObserver(
      (entries) => entries.filter((entry) => entry.isIntersecting).forEach(({ target }) => {
        near.unobserve(target);
        draw(target);
      }),
      { rootMargin: "400px" },
    );
    document.querySelectorAll("figure:has(> script)").forEach((figure) => near.observe(figure));
    dark.addEventListener("change", () => {
      const template = look();
      plots.forEach((plot) => window.Plotly.relayout(plot, { template, "font.color": template.layout.font.color }));
    });
  }
})();
